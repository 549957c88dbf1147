//! Reading an archive: nothing in it is believed before it was checked.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::contents::{self, Contents, Included, receipt_name};
use super::error::ArchiveError;
use crate::id::{Digest, Key};
use crate::regular;
use crate::remote::Trust;
use crate::store::{Receipt, Store, StoreError};
use crate::wording::causes;

/// Bytes of the list of contents, and of a receipt, at most.
const LARGEST_TEXT: u64 = 256 << 20;

/// An open archive.
pub struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    contents: Contents,
}

impl Archive {
    /// Opens an archive and reads what it says that it has.
    ///
    /// # Errors
    /// If it can't be read, is none, or has another format.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let malformed = |cause: String| ArchiveError::Malformed { path: path.to_owned(), cause };
        let file = regular::open(path).map_err(|source| ArchiveError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let zip = ZipArchive::new(BufReader::new(file));
        let mut zip = zip.map_err(|error| malformed(error.to_string()))?;
        if zip.has_duplicate_names() {
            return Err(malformed("two of its members have one name".to_owned()));
        }
        let text = text(&mut zip, contents::NAME)
            .map_err(|cause| malformed(format!("{} can't be read: {cause}", contents::NAME)))?;
        let contents: Contents = serde_json::from_slice(&text)
            .map_err(|error| malformed(format!("{}: {error}", contents::NAME)))?;
        if contents.titrate_archive != contents::VERSION {
            let (found, known) = (contents.titrate_archive, contents::VERSION);
            return Err(malformed(format!("it has format {found}, not {known}")));
        }
        let archive = Self { path: path.to_owned(), zip, contents };
        archive.refuse_strangers()?;
        Ok(archive)
    }

    /// What it says that it has.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Members that nothing names would be taken for parts of it by whoever unpacks it.
    fn refuse_strangers(&self) -> Result<(), ArchiveError> {
        let known = ["ro-crate-metadata.json", contents::NAME, "study.toml", "Cargo.lock"];
        let mut named: HashSet<String> = known.map(str::to_owned).into();
        named.extend(self.contents.tasks.iter().map(|task| receipt_name(&task.key)));
        named.extend(self.contents.objects.iter().map(|object| object.path.clone()));
        for name in self.zip.file_names() {
            let name = name.map_err(|error| self.refused("a member", error.to_string()))?;
            if !named.contains(name.as_ref()) {
                let cause = format!("{} does not name it", contents::NAME);
                return Err(self.refused(&name, cause));
            }
        }
        Ok(())
    }

    /// The study with every key written out, as TOML.
    ///
    /// # Errors
    /// If it is missing or is no text.
    pub fn study(&mut self) -> Result<String, ArchiveError> {
        let name = "study.toml";
        let bytes = text(&mut self.zip, name).map_err(|cause| self.refused(name, cause))?;
        String::from_utf8(bytes).map_err(|error| self.refused(name, error.to_string()))
    }

    /// The receipt of a task.
    ///
    /// # Errors
    /// If it is missing or not believed.
    pub fn receipt(
        &mut self,
        trust: &Trust,
        label: &str,
        key: &Key,
    ) -> Result<Receipt, ArchiveError> {
        let name = receipt_name(key);
        let member = format!("{name} ({label})");
        let bytes = text(&mut self.zip, &name).map_err(|cause| self.refused(&member, cause))?;
        trust.receipt(key, &bytes).map_err(|cause| self.refused(&member, cause.to_string()))
    }

    /// The bytes of an object, checked; none where the archive has it not. `label` and `name` say
    /// in errors whose it is.
    ///
    /// # Errors
    /// If what is there is not what its digest says.
    pub fn object(
        &mut self,
        label: &str,
        name: &str,
        digest: &Digest,
    ) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(object) = self.contents.object(digest).cloned() else { return Ok(None) };
        let member = member(&object, label, name);
        let mut bytes = Vec::new();
        let read = stored(&mut self.zip, &object.path)
            .and_then(|from| read_most(from, object.size, &mut bytes));
        read.map_err(|cause| self.refused(&member, cause))?;
        if Digest::of(&bytes) != *digest {
            return Err(self.refused(&member, mismatch(digest)));
        }
        Ok(Some(bytes))
    }

    /// Takes an object into a store, checked as it comes; `false` where the archive has it not.
    ///
    /// # Errors
    /// If what is there is not what its digest says, or the store fails.
    pub fn take_in(
        &mut self,
        store: &Store,
        label: &str,
        name: &str,
        digest: &Digest,
    ) -> Result<bool, ArchiveError> {
        let Some(object) = self.contents.object(digest).cloned() else { return Ok(false) };
        let member = member(&object, label, name);
        let received = stored(&mut self.zip, &object.path)
            .map(|mut from| store.objects().receive(digest, object.size, &mut from));
        match received {
            Ok(Ok(true)) => Ok(true),
            Ok(Ok(false)) => Err(self.refused(&member, mismatch(digest))),
            // The zip's own checksum of a member is found wrong as it is read.
            Ok(Err(StoreError::Io { action: "receive", source, .. })) => {
                Err(self.refused(&member, causes(&source)))
            }
            Ok(Err(error)) => Err(error.into()),
            Err(cause) => Err(self.refused(&member, cause)),
        }
    }

    /// Hashes every object. What is wrong is returned by member, with the task whose it is.
    pub fn verify(&mut self, owners: &dyn Fn(&Digest) -> Option<String>) -> Vec<ArchiveError> {
        let objects = self.contents.objects.clone();
        let mut wrong = Vec::new();
        for object in objects {
            let whose = owners(&object.digest);
            let member = match whose {
                Some(whose) => format!("{} ({whose})", object.path),
                None => object.path.clone(),
            };
            let found = stored(&mut self.zip, &object.path)
                .and_then(|from| Digest::of_reader(from).map_err(|error| causes(&error)));
            match found {
                Ok(found) if found == object.digest => {}
                Ok(_) => wrong.push(self.refused(&member, mismatch(&object.digest))),
                Err(cause) => wrong.push(self.refused(&member, cause)),
            }
        }
        wrong
    }

    fn refused(&self, member: &str, cause: String) -> ArchiveError {
        let path = self.path.clone();
        ArchiveError::Refused { path, member: member.to_owned(), cause }
    }
}

fn member(object: &Included, label: &str, name: &str) -> String {
    format!("{} ({label}: {name})", object.path)
}

fn mismatch(digest: &Digest) -> String {
    format!("its bytes are not those of digest {}", digest.short())
}

/// A member as it lies in the file.
fn stored<'a>(
    zip: &'a mut ZipArchive<BufReader<File>>,
    name: &str,
) -> Result<impl Read + use<'a>, String> {
    let file = zip.by_name(name).map_err(|error| error.to_string())?;
    if file.compression() != CompressionMethod::Stored {
        return Err("it is compressed, which archives of titrate are not".to_owned());
    }
    Ok(file)
}

fn text(zip: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    read_most(stored(zip, name)?, LARGEST_TEXT, &mut bytes)?;
    Ok(bytes)
}

/// Reads all, of which there may be `most` bytes.
fn read_most(from: impl Read, most: u64, bytes: &mut Vec<u8>) -> Result<(), String> {
    let read: io::Result<usize> = from.take(most.saturating_add(1)).read_to_end(bytes);
    read.map_err(|error| causes(&error))?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {most} bytes"));
    }
    Ok(())
}
