//! What can be wrong with a study, said where it is wrong.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a study could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// A bare name that no file of the folder has.
    #[error("no study is called `{name}`; {} {known}, and a path to a study file works too", folder.display())]
    UnknownStudy { name: String, folder: PathBuf, known: String },
    #[error("cannot read the study file {}{}", path.display(), asked_by(extended_by.as_deref()))]
    Read {
        path: PathBuf,
        /// The file whose `extends` asked for it.
        extended_by: Option<PathBuf>,
        source: std::io::Error,
    },
    #[error("studies extend each other in a circle: {}", chain(.0))]
    Cycle(Vec<PathBuf>),
    /// At least one; in the order of the files, then of the keys.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

/// One thing wrong with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub message: String,
}

/// Where a key got its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file; line and column count from 1, the column in characters.
    At { path: PathBuf, line: usize, column: usize },
    /// Nowhere in this study file: the value is the default.
    Default { path: PathBuf },
    /// On the command line, as `key=value`.
    Set { assignment: String },
}

impl Place {
    /// The place of byte `offset` of `text`, which is the file at `path`.
    pub(super) fn in_text(path: &Path, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self::At {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The folder that a relative path written here starts from; `None` on the command line (the
    /// current folder).
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::At { path, .. } | Self::Default { path } => path.parent(),
            Self::Set { .. } => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Default { path } => write!(f, "{}", path.display()),
            Self::Set { assignment } => write!(f, "--set {assignment}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

fn asked_by(extended_by: Option<&Path>) -> String {
    extended_by.map(|path| format!(", which {} extends", path.display())).unwrap_or_default()
}

fn chain(files: &[PathBuf]) -> String {
    files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" -> ")
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
