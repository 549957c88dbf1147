//! Locations in the hub, written `hf://...`.

use std::fmt;
use std::str::FromStr;

use super::HubError;

/// The beginning of a path that is in the hub.
pub const SCHEME: &str = "hf://";

/// A repository of the hub at a revision, and a file or folder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Whether it is a data set's repository instead of a model's.
    pub dataset: bool,
    /// `owner/name`.
    pub id: String,
    /// A commit's hash, a branch or a tag.
    pub revision: String,
    /// Empty: the whole repository.
    pub path: String,
}

impl Location {
    /// Whether the revision is a commit, which never changes.
    pub fn is_pinned(&self) -> bool {
        self.revision.len() == 40 && self.revision.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Whether a file of the repository is the location's own.
    pub fn has(&self, file: &str) -> bool {
        let below = file.strip_prefix(&self.path);
        self.path.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Location {
    type Err = HubError;

    /// `hf://owner/name@revision/path`, or `hf://datasets/owner/name...`; without a revision it is
    /// `main`.
    fn from_str(text: &str) -> Result<Self, HubError> {
        let bad = || HubError::Location { text: text.to_owned() };
        let rest = text.strip_prefix(SCHEME).ok_or_else(bad)?;
        let (dataset, rest) = match rest.strip_prefix("datasets/") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let mut parts = rest.splitn(3, '/');
        let (owner, named, path) = (
            parts.next().unwrap_or_default(),
            parts.next().ok_or_else(bad)?,
            parts.next().unwrap_or_default(),
        );
        let (name, revision) = named.split_once('@').unwrap_or((named, "main"));
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let path = path.trim_end_matches('/');
        let climbs = !path.is_empty()
            && path.split('/').any(|part| part.is_empty() || part == "." || part == "..");
        if ![owner, name, revision].into_iter().all(plain) || climbs {
            return Err(bad());
        }
        Ok(Self {
            dataset,
            id: format!("{owner}/{name}"),
            revision: revision.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let datasets = if self.dataset { "datasets/" } else { "" };
        write!(f, "{SCHEME}{datasets}{}@{}", self.id, self.revision)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}
