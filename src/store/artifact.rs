//! Artifacts: ordered lists of named outputs, and the canonical text whose digest is the artifact's
//! own.

use std::collections::HashSet;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::id::Digest;

use super::error::{Result, StoreError};

const HEADER: &str = "titrate artifact 1\n";

/// One named output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// A relative path with `/` between its parts, unique in its artifact.
    pub name: String,
    /// The digest of the output's bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// The named outputs of one task, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct Artifact {
    entries: Vec<Entry>,
}

impl Artifact {
    /// Sorts `entries` by name. Errors: a name that is empty, absolute, climbs (`..`), holds a
    /// control character or comes twice.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self> {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut seen = HashSet::new();
        for entry in &entries {
            let refuse = |cause| Err(StoreError::EntryName { name: entry.name.clone(), cause });
            let plain = Path::new(&entry.name)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            if entry.name.is_empty() || !plain {
                return refuse("a relative path without `.` and `..` expected");
            }
            if entry.name.chars().any(char::is_control) {
                return refuse("no control characters allowed");
            }
            if !seen.insert(entry.name.as_str()) {
                return refuse("the name comes twice");
            }
        }
        Ok(Self { entries })
    }

    /// All entries, sorted by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry called `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries
            .binary_search_by(|entry| entry.name.as_str().cmp(name))
            .ok()
            .map(|at| &self.entries[at])
    }

    /// Bytes of all entries together.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }

    /// BLAKE3 of [`Artifact::to_bytes`].
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// The canonical list: a header, then a line `digest size name` for each entry in order of
    /// name.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::with_capacity(HEADER.len() + self.entries.len() * 96);
        text.push_str(HEADER);
        for Entry { name, digest, size } in &self.entries {
            text.push_str(&format!("{digest} {size} {name}\n"));
        }
        text.into_bytes()
    }

    /// The inverse of [`Artifact::to_bytes`]; `place` names the source of the bytes in the error.
    pub fn from_bytes(bytes: &[u8], place: &str) -> Result<Self> {
        let malformed = |cause: &str| StoreError::Malformed {
            place: place.to_owned(),
            expected: "an artifact list",
            cause: cause.into(),
        };
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(&error.to_string()))?;
        let lines = text.strip_prefix(HEADER).ok_or_else(|| malformed("no artifact header"))?;
        let entry = |line: &str| {
            let mut parts = line.splitn(3, ' ');
            let (digest, size, name) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Entry {
                name: name.to_owned(),
                digest: digest.parse().ok()?,
                size: size.parse().ok()?,
            })
        };
        let entries = lines
            .lines()
            .map(|line| entry(line).ok_or_else(|| malformed(line)))
            .collect::<Result<_>>()?;
        let artifact = Self::new(entries)?;
        if artifact.to_bytes() != bytes {
            return Err(malformed("not in canonical form"));
        }
        Ok(artifact)
    }
}

impl TryFrom<Vec<Entry>> for Artifact {
    type Error = StoreError;

    fn try_from(entries: Vec<Entry>) -> Result<Self> {
        Self::new(entries)
    }
}

impl From<Artifact> for Vec<Entry> {
    fn from(artifact: Artifact) -> Self {
        artifact.entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str, content: &[u8]) -> Entry {
        Entry { name: name.to_owned(), digest: Digest::of(content), size: content.len() as u64 }
    }

    #[test]
    fn the_encoding_is_pinned() {
        let artifact = Artifact::new(vec![entry("b/c.png", b"b"), entry("a", b"")]).unwrap();
        let text = String::from_utf8(artifact.to_bytes()).unwrap();
        let expected = "titrate artifact 1\n\
            af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262 0 a\n\
            10e5cf3d3c8a4f9f3468c8cc58eea84892a22fdadbc1acb22410190044c1d553 1 b/c.png\n";
        assert_eq!(text, expected);
        assert_eq!(artifact.entry("b/c.png"), Some(&entry("b/c.png", b"b")));
        assert_eq!(artifact.entry("c.png"), None);
    }

    #[test]
    fn names_that_leave_the_artifact_or_repeat_are_refused() {
        for names in [&[""][..], &["/etc/passwd"], &["../x"], &["a/../b"], &["a\nb"], &["a", "a"]] {
            let entries = names.iter().map(|name| entry(name, b"x")).collect();
            assert!(
                matches!(Artifact::new(entries), Err(StoreError::EntryName { .. })),
                "{names:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_list_survives_its_encodings(names in proptest::collection::hash_set("[a-z ._-]{1,8}x", 0..6), seed: u64) {
            let entries = names.iter().map(|name| entry(name, &seed.to_le_bytes())).collect();
            let artifact = Artifact::new(entries).unwrap();
            prop_assert_eq!(&Artifact::from_bytes(&artifact.to_bytes(), "test").unwrap(), &artifact);
            let json = serde_json::to_string(&artifact).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Artifact>(&json).unwrap(), &artifact);
        }

        #[test]
        fn any_cut_list_is_refused(cut in 1usize..80) {
            let bytes = Artifact::new(vec![entry("weights", b"w")]).unwrap().to_bytes();
            prop_assume!(cut < bytes.len() && bytes.len() - cut != HEADER.len());
            prop_assert!(Artifact::from_bytes(&bytes[..bytes.len() - cut], "test").is_err());
        }
    }
}
