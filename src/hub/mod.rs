//! Files of the Hugging Face hub: where they are on this machine, and how they come here.
//!
//! May import `regular` and `replace`. The cache is the one that Python's huggingface_hub has, in its layout:
//! what either has downloaded the other finds. Nothing that a hub says is believed: names,
//! commits and checksums are validated before they name a file, what comes is hashed before it is
//! used, and the token goes to the hub's own host alone. A branch stays at the commit that it was
//! first downloaded at, so that planning needs no network.

mod cache;
mod checksum;
mod download;
mod environment;
mod error;
mod listing;
mod location;
mod request;
#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::PathBuf;

use cache::{Folder, State};
use download::Download;
use listing::Listing;
use request::{Client, Failure};

pub use error::HubError;
pub use location::{Location, SCHEME};
pub use request::Limits;

/// The hub where no other is named.
const PUBLIC: &str = "https://huggingface.co";

/// The hub as this machine sees it.
#[derive(Clone, Debug)]
pub struct Hub {
    /// The folder of the repositories.
    pub cache: PathBuf,
    /// Address of the hub.
    pub endpoint: String,
    /// Token that requests are authorised with, if any.
    pub token: Option<String>,
    /// Whether nothing may be downloaded.
    pub offline: bool,
    /// Bounds of what the hub is waited for and taken from.
    pub limits: Limits,
}

/// What of a location is on this machine.
struct Present {
    path: PathBuf,
    /// Files whose checksum nobody knows.
    unannounced: Vec<String>,
}

impl Hub {
    /// Where the location is on this machine, if all is that `wants` picks of the names of its
    /// files, and has the bytes of its checksums. It sends no request.
    pub fn cached(
        &self,
        location: &Location,
        wants: impl Fn(&[String]) -> Vec<String>,
    ) -> Option<PathBuf> {
        self.present(location, &wants).map(|present| present.path)
    }

    fn present(
        &self,
        location: &Location,
        wants: &impl Fn(&[String]) -> Vec<String>,
    ) -> Option<Present> {
        let folder = Folder::of(&self.cache, location);
        let commit = folder.commit(location)?;
        let (snapshot, listing) = (folder.snapshot(&commit), folder.listing(&commit));
        let all = match &listing {
            Some(listing) => listing.files.keys().cloned().collect(),
            None => folder.present(&commit),
        };
        let below = all.into_iter().filter(|file| location.has(file)).collect::<Vec<_>>();
        let is_file = below.contains(&location.path);
        // What others have downloaded has no listing of ours: that one file is there is seen, and
        // whether a folder is whole can only be asked.
        if below.is_empty() || (listing.is_none() && !is_file && !self.offline) {
            return None;
        }
        let wanted = if is_file { below } else { wants(&below) };
        let mut unannounced = Vec::new();
        for file in &wanted {
            let announced = listing.as_ref().and_then(|listing| listing.files.get(file));
            let checksum = announced.and_then(|announced| announced.checksum.as_ref());
            match folder.state(&snapshot.join(file), checksum) {
                State::Checked => {}
                State::Unannounced => unannounced.push(file.clone()),
                State::Absent | State::Wrong => return None,
            }
        }
        let path = snapshot.join(&location.path);
        (!wanted.is_empty() && path.exists()).then_some(Present { path, unannounced })
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
        if let Some(Present { path, unannounced }) = self.present(location, &wants) {
            for file in unannounced {
                say(&format!(
                    "{location}, {file}: nobody knows its checksum: it is taken as it is"
                ));
            }
            return Ok(path);
        }
        let name = || location.to_string();
        if self.offline {
            return Err(HubError::Offline { location: name(), cache: self.cache.clone() });
        }
        let client = Client::new(&self.endpoint, self.token.as_deref(), &self.limits);
        let client = client.map_err(|failure| unlisted(location, failure))?;
        let folder = Folder::of(&self.cache, location);
        let listing = self.listing(&client, &folder, location)?;
        let all = listing.files.keys();
        let below = all.clone().filter(|file| location.has(file)).cloned().collect::<Vec<_>>();
        if below.is_empty() {
            return Err(HubError::NotFound { location: name(), file: Some(location.path.clone()) });
        }
        let wanted = wants(&below);
        if wanted.is_empty() {
            let has = all.take(8).cloned().collect::<Vec<_>>().join(", ");
            return Err(HubError::Nothing { location: name(), has });
        }
        let commit = &listing.commit;
        if !location.is_pinned() {
            say(&format!("{location} is at commit {commit}: @{commit} in the study pins it"));
        }
        let (folder, client, limits) = (&folder, &client, &self.limits);
        for file in &wanted {
            let Some(announced) = listing.files.get(file) else { continue };
            let there = folder.snapshot(commit).join(file);
            if folder.state(&there, announced.checksum.as_ref()) != State::Checked {
                Download { client, folder, location, commit, file, announced, limits }.run(say)?;
            }
        }
        folder.keep_listing(&listing)?;
        folder.keep_commit(location, commit)?;
        Ok(folder.snapshot(commit).join(&location.path))
    }

    /// The hub's listing of the location's repository, at the commit that it was downloaded at
    /// first.
    fn listing(
        &self,
        client: &Client<'_>,
        folder: &Folder,
        location: &Location,
    ) -> Result<Listing, HubError> {
        let revision = folder.commit(location).unwrap_or_else(|| location.revision.clone());
        let kind = if location.dataset { "datasets" } else { "models" };
        let (id, escaped) = (&location.id, download::escaped(&revision).replace('/', "%2F"));
        let path = format!("/api/{kind}/{id}/revision/{escaped}?blobs=true");
        let failed = |failure| unlisted(location, failure);
        let answer = client.get(&path, 0).map_err(failed)?;
        let (mut bytes, most) = (Vec::new(), self.limits.listing);
        let read = answer.body.take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| failed(Failure::Broken(error.to_string())))?;
        if bytes.len() as u64 > most {
            return Err(failed(Failure::Hostile(format!("it is larger than {most} bytes"))));
        }
        Listing::from_answer(&bytes, &revision).map_err(|cause| failed(Failure::Hostile(cause)))
    }
}

/// The error of a listing that can't be had.
fn unlisted(location: &Location, failure: Failure) -> HubError {
    let location = location.to_string();
    match failure {
        Failure::Status(status @ (401 | 403)) => HubError::Forbidden { location, status },
        Failure::Status(404) => HubError::NotFound { location, file: None },
        Failure::Status(status) => {
            HubError::Listing { location, cause: format!("the hub answers {status}") }
        }
        Failure::Broken(cause) | Failure::Hostile(cause) => HubError::Listing { location, cause },
    }
}
