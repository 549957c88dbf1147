//! WebDataset shards: a tar file with two members an item, `<id>.png` and `<id>.json`.
//!
//! The JSON holds `id, label, fst, malignant, patient, caption, source` (`malignant` and `patient`
//! where they are known), and for a generated image also the keys of the released synthetic-derm
//! shards (`name, md5hash, label, method, submethod, generation_num, tag`). Shards that others
//! wrote are read as [`Sample`]s: pictures of any format that [`decode`](super::decode) reads,
//! records of which only the label has to be there.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Write};
use std::rc::Rc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::image::ImageError;
use super::{Item, RgbImage, Synthetic};

/// What is wrong with a shard, and where in it.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    #[error("shard `{shard}` is cut off or not a tar file, after member `{after}`: {cause}")]
    Tar { shard: String, after: String, cause: io::Error },
    #[error(
        "shard `{shard}` ends after member `{after}` without the end-of-archive mark: it is cut off"
    )]
    CutOff { shard: String, after: String },
    #[error(
        "shard `{shard}`, member `{member}`: {found} of {expected} bytes, the shard is cut off"
    )]
    ShortMember { shard: String, member: String, found: usize, expected: u64 },
    #[error("shard `{shard}`, member `{member}` has {bytes} bytes: {LARGEST_MEMBER} at most")]
    LargeMember { shard: String, member: String, bytes: u64 },
    #[error("shard `{shard}`, member `{member}`: {cause}")]
    Image { shard: String, member: String, cause: ImageError },
    #[error("shard `{shard}`, member `{member}`: the record can't be read: {cause}")]
    Record { shard: String, member: String, cause: serde_json::Error },
    #[error("shard `{shard}`: sample `{sample}` has no {missing} member")]
    Incomplete { shard: String, sample: String, missing: &'static str },
    #[error(
        "item `{id}` can't name the members of a shard: an id is not empty and has no `.` or `/`"
    )]
    Id { id: String },
    #[error("item `{id}` can't be written to a shard: {cause}")]
    Write { id: String, cause: io::Error },
    #[error("item `{id}` can't be written to a shard: {cause}")]
    Encode { id: String, cause: ImageError },
}

/// The JSON member. Everything but the label may be missing from shards that others wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    #[serde(default)]
    pub id: String,
    pub label: String,
    #[serde(default)]
    pub fst: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malignant: Option<bool>,
    /// Absent where it is empty, so that shards of sets without patients are the bytes they were
    /// before there were any.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "patient")]
    pub patient: String,
    #[serde(default)]
    pub caption: String,
    #[serde(default)]
    pub source: String,
}

/// A patient's name or number as text, without the space around it, as from a table.
fn patient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(D::Error::custom(format!("`patient` is {other}; text or a number expected"))),
    }
}

/// Writes one item at a time; the same items give the same bytes (mtime 0, mode 0644, no owner).
pub struct ShardWriter<W: Write> {
    tar: tar::Builder<W>,
}

impl<W: Write> ShardWriter<W> {
    pub fn new(sink: W) -> Self {
        Self { tar: tar::Builder::new(sink) }
    }

    pub fn append(&mut self, item: &Item) -> Result<(), ShardError> {
        if item.id.is_empty() || item.id.contains(['.', '/']) {
            return Err(ShardError::Id { id: item.id.clone() });
        }
        let png = item
            .image
            .to_png(&item.id)
            .map_err(|cause| ShardError::Encode { id: item.id.clone(), cause })?;
        let json = record_json(item)
            .map_err(|cause| ShardError::Write { id: item.id.clone(), cause: cause.into() })?;
        for (extension, bytes) in [("png", &png[..]), ("json", &json[..])] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            let member = format!("{}.{extension}", item.id);
            let written = self.tar.append_data(&mut header, member, bytes);
            written.map_err(|cause| ShardError::Write { id: item.id.clone(), cause })?;
        }
        Ok(())
    }

    /// Writes the end-of-archive mark and hands the sink back.
    pub fn finish(self) -> io::Result<W> {
        self.tar.into_inner()
    }
}

/// `items` as the bytes of one shard.
pub fn write_shard<'a>(items: impl IntoIterator<Item = &'a Item>) -> Result<Vec<u8>, ShardError> {
    let mut writer = ShardWriter::new(Vec::new());
    for item in items {
        writer.append(item)?;
    }
    writer.finish().map_err(|cause| ShardError::Write { id: "end of archive".to_owned(), cause })
}

/// Every item of a shard that titrate wrote, in its order; `shard` names it in errors.
pub fn read_shard(bytes: &[u8], shard: &str) -> Result<Vec<Item>, ShardError> {
    let mut items = Vec::new();
    for_each_sample(Cursor::new(bytes), shard, |sample| {
        items.push(sample.into_item(shard)?);
        Ok(())
    })?;
    Ok(items)
}

/// Reads a shard sample by sample, holding one at a time; stops at the first error.
pub fn for_each_sample<E: From<ShardError>>(
    source: impl Read,
    shard: &str,
    mut each: impl FnMut(Sample) -> Result<(), E>,
) -> Result<(), E> {
    let tail = Rc::new(Cell::new(Tail::default()));
    let mut archive = tar::Archive::new(TailWatcher { source, tail: Rc::clone(&tail) });
    let mut after = "(none)".to_owned();
    let broken = |after: &str, cause| ShardError::Tar {
        shard: shard.to_owned(),
        after: after.to_owned(),
        cause,
    };
    let mut members = Members::default();
    for entry in archive.entries().map_err(|cause| broken(&after, cause))? {
        let mut entry = entry.map_err(|cause| broken(&after, cause))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let member = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let expected = entry.size();
        if expected > LARGEST_MEMBER {
            return Err(ShardError::LargeMember {
                shard: shard.to_owned(),
                member,
                bytes: expected,
            }
            .into());
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|cause| broken(&after, cause))?;
        if bytes.len() as u64 != expected {
            return Err(ShardError::ShortMember {
                shard: shard.to_owned(),
                member,
                found: bytes.len(),
                expected,
            }
            .into());
        }
        let (key, extension) = sample_key(&member);
        if key != members.key {
            if let Some(sample) = std::mem::take(&mut members).into_sample(shard)? {
                each(sample)?;
            }
            members.key = key.to_owned();
        }
        if extension == "json" {
            members.json = Some(bytes);
        } else if PICTURES.contains(&extension) {
            members.picture = Some((member.clone(), bytes));
        }
        after = member;
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|cause| broken(&after, cause))?;
    if tail.get().zeros < END_MARK || !tail.get().bytes.is_multiple_of(BLOCK) {
        return Err(ShardError::CutOff { shard: shard.to_owned(), after }.into());
    }
    if let Some(sample) = members.into_sample(shard)? {
        each(sample)?;
    }
    Ok(())
}

/// Extensions of members that are pictures.
const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];

/// Bytes that a member may have at most: it is held in memory.
const LARGEST_MEMBER: u64 = 1 << 28;

/// Bytes of zeros that end a tar file; more may follow.
const END_MARK: usize = 1024;
/// What the length of a tar file is a multiple of.
const BLOCK: usize = 512;

/// What has been read so far: how much, and how many zeros last.
#[derive(Clone, Copy, Default)]
struct Tail {
    bytes: usize,
    zeros: usize,
}

/// Watches for the end-of-archive mark: `tar` itself takes the end of the file for the end of the
/// archive.
struct TailWatcher<R> {
    source: R,
    tail: Rc<Cell<Tail>>,
}

impl<R: Read> Read for TailWatcher<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let Tail { bytes, zeros } = self.tail.get();
        let last = buffer[..count].iter().rev().take_while(|&&byte| byte == 0).count();
        self.tail.set(Tail {
            bytes: bytes + count,
            zeros: if last == count { zeros + count } else { last },
        });
        Ok(count)
    }
}

/// A sample of a shard: its record, and its picture as it was packed.
pub struct Sample {
    /// The members' common name, without the folder.
    pub key: String,
    /// The picture's member, for messages.
    pub member: String,
    pub picture: Vec<u8>,
    pub record: Record,
    /// Of a generated picture.
    pub synthetic: Option<Synthetic>,
}

impl Sample {
    /// The record's own id, or the key.
    pub fn id(&self) -> &str {
        if self.record.id.is_empty() { &self.key } else { &self.record.id }
    }

    /// The item, if the picture is a PNG as titrate writes it.
    pub fn into_item(self, shard: &str) -> Result<Item, ShardError> {
        let id = self.id().to_owned();
        let image = RgbImage::from_png(&self.picture, &id);
        let image = image.map_err(|cause| ShardError::Image {
            shard: shard.to_owned(),
            member: self.member.clone(),
            cause,
        })?;
        Ok(self.with_image(image))
    }

    /// The item whose picture, in whatever form, is `image`.
    pub fn with_image(self, image: RgbImage) -> Item {
        let id = self.id().to_owned();
        let Record { label, fst, malignant, patient, caption, source, .. } = self.record;
        Item {
            id,
            label,
            fst,
            malignant,
            patient,
            caption,
            source,
            image,
            synthetic: self.synthetic,
        }
    }
}

/// The members of one sample, as far as they have been read.
#[derive(Default)]
struct Members {
    key: String,
    /// The member's name and content.
    picture: Option<(String, Vec<u8>)>,
    json: Option<Vec<u8>>,
}

impl Members {
    /// `None` for a sample without any member that matters here.
    fn into_sample(self, shard: &str) -> Result<Option<Sample>, ShardError> {
        let missing = |missing| ShardError::Incomplete {
            shard: shard.to_owned(),
            sample: self.key.clone(),
            missing,
        };
        let ((picture_member, picture), json) = match (self.picture, self.json) {
            (Some(picture), Some(json)) => (picture, json),
            (None, None) => return Ok(None),
            (None, _) => return Err(missing("picture (png, jpg, webp, gif or bmp)")),
            (_, None) => return Err(missing(".json")),
        };
        let member = format!("{}.json", self.key);
        let (record, synthetic) = parse_record(&json).map_err(|cause| ShardError::Record {
            shard: shard.to_owned(),
            member,
            cause,
        })?;
        let key = self.key.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Some(Sample { key, member: picture_member, picture, record, synthetic }))
    }
}

/// A member's sample and its extension: WebDataset splits at the first dot of the file name.
fn sample_key(member: &str) -> (&str, &str) {
    let file = member.rfind('/').map_or(0, |slash| slash + 1);
    match member[file..].find('.') {
        Some(dot) => (&member[..file + dot], &member[file + dot + 1..]),
        None => (member, ""),
    }
}

fn record_json(item: &Item) -> Result<Vec<u8>, serde_json::Error> {
    let Item { id, label, fst, malignant, patient, caption, source, synthetic, .. } = item.clone();
    let mut record =
        serde_json::to_value(Record { id, label, fst, malignant, patient, caption, source })?;
    if let (Value::Object(record), Some(synthetic)) = (&mut record, synthetic)
        && let Value::Object(generated) = serde_json::to_value(synthetic)?
    {
        record.extend(generated);
    }
    serde_json::to_vec(&record)
}

fn parse_record(json: &[u8]) -> Result<(Record, Option<Synthetic>), serde_json::Error> {
    let value: Value = serde_json::from_slice(json)?;
    let synthetic = match value.get("method") {
        Some(_) => Some(Synthetic::deserialize(&value)?),
        None => None,
    };
    Ok((Record::deserialize(&value)?, synthetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(index: u8, synthetic: Option<Synthetic>) -> Item {
        let image = RgbImage {
            width: 3,
            height: 2,
            pixels: (0..18).map(|byte| byte * 7 + index).collect(),
        };
        Item {
            id: format!("lichen-planus-{index:05}"),
            label: "lichen planus".to_owned(),
            fst: 1 + index % 6,
            malignant: [None, Some(false), Some(true)][usize::from(index % 3)],
            patient: ["", "p 7"][usize::from(index == 3)].to_owned(),
            caption: "An image of lichen planus, a skin disease".to_owned(),
            source: "phantom".to_owned(),
            image,
            synthetic,
        }
    }

    fn items() -> Vec<Item> {
        let generated = Synthetic {
            name: "00007".to_owned(),
            md5hash: "lichen-planus-00001".to_owned(),
            method: "inpaint".to_owned(),
            submethod: "finetuned".to_owned(),
            generation_num: 7,
            tag: String::new(),
        };
        vec![item(1, None), item(2, Some(generated)), item(3, None)]
    }

    #[test]
    fn items_survive_a_shard() {
        let shard = write_shard(&items()).unwrap();
        assert_eq!(read_shard(&shard, "shard-00000.tar").unwrap(), items());
        assert_eq!(shard, write_shard(&items()).unwrap());
    }

    /// Without a patient, the bytes that every store has of the sets that know of none.
    #[test]
    fn a_record_has_a_patient_only_where_one_is_known() {
        let caption = "An image of lichen planus, a skin disease";
        let known = [r#""malignant":false,"#, r#""patient":"p 7","#];
        for (index, [malignant, patient]) in
            [(0, ["", ""]), (1, [known[0], ""]), (3, ["", known[1]])]
        {
            let expected = format!(
                r#"{{"caption":"{caption}","fst":{},"id":"lichen-planus-{index:05}","label":"lichen planus",{malignant}{patient}"source":"phantom"}}"#,
                1 + index,
            );
            assert_eq!(
                String::from_utf8(record_json(&item(index, None)).unwrap()).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn patients_come_by_name_or_number() {
        for (written, expected) in [
            ("", Ok("")),
            (r#","patient":null"#, Ok("")),
            (r#","patient":" IP_0042 ""#, Ok("IP_0042")),
            (r#","patient":42"#, Ok("42")),
            (r#","patient":["a"]"#, Err(r#"`patient` is ["a"]; text or a number expected"#)),
        ] {
            let record = parse_record(format!(r#"{{"label":"psoriasis"{written}}}"#).as_bytes());
            let found = record.map(|(record, _)| record.patient).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{written}");
        }
    }

    #[test]
    fn a_shard_cut_anywhere_is_refused_by_name() {
        let shard = write_shard(&items()).unwrap();
        for cut in (0..shard.len()).step_by(64) {
            let error = read_shard(&shard[..cut], "shard-00042.tar")
                .expect_err(&format!("cut at {cut} of {}", shard.len()));
            assert!(error.to_string().contains("shard-00042.tar"), "{error}");
        }
    }

    type Members<'a> = &'a [(&'a str, &'a [u8])];

    /// A shard of the given members as another program might have written it.
    fn foreign(members: Members) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (member, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            tar.append_data(&mut header, member, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn a_released_record_is_read_and_bad_members_are_named() {
        let png = items()[0].image.to_png("x").unwrap();
        let json =
            br#"{"name":"a","md5hash":"ff","label":"psoriasis","method":"t2i","submethod":"more","generation_num":3,"tag":""}"#;
        let read = read_shard(
            &foreign(&[("train/000.png", &png), ("train/000.json", json)]),
            "released.tar",
        )
        .unwrap();
        assert_eq!(
            (read[0].id.as_str(), read[0].label.as_str(), read[0].fst),
            ("000", "psoriasis", 0)
        );
        assert_eq!(read[0].synthetic.as_ref().unwrap().generation_num, 3);

        let short = &png[..png.len() / 2];
        let cases: [(Members, &str); 4] = [
            (&[("a.png", &png)], "`released.tar`: sample `a` has no .json member"),
            (
                &[("a.json", json), ("b.png", &png), ("b.json", json)],
                "`released.tar`: sample `a` has no picture (png",
            ),
            (
                &[("a.png", short), ("a.json", json)],
                "member `a.png`: image `a` is not a readable PNG",
            ),
            (
                &[("a.png", &png), ("a.json", br#"{"label":3}"#)],
                "member `a.json`: the record can't be read: invalid type",
            ),
        ];
        for (members, expected) in cases {
            let error = read_shard(&foreign(members), "released.tar").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_id_that_would_split_wrongly_is_refused() {
        let mut dotted = items();
        dotted[0].id = "a.b".to_owned();
        assert!(write_shard(&dotted).unwrap_err().to_string().contains("`a.b`"));
    }
}
