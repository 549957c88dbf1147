//! Checksums by which the hub names the bytes of its files.

use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::regular;

/// SHA-256 of a large file, or git's SHA-1 of another, in small hexadecimal digits: nothing else,
/// so that it can name a file of the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Checksum(String);

impl Checksum {
    /// The checksum that a text is, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (hexadecimal && matches!(text.len(), 40 | 64)).then(|| Self(text.to_owned()))
    }

    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The checksum of a file, in the form that this one has.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn of_same_form(&self, path: &Path) -> io::Result<Self> {
        if self.0.len() == 64 {
            return Self::sha256(path);
        }
        let mut file = regular::open(path)?;
        let header = format!("blob {}\0", file.metadata()?.len());
        hashed(&mut file, Sha1::new_with_prefix(header))
    }

    /// A file's SHA-256.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn sha256(path: &Path) -> io::Result<Self> {
        hashed(&mut regular::open(path)?, Sha256::new())
    }

    /// SHA-256 of a text.
    pub fn of_text(text: &str) -> Self {
        Self(hexadecimal(&Sha256::digest(text)))
    }
}

impl TryFrom<String> for Checksum {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no checksum"))
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.0
    }
}

fn hashed<H: Digest>(source: &mut impl Read, mut hasher: H) -> io::Result<Checksum> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(Checksum(hexadecimal(&hasher.finalize()))),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
