//! Locations in the hub, written `hf://...`.

use std::fmt;
use std::str::FromStr;

use super::error::HubError;

/// The beginning of a path that is in the hub.
pub const SCHEME: &str = "hf://";

/// A repository of the hub at a revision, and a file or folder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Whether it is a data set's repository instead of a model's.
    pub dataset: bool,
    /// `owner/name`.
    pub id: String,
    /// A commit's hash in small letters, a branch, a tag or a reference such as `refs/pr/1`.
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
    /// `main`. A slash in a revision is written `%2F`, except in `refs/pr/1`.
    fn from_str(text: &str) -> Result<Self, HubError> {
        let bad = || HubError::Location { text: text.to_owned() };
        let rest = text.strip_prefix(SCHEME).ok_or_else(bad)?;
        let (dataset, rest) = match rest.strip_prefix("datasets/") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (owner, rest) = rest.split_once('/').ok_or_else(bad)?;
        let at = rest.find(['/', '@']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(at);
        let (revision, path) = match rest.strip_prefix('@') {
            Some(rest) => split_revision(rest),
            None => ("main".to_owned(), rest.strip_prefix('/').unwrap_or_default()),
        };
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let path = path.trim_end_matches('/');
        let climbs = !path.is_empty()
            && path.split('/').any(|part| part.is_empty() || part == "." || part == "..");
        if ![owner, name].into_iter().chain(revision.split('/')).all(plain) || climbs {
            return Err(bad());
        }
        Ok(Self { dataset, id: format!("{owner}/{name}"), revision, path: path.to_owned() })
    }
}

/// The revision at the beginning of a text and the path after it. Its slashes are written `%2F`,
/// but for those of `refs/pr/1` and `refs/convert/parquet`.
fn split_revision(text: &str) -> (String, &str) {
    let parts =
        if ["refs/pr/", "refs/convert/"].iter().any(|of| text.starts_with(of)) { 3 } else { 1 };
    let end = text.match_indices('/').nth(parts - 1).map_or(text.len(), |(at, _)| at);
    let revision = text[..end].replace("%2F", "/").replace("%2f", "/");
    let commit = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    let revision = if commit { revision.to_ascii_lowercase() } else { revision };
    (revision, text[end..].strip_prefix('/').unwrap_or_default())
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let datasets = if self.dataset { "datasets/" } else { "" };
        let revision = match self.revision.strip_prefix("refs/") {
            Some(_) => self.revision.clone(),
            None => self.revision.replace('/', "%2F"),
        };
        write!(f, "{SCHEME}{datasets}{}@{revision}", self.id)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}
