//! Reading shards, sample by sample.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};

use flate2::read::MultiGzDecoder;

use super::error::ShardError;
use super::record::{Fields, Record};
use super::tail::{self, TailWatcher};
use crate::data::decode::MOST_BYTES;
use crate::data::{Item, RgbImage, Synthetic};

/// Bytes that a member may have at most: it is held in memory.
const LARGEST_MEMBER: u64 = MOST_BYTES;
/// Bytes that the members of a sample may have together.
const LARGEST_SAMPLE: u64 = 1 << 29;
/// Bytes of headers, PAX records among them, before a member.
const LARGEST_HEADERS: u64 = 1 << 20;

/// Extensions of members that are pictures. Of several pictures in a sample the first of these is
/// the photograph: a mask or a map beside a photograph is mostly a PNG.
const PICTURES: [&str; 6] = ["jpg", "jpeg", "webp", "png", "bmp", "gif"];

/// A sample of a shard: its picture as it was packed, and what the other members say.
pub struct Sample {
    /// The members' common name, with the folder.
    pub key: String,
    /// The picture's member, for messages.
    pub member: String,
    /// The bytes of the picture's member, of any format; empty where they were passed over.
    pub picture: Vec<u8>,
    /// What the other members say.
    pub fields: Fields,
}

impl Sample {
    /// The record's own id, or the key.
    pub fn id(&self) -> String {
        let own = self.fields.cell("id").filter(|id| !id.is_empty());
        own.unwrap_or_else(|| self.key.clone())
    }

    /// The class, if the sample says it.
    pub fn label(&self) -> Option<String> {
        self.fields.cell("label")
    }

    /// How the picture was made, if it was generated.
    ///
    /// # Errors
    /// If the record says so and is not as it should be.
    pub fn synthetic(&self, shard: &str) -> Result<Option<Synthetic>, ShardError> {
        self.fields.synthetic().map_err(|cause| self.failed(shard, cause))
    }

    /// What titrate wrote of the item besides its picture.
    ///
    /// # Errors
    /// If it is not as titrate writes it.
    pub fn record(&self, shard: &str) -> Result<Record, ShardError> {
        self.fields.record().map_err(|cause| self.failed(shard, cause))
    }

    fn failed(&self, shard: &str, cause: serde_json::Error) -> ShardError {
        let (shard, member) = (shard.to_owned(), format!("{}.json", self.key));
        ShardError::Record { shard, member, cause }
    }

    /// The item, if the picture is a PNG as titrate writes it.
    ///
    /// # Errors
    /// If picture or record are not as titrate writes them.
    pub fn into_item(self, shard: &str) -> Result<Item, ShardError> {
        let image = RgbImage::from_png(&self.picture, &self.id());
        let image = image.map_err(|cause| ShardError::Image {
            shard: shard.to_owned(),
            member: self.member.clone(),
            cause,
        })?;
        self.with_image(image, shard)
    }

    /// The item whose picture, in whatever form, is `image`.
    ///
    /// # Errors
    /// If the record is not as titrate writes it.
    pub fn with_image(self, image: RgbImage, shard: &str) -> Result<Item, ShardError> {
        let record = self.record(shard)?;
        let synthetic = self.synthetic(shard)?;
        Ok(Item {
            id: self.id(),
            label: record.label,
            fst: record.fst,
            malignant: record.malignant,
            patient: record.patient,
            caption: record.caption,
            source: record.source,
            image,
            synthetic,
        })
    }
}

/// Every item of a shard that titrate wrote, in its order; `shard` names it in errors.
///
/// # Errors
/// If the shard is damaged, or its members are not as titrate writes them.
pub fn read_shard(bytes: &[u8], shard: &str) -> Result<Vec<Item>, ShardError> {
    let mut items = Vec::new();
    for_each_sample(Cursor::new(bytes), shard, |sample| {
        items.push(sample.into_item(shard)?);
        Ok(())
    })?;
    Ok(items)
}

/// Members that no sample has used, by their extension.
pub type Unused = BTreeMap<String, usize>;

/// Reads a shard, gzipped or not, sample by sample, holding one at a time; stops at the first error.
///
/// # Errors
/// If the shard is damaged, a sample lacks its picture or what says its class, or `each` fails.
pub fn for_each_sample<E: From<ShardError>>(
    source: impl Read,
    shard: &str,
    mut each: impl FnMut(Sample) -> Result<(), E>,
) -> Result<Unused, E> {
    let mut walk = Walk::new(shard, Pictures::Read);
    let source = unzipped(source).map_err(|cause| walk.broken(cause))?;
    let (watcher, tail) = TailWatcher::new(source);
    let mut archive = tar::Archive::new(watcher);
    tail.allow(LARGEST_HEADERS);
    let entries = archive.entries().map_err(|cause| walk.broken(cause))?;
    walk.go(entries, &tail, &mut each)?;
    tail.allow(u64::MAX);
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|cause| walk.broken(cause))?;
    if !tail.is_whole() {
        return Err(ShardError::CutOff { shard: shard.to_owned(), after: walk.after }.into());
    }
    walk.end(&mut each)
}

/// What a shard that is not gzipped says of its pictures, without reading these: the picture of each
/// sample is empty. That the shard is whole is not looked at.
///
/// # Errors
/// As of [`for_each_sample`].
pub fn for_each_record<E: From<ShardError>>(
    source: impl Read + Seek,
    shard: &str,
    mut each: impl FnMut(Sample) -> Result<(), E>,
) -> Result<(), E> {
    let mut walk = Walk::new(shard, Pictures::PassOver);
    let (watcher, tail) = TailWatcher::new(source);
    let mut archive = tar::Archive::new(watcher);
    tail.allow(LARGEST_HEADERS);
    let entries = archive.entries_with_seek().map_err(|cause| walk.broken(cause))?;
    walk.go(entries, &tail, &mut each)?;
    walk.end(&mut each).map(drop)
}

/// Whether a file's first bytes are those of a gzipped one.
pub fn is_gzipped(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// What happens to the bytes of pictures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pictures {
    Read,
    PassOver,
}

/// A walk through a shard's members.
struct Walk<'a> {
    shard: &'a str,
    pictures: Pictures,
    /// The last member that was read whole.
    after: String,
    /// Of the sample that is not complete yet.
    members: Members,
    seen: Seen,
}

impl<'a> Walk<'a> {
    fn new(shard: &'a str, pictures: Pictures) -> Self {
        let (after, members, seen) = ("(none)".to_owned(), Members::default(), Seen::default());
        Self { shard, pictures, after, members, seen }
    }

    fn broken(&self, cause: io::Error) -> ShardError {
        ShardError::Tar { shard: self.shard.to_owned(), after: self.after.clone(), cause }
    }

    /// Hands on every sample but the last.
    fn go<R: Read, E: From<ShardError>>(
        &mut self,
        entries: tar::Entries<'_, R>,
        tail: &tail::Seen,
        each: &mut impl FnMut(Sample) -> Result<(), E>,
    ) -> Result<(), E> {
        for entry in entries {
            let mut entry = entry.map_err(|cause| self.broken(cause))?;
            tail.allow(entry.size().saturating_add(LARGEST_HEADERS));
            if entry.header().entry_type().is_file() {
                self.member(&mut entry, each)?;
            }
        }
        Ok(())
    }

    fn member<E: From<ShardError>>(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        each: &mut impl FnMut(Sample) -> Result<(), E>,
    ) -> Result<(), E> {
        let member = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (key, extension) = sample_key(&member);
        let small = extension.to_lowercase();
        let passed = self.pictures == Pictures::PassOver && PICTURES.contains(&small.as_str());
        let bytes =
            if passed { Vec::new() } else { read_member(entry, &member, self.shard, &self.after)? };
        if key != self.members.key {
            let done = std::mem::replace(&mut self.members, Members::of(key));
            if let Some(sample) = done.into_sample(self.shard, &mut self.seen)? {
                each(sample)?;
            }
        }
        self.members.bytes += bytes.len() as u64;
        if self.members.bytes > LARGEST_SAMPLE {
            let (shard, sample, most) = (self.shard.to_owned(), key.to_owned(), LARGEST_SAMPLE);
            return Err(ShardError::LargeSample { shard, sample, most }.into());
        }
        self.seen.last = Some((member.clone(), extension.to_owned()));
        self.members.all.push((small, member.clone(), bytes));
        self.after = member;
        Ok(())
    }

    /// Hands on the last sample.
    fn end<E: From<ShardError>>(
        self,
        each: &mut impl FnMut(Sample) -> Result<(), E>,
    ) -> Result<Unused, E> {
        let (shard, mut seen) = (self.shard, self.seen);
        if let Some(sample) = self.members.into_sample(shard, &mut seen)? {
            each(sample)?;
        }
        match seen {
            Seen { samples: 0, last: Some((member, extension)), .. } => {
                Err(ShardError::NoSample { shard: shard.to_owned(), member, extension }.into())
            }
            Seen { unused, .. } => Ok(unused),
        }
    }
}

/// A member's bytes.
fn read_member(
    entry: &mut tar::Entry<'_, impl Read>,
    member: &str,
    shard: &str,
    after: &str,
) -> Result<Vec<u8>, ShardError> {
    let (shard, member, expected) = (shard.to_owned(), member.to_owned(), entry.size());
    if expected > LARGEST_MEMBER {
        return Err(ShardError::LargeMember {
            shard,
            member,
            bytes: expected,
            most: LARGEST_MEMBER,
        });
    }
    let mut bytes = Vec::new();
    if let Err(cause) = entry.read_to_end(&mut bytes) {
        return Err(ShardError::Tar { shard, after: after.to_owned(), cause });
    }
    if bytes.len() as u64 != expected {
        return Err(ShardError::ShortMember { shard, member, found: bytes.len(), expected });
    }
    Ok(bytes)
}

/// The bytes of a tar file that may be gzipped.
fn unzipped<'a>(source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut source = BufReader::new(source);
    let is_gzip = is_gzipped(source.fill_buf()?);
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(source)) } else { Box::new(source) })
}

/// What has been read of a shard.
#[derive(Default)]
struct Seen {
    samples: usize,
    /// A member and its extension.
    last: Option<(String, String)>,
    unused: Unused,
}

/// The members of one sample, as far as they have been read.
#[derive(Default)]
struct Members {
    key: String,
    /// Extension in small letters, name and content.
    all: Vec<(String, String, Vec<u8>)>,
    bytes: u64,
}

impl Members {
    fn of(key: &str) -> Self {
        Self { key: key.to_owned(), ..Self::default() }
    }

    /// `None` for a sample without any member that matters here.
    fn into_sample(mut self, shard: &str, seen: &mut Seen) -> Result<Option<Sample>, ShardError> {
        let mut take = |wanted: &str| {
            let at = self.all.iter().position(|(extension, ..)| extension == wanted)?;
            Some(self.all.remove(at))
        };
        let picture = PICTURES.into_iter().find_map(&mut take);
        let (json, class, text) = (take("json"), take("cls"), take("txt"));
        for (extension, ..) in &self.all {
            *seen.unused.entry(extension.clone()).or_default() += 1;
        }
        if picture.is_none() && json.is_none() && class.is_none() {
            *seen.unused.entry("txt".to_owned()).or_default() += usize::from(text.is_some());
            seen.unused.retain(|_, count| *count > 0);
            return Ok(None);
        }
        let missing = |missing| ShardError::Incomplete {
            shard: shard.to_owned(),
            sample: self.key.clone(),
            missing,
        };
        let (_, member, picture) =
            picture.ok_or_else(|| missing("picture (png, jpg, webp, gif or bmp)"))?;
        if json.is_none() && class.is_none() {
            return Err(missing(".json or .cls"));
        }
        let mut fields = Fields::default();
        if let Some((_, member, json)) = json {
            fields = Fields::read(&json).map_err(|cause| ShardError::Record {
                shard: shard.to_owned(),
                member,
                cause,
            })?;
        }
        if let Some((.., class)) = class {
            fields.add("label", &class);
        }
        if let Some((.., text)) = text {
            fields.add("caption", &text);
        }
        seen.samples += 1;
        Ok(Some(Sample { key: self.key, member, picture, fields }))
    }
}

/// A member's sample and its extension: WebDataset splits at the first dot of the file name.
fn sample_key(member: &str) -> (&str, &str) {
    let member = member.trim_start_matches("./");
    let file = member.rfind('/').map_or(0, |slash| slash + 1);
    match member[file..].find('.') {
        Some(dot) => (&member[..file + dot], &member[file + dot + 1..]),
        None => (member, ""),
    }
}
