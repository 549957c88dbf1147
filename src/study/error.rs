//! Errors of study files, each with the place where the mistake is written.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a study could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// A bare name that no file of the folder has.
    #[error("no study is called `{name}`; {} {known}, and a path to a study file works too", folder.display())]
    UnknownStudy {
        /// The name that was asked for.
        name: String,
        /// The folder of study files.
        folder: PathBuf,
        /// The studies that the folder has, in words.
        known: String,
    },
    /// A study file could not be read.
    #[error("cannot read the study file {}{}", path.display(), asked_by(extended_by.as_deref()))]
    Read {
        /// The file.
        path: PathBuf,
        /// The file whose `extends` asked for it.
        extended_by: Option<PathBuf>,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Studies extend each other in a circle; the files, from the first to its repetition.
    #[error("studies extend each other in a circle: {}", chain(.0))]
    Cycle(Vec<PathBuf>),
    /// At least one; in the order of the files, then of the keys.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

/// One thing wrong with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the key's value is written.
    pub place: Place,
    /// What is wrong and what is allowed, with the full name of the key.
    pub message: String,
}

/// Where a key got its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    At {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// Nowhere in this study file: the value is the default.
    Default {
        /// The study file.
        path: PathBuf,
    },
    /// On the command line, as `key=value`.
    Set {
        /// `key=value`.
        assignment: String,
    },
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
