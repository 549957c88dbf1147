//! Downloads of single files: into a part beside the blobs, which takes a blob's place when it was
//! checked and not before, so that a kill at any moment leaves nothing unchecked in use.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::cache::{Folder, State, make_parent};
use super::checksum::Checksum;
use super::error::HubError;
use super::listing::Announced;
use super::location::Location;
use super::request::{Answer, Client, Failure, Limits};

/// A file to be downloaded.
pub(super) struct Download<'a> {
    pub client: &'a Client<'a>,
    pub folder: &'a Folder,
    pub location: &'a Location,
    pub commit: &'a str,
    pub file: &'a str,
    pub announced: &'a Announced,
    pub limits: &'a Limits,
}

impl Download<'_> {
    /// Downloads the file and puts it into its snapshot, or finds it among the blobs.
    ///
    /// # Errors
    /// If the hub does not have it, refuses it, breaks off or sends something else.
    pub fn run(&self, say: &mut dyn FnMut(&str)) -> Result<(), HubError> {
        if let Some(known) = &self.announced.checksum
            && self.folder.state(&self.folder.blob(known.as_str()), Some(known)) == State::Checked
        {
            return self.folder.link(self.commit, self.file, known);
        }
        self.check_size(self.announced.size)?;
        let path = self.part();
        make_parent(&path)?;
        let mut part = self.lock(&path, say)?;
        let promised = self.fill(&mut part, &path, say)?;
        self.put(&path, promised, say)
    }

    /// Where the part grows, whatever the hub calls the file.
    fn part(&self) -> PathBuf {
        let name = Checksum::of_text(&format!("{}/{}", self.commit, self.file));
        self.folder.blob(&format!("{}.titrate-part", name.as_str()))
    }

    /// Opens the part for this process alone.
    fn lock(&self, path: &Path, say: &mut dyn FnMut(&str)) -> Result<File, HubError> {
        let io = |cause| HubError::io(path, cause);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let part = options.open(path).map_err(io)?;
            match part.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    say(&format!("another process downloads {}: waiting for it", self.file));
                    part.lock().map_err(io)?;
                }
                Err(TryLockError::Error(cause)) => return Err(io(cause)),
            }
            // Whoever had it may have put it in its place meanwhile.
            let own = part.metadata().map_err(io)?;
            if fs::metadata(path).is_ok_and(|there| there.ino() == own.ino()) {
                return Ok(part);
            }
        }
    }

    /// Lets the part grow to the whole file. Returns the checksum that the hub gives of it.
    fn fill(
        &self,
        part: &mut File,
        path: &Path,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<Checksum>, HubError> {
        let io = |cause| HubError::io(path, cause);
        let mut known = self.announced.checksum.clone();
        let mut have = part.metadata().map_err(io)?.len();
        // What nobody can check is not gone on with, nor what is too long.
        if known.is_none() || self.announced.size.is_some_and(|size| have > size) {
            part.set_len(0).map_err(io)?;
            have = 0;
        }
        if have > 0 && self.announced.size == Some(have) {
            return Ok(known);
        }
        let answer = match self.get(have) {
            // All of it had come, and its size was not known.
            Err(Failure::Status(416)) if have > 0 => {
                have = 0;
                self.get(have)
            }
            answer => answer,
        };
        let answer = answer.map_err(|failure| self.failed(failure))?;
        let size = self.announced.size.or(answer.size);
        self.check_size(size)?;
        self.check_size_of(&answer)?;
        say(&format!("downloading {} ({:.1} MB)", self.file, size.unwrap_or(0) as f64 / 1e6));
        known = known.or_else(|| answer.checksum.clone());
        part.set_len(answer.from).map_err(io)?;
        part.seek(io::SeekFrom::Start(answer.from)).map_err(io)?;
        let come = self.take(part, path, answer, size)?;
        match size {
            Some(size) if come < size => {
                let cause = format!("it broke off after {come} of {size} bytes");
                Err(self.failed(Failure::Broken(cause)))
            }
            _ => Ok(known),
        }
    }

    /// Writes the answer's body into the part. Returns the part's length.
    fn take(
        &self,
        part: &mut File,
        path: &Path,
        mut answer: Answer,
        size: Option<u64>,
    ) -> Result<u64, HubError> {
        let most = size.unwrap_or(self.limits.file);
        let mut come = answer.from;
        let mut buffer = vec![0; 1 << 17];
        loop {
            let count = match answer.body.read(&mut buffer) {
                Ok(0) => return Ok(come),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(Failure::Broken(error.to_string()))),
            };
            come += count as u64;
            if come > most {
                let _ = fs::remove_file(path);
                let cause = format!("more comes than the {most} bytes that it has");
                return Err(self.failed(Failure::Hostile(cause)));
            }
            part.write_all(&buffer[..count]).map_err(|cause| HubError::io(path, cause))?;
        }
    }

    /// Checks the part and puts it among the blobs and into the snapshot.
    fn put(
        &self,
        path: &Path,
        promised: Option<Checksum>,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), HubError> {
        let io = |cause| HubError::io(path, cause);
        let found = match &promised {
            Some(promised) => promised.of_same_form(path),
            None => Checksum::sha256(path),
        };
        let found = found.map_err(io)?;
        match promised {
            Some(expected) if expected != found => {
                fs::remove_file(path).map_err(io)?;
                return Err(HubError::Digest {
                    location: self.location.to_string(),
                    file: self.file.to_owned(),
                    expected: expected.into(),
                    found: found.into(),
                });
            }
            Some(_) => {}
            None => say(&format!(
                "{}: the hub gives no checksum of it, so nothing says that it came unharmed",
                self.file
            )),
        }
        let blob = self.folder.blob(found.as_str());
        let synced = File::open(path).and_then(|part| part.sync_all());
        synced.and_then(|()| fs::rename(path, &blob)).map_err(io)?;
        self.folder.mark(&found, &blob);
        self.folder.link(self.commit, self.file, &found)
    }

    fn get(&self, from: u64) -> Result<Answer, Failure> {
        let datasets = if self.location.dataset { "datasets/" } else { "" };
        let (id, file) = (&self.location.id, escaped(self.file));
        self.client.get(&format!("/{datasets}{id}/resolve/{}/{file}", self.commit), from)
    }

    /// Refuses a file that is larger than any.
    fn check_size(&self, size: Option<u64>) -> Result<(), HubError> {
        match size.filter(|size| *size > self.limits.file) {
            Some(size) => {
                let cause =
                    format!("it is said to have {size} bytes: {} at most", self.limits.file);
                Err(self.failed(Failure::Hostile(cause)))
            }
            None => Ok(()),
        }
    }

    /// Refuses an answer of another size than the listing says.
    fn check_size_of(&self, answer: &Answer) -> Result<(), HubError> {
        match (self.announced.size, answer.size) {
            (Some(listed), Some(sent)) if listed != sent => {
                let cause = format!("the hub lists {listed} bytes of it and sends {sent}");
                Err(self.failed(Failure::Hostile(cause)))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, failure: Failure) -> HubError {
        let (location, file) = (self.location.to_string(), self.file.to_owned());
        match failure {
            Failure::Status(status @ (401 | 403)) => HubError::Forbidden { location, status },
            Failure::Status(404) => HubError::NotFound { location, file: Some(file) },
            Failure::Status(status) => {
                HubError::Transfer { location, file, cause: format!("the hub answers {status}") }
            }
            Failure::Broken(cause) => HubError::Transfer { location, file, cause },
            Failure::Hostile(cause) => HubError::Refused { location, file, cause },
        }
    }
}

/// A path as an address has it.
pub(super) fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
