//! Writing an archive.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::contents::{self, Contents, Included, LeftOut, Named, receipt_name};
use super::error::ArchiveError;
use super::export::{Export, Exported};
use super::metadata::{Around, metadata};
use crate::remote::unsigned;
use crate::replace::replace_with;
use crate::store::{Entry, Receipt, Store};

/// What an output is, as far as archives go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Weights,
    Images,
    Other,
}

fn class(name: &str) -> Class {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "safetensors" => Class::Weights,
        "png" | "jpg" | "jpeg" | "webp" | "tar" | "squares" | "frames" => Class::Images,
        _ => Class::Other,
    }
}

impl Export<'_> {
    /// Writes the archive to `path`, whose objects are read from `store` and verified. Nothing is
    /// left of it where that fails.
    ///
    /// # Errors
    /// If an object is not whole in the store, or the file can't be written.
    pub fn write(&self, store: &Store, path: &Path) -> Result<Exported, ArchiveError> {
        let contents = self.contents();
        let crate_metadata = metadata(self, &contents, Around::Archive);
        let failed = |source| ArchiveError::Io { action: "write", path: path.to_owned(), source };
        let mut failure = None;
        let written = replace_with(path, |aside| {
            let mut zip = ZipWriter::new(BufWriter::new(File::create(aside)?));
            let mut member = |name: &str, bytes: &[u8]| -> io::Result<()> {
                zip.start_file(name, options(bytes.len() as u64))?;
                zip.write_all(bytes)
            };
            member("ro-crate-metadata.json", &pretty(&crate_metadata))?;
            member(contents::NAME, &pretty(&contents))?;
            member("study.toml", self.resolved.as_bytes())?;
            member("Cargo.lock", self.lock.as_bytes())?;
            for (_, receipt) in self.results {
                let stored =
                    self.signing.map_or_else(|| unsigned(receipt), |signing| signing.sign(receipt));
                member(&receipt_name(&receipt.key), &stored)?;
            }
            for object in &contents.objects {
                zip.start_file(object.path.as_str(), options(object.size))?;
                let copied = store
                    .objects()
                    .stream(&object.digest, |from| io::copy(from, &mut zip).map_err(&failed));
                if let Err(error) = copied {
                    failure = Some(error);
                    return Err(io::Error::other("an object could not be copied"));
                }
            }
            zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        });
        if let Some(error) = failure {
            return Err(error);
        }
        written.map_err(failed)?;
        let bytes = contents.objects.iter().map(|object| object.size).sum();
        Ok(Exported { objects: contents.objects.len(), bytes, left_out: contents.left_out })
    }

    /// The text of `ro-crate-metadata.json` for the folder that has the report's files and the
    /// resolved study: what they are, and which tasks they were made by.
    pub fn beside_report(&self) -> Vec<u8> {
        let mut contents = self.contents();
        contents.objects.retain_mut(|object| {
            let name = object.path.strip_prefix("report/").map(str::to_owned);
            name.map(|name| object.path = name).is_some()
        });
        pretty(&metadata(self, &contents, Around::Report))
    }

    /// The report's files by name, and the objects of all others by digest, each once.
    fn contents(&self) -> Contents {
        let (mut objects, mut known) = (Vec::new(), BTreeSet::new());
        let mut left_out = LeftOut::default();
        let mut passed_over = BTreeSet::new();
        let is_report = |label: &str| label == self.report;
        let (report, others): (Vec<_>, Vec<_>) =
            self.results.iter().partition(|(label, _)| is_report(label));
        for (label, receipt) in report.into_iter().chain(others) {
            for entry in receipt.output.entries() {
                let Entry { name, digest, size } = entry;
                let path = match is_report(label) {
                    true => format!("report/{name}"),
                    false => format!("objects/{digest}"),
                };
                let wanted = is_report(label) || self.includes(class(name));
                if wanted {
                    if known.insert(*digest) || is_report(label) {
                        objects.push(Included { digest: *digest, size: *size, path });
                    }
                } else if !known.contains(digest) && passed_over.insert(*digest) {
                    left_out.bytes += size;
                    match class(name) {
                        Class::Weights => left_out.weights += 1,
                        _ => left_out.images += 1,
                    }
                }
            }
        }
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        let named =
            |(label, receipt): &(String, Receipt)| Named { label: label.clone(), key: receipt.key };
        Contents {
            titrate_archive: contents::VERSION,
            study: self.study.to_owned(),
            device: self.device.to_owned(),
            sets: self.sets.to_vec(),
            titrate: env!("CARGO_PKG_VERSION").to_owned(),
            tasks: self.results.iter().map(named).collect(),
            objects,
            left_out,
        }
    }

    fn includes(&self, class: Class) -> bool {
        match class {
            Class::Weights => self.weights,
            Class::Images => self.images,
            Class::Other => true,
        }
    }
}

/// No compression, since what is large does not shrink; and one time for all, so that equal results
/// make equal archives.
fn options(size: u64) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(size >= u64::from(u32::MAX))
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("it is plain JSON");
    bytes.push(b'\n');
    bytes
}
