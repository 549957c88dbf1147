//! Listings of a repository at a commit, of which every name, checksum and commit is validated
//! before it can name anything on this machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checksum::Checksum;

/// Bytes that a file's path may have, and each part of it.
const LONGEST_PATH: usize = 2048;
const LONGEST_PART: usize = 255;

/// The files of a repository at a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    /// 40 small hexadecimal digits.
    pub commit: String,
    /// By path in the repository, with `/`.
    pub files: BTreeMap<String, Announced>,
}

/// What the hub says of a file's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announced {
    /// None where it says nothing.
    pub checksum: Option<Checksum>,
    /// Bytes; None where it says nothing.
    pub size: Option<u64>,
}

/// The hub's answer; what else is in it is passed over.
#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    sha256: Option<String>,
    size: Option<u64>,
}

impl Listing {
    /// The listing in the hub's answer for `revision`.
    ///
    /// # Errors
    /// If it is no listing, of another commit than the one asked for, or names something that can't
    /// be a file of a repository.
    pub fn from_answer(bytes: &[u8], revision: &str) -> Result<Self, String> {
        let answer: Answer = serde_json::from_slice(bytes)
            .map_err(|error| format!("the answer is no listing: {error}"))?;
        let mut files = BTreeMap::new();
        for sibling in answer.siblings {
            let announced = sibling.announced()?;
            let name = sibling.rfilename;
            if files.get(&name).is_some_and(|other| *other != announced) {
                return Err(format!("it lists {} twice, with other bytes", shown(&name)));
            }
            files.insert(name, announced);
        }
        let listing = Self { commit: answer.sha, files };
        listing.check()?;
        if is_commit(revision) && revision != listing.commit {
            let commit = &listing.commit;
            return Err(format!("the answer is of commit {commit} instead of {revision}"));
        }
        Ok(listing)
    }

    /// The listing that a file of the cache has, if it is one.
    pub fn from_cache(text: &str, commit: &str) -> Option<Self> {
        let listing: Self = serde_json::from_str(text).ok()?;
        (listing.check().is_ok() && listing.commit == commit).then_some(listing)
    }

    fn check(&self) -> Result<(), String> {
        if !is_commit(&self.commit) {
            return Err(format!("its commit is {}, which is no commit", shown(&self.commit)));
        }
        self.files.keys().try_for_each(|name| check_path(name))
    }
}

impl Sibling {
    /// The checksum of the bytes themselves: of a large file `blobId` is that of a stand-in.
    fn announced(&self) -> Result<Announced, String> {
        let (text, size) = match &self.lfs {
            Some(large) => (&large.sha256, large.size.or(self.size)),
            None => (&self.blob_id, self.size),
        };
        let length = if self.lfs.is_some() { 64 } else { 40 };
        let parse = |text: &String| {
            let checksum = Checksum::parse(text).filter(|known| known.as_str().len() == length);
            checksum.ok_or_else(|| {
                format!("it says {} for the checksum of {}", shown(text), shown(&self.rfilename))
            })
        };
        Ok(Announced { checksum: text.as_ref().map(parse).transpose()?, size })
    }
}

/// Whether a text is the whole name of a commit, as the cache has it.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Refuses paths that could name anything but a file within a folder.
fn check_path(path: &str) -> Result<(), String> {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.len() <= LONGEST_PART
            && !part.chars().any(|letter| letter == '\\' || letter.is_control())
    };
    if path.len() <= LONGEST_PATH && path.split('/').all(plain) {
        return Ok(());
    }
    Err(format!("it lists {}, which can be no file of a repository", shown(path)))
}

/// A text of the server as a terminal can show it.
pub(super) fn shown(text: &str) -> String {
    let mut short = text.chars().take(80).collect::<String>();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
