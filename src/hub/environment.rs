//! The hub by the variables of the environment, as Python's huggingface_hub reads them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::HubError;
use super::request::Limits;
use super::{Hub, PUBLIC};
use crate::regular;

impl Hub {
    /// The hub by the variables that huggingface_hub has: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE,
    /// HF_HOME or XDG_CACHE_HOME for the cache; HF_ENDPOINT; HF_TOKEN or the token that a login
    /// left; HF_HUB_OFFLINE.
    ///
    /// # Errors
    /// If the variables name no cache and there is no home folder.
    pub fn from_env() -> Result<Self, HubError> {
        Self::of_variables(|name| std::env::var_os(name), std::env::home_dir())
    }

    pub(super) fn of_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self, HubError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let home = home.filter(|home| !home.as_os_str().is_empty());
        let folder = |name: &str| match set(name) {
            Some(value) => expanded(Path::new(&value), home.as_deref()).map(Some),
            None => Ok(None),
        };
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let caches = folder("XDG_CACHE_HOME")?.or_else(|| Some(home.as_ref()?.join(".cache")));
        let own = folder("HF_HOME")?.or_else(|| Some(caches?.join("huggingface")));
        let cache = match folder("HF_HUB_CACHE")? {
            Some(cache) => Some(cache),
            None => folder("HUGGINGFACE_HUB_CACHE")?,
        };
        let cache = cache.or_else(|| Some(own.as_ref()?.join("hub"))).ok_or(HubError::NoHome)?;
        let path = folder("HF_TOKEN_PATH")?.or_else(|| Some(own?.join("token")));
        let left = || regular::read_text(&path?, 1 << 16).ok();
        let token = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")).or_else(left);
        Ok(Self {
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            cache,
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| PUBLIC.to_owned()),
            offline: text("HF_HUB_OFFLINE").is_some_and(|value| is_yes(&value)),
            limits: Limits::default(),
        })
    }
}

fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
}

/// A path whose `~` is the home folder.
fn expanded(path: &Path, home: Option<&Path>) -> Result<PathBuf, HubError> {
    match path.strip_prefix("~") {
        Ok(below) => home.map(|home| home.join(below)).ok_or(HubError::NoHome),
        Err(_) => Ok(path.to_owned()),
    }
}
