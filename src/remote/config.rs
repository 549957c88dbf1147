//! `titrate.toml`: where a project's shared store is, and whose results it believes.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::RemoteError;
use super::location::Location;
use super::signature::PublicKey;
use crate::regular;
use crate::wording::causes;

/// The file's name.
pub const FILE: &str = "titrate.toml";
/// Bytes of the file, at most.
const LARGEST: u64 = 1 << 20;

/// What the file says of the shared store.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file; none where there is none.
    pub file: Option<PathBuf>,
    /// Where the shared store is.
    pub url: Option<Location>,
    /// The public keys whose receipts are believed.
    pub trusted: Vec<PublicKey>,
    /// The file with the key that signs what is pushed, relative to this one.
    pub key: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    remote: Remote,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remote {
    url: Option<String>,
    #[serde(default)]
    trusted: Vec<String>,
    key: Option<PathBuf>,
}

impl Config {
    /// Reads the file in `folder`, or in the nearest folder above that has one.
    ///
    /// # Errors
    /// If the file can't be read, has unknown keys, or values that can't be understood.
    pub fn find(folder: &Path) -> Result<Self, RemoteError> {
        let here = std::env::current_dir().unwrap_or_default();
        let start = here.join(folder);
        let found = start.ancestors().map(|folder| folder.join(FILE)).find(|path| path.exists());
        let Some(path) = found else { return Ok(Self::default()) };
        let refuse = |cause: String| RemoteError::Config { path: path.clone(), cause };
        let text = regular::read_text(&path, LARGEST).map_err(|error| refuse(causes(&error)))?;
        let File { remote } =
            toml_edit::de::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        let of = |error: RemoteError| refuse(error.to_string());
        let url = remote.url.map(|url| url.parse().map_err(of)).transpose()?;
        let trusted = remote.trusted.iter().map(|key| key.parse().map_err(of));
        let trusted = trusted.collect::<Result<_, _>>()?;
        let beside = path.parent().unwrap_or(Path::new("."));
        let key = remote.key.map(|key| beside.join(key));
        Ok(Self { file: Some(path.clone()), url, trusted, key })
    }
}
