//! Files of the Hugging Face hub: where they are on this machine, and how they come here.
//!
//! May import `replace`. The cache is the one that Python's huggingface_hub has, in its layout:
//! what either has downloaded the other finds. A file that was downloaded is hashed, and refused if
//! it is not what the hub said; a branch stays at the commit that it was first downloaded at, so
//! that planning needs no network.

mod location;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::replace::replace;

pub use location::{Location, SCHEME};

/// Why a file of the hub is not available.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum HubError {
    /// The text is no location.
    #[error(
        "`{text}` is no place in the hub: hf://owner/name@revision/path expected, or hf://datasets/owner/name@revision/path"
    )]
    Location { text: String },
    /// The file is not in the cache, and nothing may be downloaded.
    #[error("{location} is not in the cache at {}, and HF_HUB_OFFLINE forbids to download it", .cache.display())]
    Offline { location: String, cache: PathBuf },
    /// The repository needs a token, or its conditions to be accepted.
    #[error(
        "{location}: the hub answers {status}: accept the repository's conditions on its page, and set HF_TOKEN to a token that may read it"
    )]
    Forbidden { location: String, status: u16 },
    /// The hub has no such repository, revision or file.
    #[error("{location}: the hub has no such repository, revision or file{}", .file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default())]
    NotFound { location: String, file: Option<String> },
    /// A folder of the hub has none of the wanted files.
    #[error("{location}: nothing in it is wanted here; it has {has}")]
    Nothing { location: String, has: String },
    /// A download broke off.
    #[error(
        "{location}, {file}: {cause}; what has come is kept: the same command goes on from there"
    )]
    Transfer { location: String, file: String, cause: String },
    /// A downloaded file has other bytes than the hub announces.
    #[error(
        "{location}, {file}: its digest is {found}, where the hub says {expected}: it was removed; the same command downloads it again"
    )]
    Digest { location: String, file: String, expected: String, found: String },
    /// The files of a repository could not be listed.
    #[error("{location}: {cause}")]
    Listing { location: String, cause: String },
    /// A file of the cache could not be read or written.
    #[error("{}: {cause}", .path.display())]
    Io { path: PathBuf, cause: io::Error },
}

/// The hub as this machine sees it.
#[derive(Clone, Debug)]
pub struct Hub {
    /// The folder of the repositories.
    pub cache: PathBuf,
    /// None: the public one.
    pub endpoint: Option<String>,
    /// Token that requests are authorised with, if any.
    pub token: Option<String>,
    /// Whether nothing may be downloaded.
    pub offline: bool,
}

impl Hub {
    /// By the variables that huggingface_hub has: HF_HUB_CACHE or HF_HOME, HF_ENDPOINT, HF_TOKEN or
    /// the token that a login left, HF_HUB_OFFLINE.
    pub fn from_env() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = Cache::from_env();
        let flag = |value: String| {
            matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
        };
        Self {
            token: set("HF_TOKEN").or_else(|| home.token()),
            cache: set("HF_HUB_CACHE").map_or_else(|| home.path().clone(), PathBuf::from),
            endpoint: set("HF_ENDPOINT"),
            offline: set("HF_HUB_OFFLINE").is_some_and(flag),
        }
    }

    /// Where the location is on this machine, if all is that `wants` picks of the names of its
    /// files. It sends no request.
    pub fn cached(
        &self,
        location: &Location,
        wants: impl Fn(&[String]) -> Vec<String>,
    ) -> Option<PathBuf> {
        let snapshot = self.snapshot(location, &self.commit(location)?);
        let path =
            if location.path.is_empty() { snapshot.clone() } else { snapshot.join(&location.path) };
        if path.is_file() {
            return Some(path);
        }
        let complete = match fs::read_to_string(self.listing(&snapshot, location)) {
            Ok(listing) => {
                let below = listing.lines().map(str::to_owned).collect::<Vec<_>>();
                wants(&below).iter().all(|file| snapshot.join(file).is_file())
            }
            // What others have downloaded has no listing of ours; there is nobody to ask whether it
            // is all.
            Err(_) => self.offline,
        };
        (complete && path.is_dir()).then_some(path)
    }

    /// Downloads what `wants` picks of the names of the location's files and is not here, and says
    /// so line by line.
    ///
    /// # Errors
    /// If the hub does not have it or refuses it, if a download breaks off or has other bytes than
    /// announced, or if it is not in the cache and nothing may be downloaded.
    pub fn fetch(
        &self,
        location: &Location,
        wants: impl Fn(&[String]) -> Vec<String>,
        say: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, HubError> {
        if let Some(path) = self.cached(location, &wants) {
            return Ok(path);
        }
        let name = || location.to_string();
        if self.offline {
            return Err(HubError::Offline { location: name(), cache: self.cache.clone() });
        }
        let listing = |cause: ApiError| match status(&cause) {
            Some(status @ (401 | 403)) => HubError::Forbidden { location: name(), status },
            Some(404) => HubError::NotFound { location: name(), file: None },
            _ => HubError::Listing { location: name(), cause: cause.to_string() },
        };
        let revision = self.commit(location).unwrap_or_else(|| location.revision.clone());
        let info = self.repo(location, &revision).and_then(|repo| repo.info()).map_err(listing)?;
        let all = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect::<Vec<_>>();
        let mut below = all.iter().filter(|file| location.has(file)).cloned().collect::<Vec<_>>();
        below.sort_unstable();
        if below.is_empty() {
            return Err(HubError::NotFound { location: name(), file: Some(location.path.clone()) });
        }
        let wanted = wants(&below);
        if wanted.is_empty() {
            let has = all.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            return Err(HubError::Nothing { location: name(), has });
        }
        if !location.is_pinned() {
            say(&format!("{location} is at commit {0}: @{0} in the study pins it", info.sha));
        }
        let snapshot = self.snapshot(location, &info.sha);
        for file in &wanted {
            if !snapshot.join(file).is_file() {
                self.download(location, &info.sha, file, say)?;
            }
        }
        let io = |path: &Path, cause| HubError::Io { path: path.to_owned(), cause };
        self.cache_repo(location, &location.revision)
            .create_ref(&info.sha)
            .map_err(|cause| io(&snapshot, cause))?;
        let listing = self.listing(&snapshot, location);
        replace(&listing, below.join("\n").as_bytes()).map_err(|cause| io(&listing, cause))?;
        Ok(if location.path.is_empty() { snapshot } else { snapshot.join(&location.path) })
    }

    /// One file of a commit, hashed when it has come.
    fn download(
        &self,
        location: &Location,
        commit: &str,
        file: &str,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), HubError> {
        let (name, owned) = (|| location.to_string(), || file.to_owned());
        let failed = |cause: ApiError| match status(&cause) {
            Some(status @ (401 | 403)) => HubError::Forbidden { location: name(), status },
            Some(404) => HubError::NotFound { location: name(), file: Some(owned()) },
            _ => HubError::Transfer { location: name(), file: owned(), cause: cause.to_string() },
        };
        let repo = self.repo(location, commit).map_err(failed)?;
        let come = repo.download_with_progress(file, Lines { file, say: &mut *say, told: false });
        let pointer = match come {
            // All of it had come when an earlier download was killed: there is nothing to ask the
            // rest of.
            Err(error) if status(&error) == Some(416) => {
                self.drop_parts(location)?;
                repo.download_with_progress(file, Lines { file, say, told: false })
            }
            come => come,
        };
        let pointer = pointer.map_err(failed)?;
        let io = |cause| HubError::Io { path: pointer.clone(), cause };
        let blob = pointer.canonicalize().map_err(io)?;
        let expected = blob.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match digest(&blob, &expected).map_err(io)? {
            Some(found) if found != expected => {
                fs::remove_file(&pointer).and_then(|()| fs::remove_file(&blob)).map_err(io)?;
                Err(HubError::Digest { location: name(), file: owned(), expected, found })
            }
            _ => Ok(()),
        }
    }

    /// Removes the blobs that were not finished.
    fn drop_parts(&self, location: &Location) -> Result<(), HubError> {
        let folder = self.cache_repo(location, &location.revision).blob_path("");
        let remove = || -> io::Result<()> {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|end| end == "part") {
                    fs::remove_file(path)?;
                }
            }
            Ok(())
        };
        remove().map_err(|cause| HubError::Io { path: folder.clone(), cause })
    }

    fn repo(&self, location: &Location, revision: &str) -> Result<ApiRepo, ApiError> {
        let mut api =
            ApiBuilder::from_cache(Cache::new(self.cache.clone())).with_token(self.token.clone());
        if let Some(endpoint) = &self.endpoint {
            api = api.with_endpoint(endpoint.trim_end_matches('/').to_owned());
        }
        Ok(api.build()?.repo(named(location, revision)))
    }

    fn cache_repo(&self, location: &Location, revision: &str) -> CacheRepo {
        Cache::new(self.cache.clone()).repo(named(location, revision))
    }

    /// The commit that the revision is, or was when it was downloaded.
    fn commit(&self, location: &Location) -> Option<String> {
        if location.is_pinned() {
            return Some(location.revision.clone());
        }
        let folder = self.cache.join(named(location, &location.revision).folder_name());
        let commit = fs::read_to_string(folder.join("refs").join(&location.revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| !commit.is_empty())
    }

    fn snapshot(&self, location: &Location, commit: &str) -> PathBuf {
        self.cache_repo(location, &location.revision).pointer_path(commit)
    }

    /// A file beside the snapshots that names all files of a location, one a line. Those called
    /// `.txt` were of what was wanted once.
    fn listing(&self, snapshot: &Path, location: &Location) -> PathBuf {
        let commit = snapshot.file_name().unwrap_or_default().to_string_lossy();
        let path = location.path.replace('/', "--");
        snapshot.with_file_name("..").join(format!("titrate-{commit}-{path}.files"))
    }
}

fn named(location: &Location, revision: &str) -> Repo {
    let kind = if location.dataset { RepoType::Dataset } else { RepoType::Model };
    Repo::with_revision(location.id.clone(), kind, revision.to_owned())
}

/// The status of an answer that was no success.
fn status(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::RequestError(cause) => match **cause {
            ureq::Error::StatusCode(status) => Some(status),
            _ => None,
        },
        _ => None,
    }
}

/// The digest of a blob in the form that its name has: SHA-256 of large files, git's SHA-1 of
/// others; None of any other name.
fn digest(blob: &Path, name: &str) -> io::Result<Option<String>> {
    let hexadecimal = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut file = fs::File::open(blob)?;
    Ok(match name.len() {
        64 if hexadecimal => Some(hashed(&mut file, Sha256::new())?),
        40 if hexadecimal => {
            let header = format!("blob {}\0", file.metadata()?.len());
            Some(hashed(&mut file, Sha1::new_with_prefix(header))?)
        }
        _ => None,
    })
}

fn hashed<H: Digest>(file: &mut fs::File, mut hasher: H) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Says of each file once that it comes, and how large it is.
struct Lines<'a> {
    file: &'a str,
    say: &'a mut dyn FnMut(&str),
    told: bool,
}

impl Progress for Lines<'_> {
    fn init(&mut self, size: usize, _: &str) {
        if !std::mem::replace(&mut self.told, true) {
            (self.say)(&format!("downloading {} ({:.1} MB)", self.file, size as f64 / 1e6));
        }
    }

    fn update(&mut self, _: usize) {}

    fn finish(&mut self) {}
}
