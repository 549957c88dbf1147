//! Pictures from outside, whatever their format and size, as squares: a block of files, or one
//! shard.

use std::collections::BTreeMap;
use std::io::{self, Read};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::context::{Context, json_output};
use super::{Outputs, StepError};
use crate::data::catalogue::id_of;
use crate::data::decode::{self, Header, Memory, PictureError};
use crate::data::duplicates::Fingerprint;
use crate::data::webdataset::{self, ShardWriter, Unused};
use crate::data::{Item, RgbImage, fit};
use crate::plan::{InputFile, kinds};
use crate::regular;
use crate::vocabulary;

/// Names of the outputs.
pub const SHARD: &str = "shard.tar";
pub const PICTURES: &str = "pictures.json";
pub const FINGERPRINTS: &str = "fingerprints.bin";
pub const UNUSED: &str = "unused.json";

/// Pictures decoded side by side, at most.
const ABREAST: usize = 64;
/// Bytes that the files of pictures may have together that are decoded side by side.
const HELD: usize = 64 << 20;
/// Bytes that decoded pictures may take together; a larger one is decoded alone.
pub const DECODED: usize = 512 << 20;

/// A picture as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Picture {
    pub id: String,
    /// The file, relative to the set's folder, or the shard's member.
    pub file: String,
    pub bytes: u64,
    /// Why it can't be used; none: it is among the squares, and has a fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Width and height, upright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(usize, usize)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What the shard that it came in says of it, as a table's cells.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// Outputs: shard.tar (the squares or frames, called by their ids), pictures.json (every picture in
/// the order of its input), fingerprints.bin (of the shard's pictures as they came), and of a shard
/// with members that no sample uses unused.json (how many, by their extension).
pub fn run(params: kinds::Decode, context: &mut Context) -> Result<Outputs, StepError> {
    let mut block = Block::new(&params);
    let files = context.file_list("files");
    let mut unused = Unused::new();
    if params.packed {
        for file in files {
            let shard = file.name.clone();
            let mut checked = Checked::open(file)?;
            let left = webdataset::for_each_sample(&mut checked, &shard, |sample| {
                block.push(Waiting {
                    id: webdataset::plain(&sample.id()),
                    file: format!("{shard}/{}", sample.member),
                    fields: sample.fields.cells(),
                    bytes: sample.picture,
                })
            })?;
            left.into_iter().for_each(|(end, count)| *unused.entry(end).or_default() += count);
            checked.finish(file)?;
            context.images(block.pictures.len(), 0);
        }
    } else {
        for (at, file) in files.iter().enumerate() {
            let (id, name) = (id_of(&file.name), file.name.clone());
            let length = Checked::open(file)?.length()?;
            if length > decode::MOST_BYTES {
                Checked::open(file)?.finish(file)?;
                block.refuse(id, name, length)?;
            } else {
                let (bytes, fields) = (file.read()?, BTreeMap::new());
                block.push(Waiting { id, file: name, bytes, fields })?;
            }
            if block.waiting.is_empty() {
                context.images(at + 1, files.len());
            }
        }
    }
    block.flush()?;
    let Block { pictures, fingerprints, squares, .. } = block;
    let mut outputs = vec![
        (SHARD.into(), squares.finish()?),
        json_output(PICTURES, &pictures),
        (FINGERPRINTS.into(), fingerprints),
    ];
    if !unused.is_empty() {
        outputs.push(json_output(UNUSED, &unused));
    }
    Ok(outputs)
}

/// A picture that is read and not yet decoded.
struct Waiting {
    id: String,
    file: String,
    bytes: Vec<u8>,
    fields: BTreeMap<String, String>,
}

struct Block<'a> {
    params: &'a kinds::Decode,
    memory: Memory,
    waiting: Vec<Waiting>,
    pictures: Vec<Picture>,
    fingerprints: Vec<u8>,
    squares: ShardWriter<Vec<u8>>,
}

impl<'a> Block<'a> {
    fn new(params: &'a kinds::Decode) -> Self {
        Self {
            params,
            memory: Memory::new(DECODED),
            waiting: Vec::new(),
            pictures: Vec::new(),
            fingerprints: Vec::new(),
            squares: ShardWriter::new(Vec::new()),
        }
    }

    fn push(&mut self, waiting: Waiting) -> Result<(), StepError> {
        self.waiting.push(waiting);
        if is_enough(self.waiting.iter().map(|waiting| &waiting.bytes)) {
            return self.flush();
        }
        Ok(())
    }

    /// Enters a picture whose file is too large to be read.
    fn refuse(&mut self, id: String, file: String, bytes: u64) -> Result<(), StepError> {
        self.flush()?;
        let error = PictureError::LargeFile { name: file.clone(), bytes };
        self.pictures.push(Picture {
            id,
            file,
            bytes,
            error: Some(error.to_string()),
            size: None,
            format: None,
            fields: BTreeMap::new(),
        });
        Ok(())
    }

    /// Decodes what waits; one picture's fault is its own.
    fn flush(&mut self) -> Result<(), StepError> {
        let waiting = std::mem::take(&mut self.waiting);
        let decoded = waiting
            .into_par_iter()
            .map(|waiting| decoded(waiting, self.params, &self.memory))
            .collect::<Vec<_>>();
        for (picture, square) in decoded {
            if let Some((item, fingerprint)) = square {
                self.squares.append(&item)?;
                self.fingerprints.extend(fingerprint.to_bytes());
            }
            self.pictures.push(picture);
        }
        Ok(())
    }
}

fn decoded(
    waiting: Waiting,
    params: &kinds::Decode,
    memory: &Memory,
) -> (Picture, Option<(Item, Fingerprint)>) {
    let Waiting { id, file, bytes, fields } = waiting;
    let length = bytes.len() as u64;
    let picture = Picture {
        id: id.clone(),
        file: file.clone(),
        bytes: length,
        error: None,
        size: None,
        format: None,
        fields,
    };
    let square = with_picture(&bytes, &file, memory, |header, image| {
        let made = if params.frames {
            fit::frame(image, params.size)
        } else {
            square(image, params.size, params.fit)
        };
        ((header.format, (image.width, image.height), Fingerprint::of(image)), made)
    });
    match square {
        Err(error) => (Picture { error: Some(error.to_string()), ..picture }, None),
        Ok(((format, size, fingerprint), image)) => {
            let item = Item {
                id,
                label: String::new(),
                fst: 0,
                malignant: None,
                patient: String::new(),
                caption: String::new(),
                source: String::new(),
                image,
                synthetic: None,
            };
            (
                Picture { size: Some(size), format: Some(format.name().to_owned()), ..picture },
                Some((item, fingerprint)),
            )
        }
    }
}

/// Whether so many files of pictures wait that they are to be decoded before another is read.
pub fn is_enough<'a>(waiting: impl ExactSizeIterator<Item = &'a Vec<u8>>) -> bool {
    waiting.len() == ABREAST || waiting.map(Vec::len).sum::<usize>() > HELD
}

/// What `make` makes of a picture, while there is memory for it as it came.
pub fn with_picture<T>(
    bytes: &[u8],
    file: &str,
    memory: &Memory,
    make: impl FnOnce(&Header, &RgbImage) -> T,
) -> Result<T, PictureError> {
    let header = decode::header(bytes, file)?;
    let _share = memory.take(header.memory());
    Ok(make(&header, &decode::decode(bytes, file)?))
}

/// The picture as a square, as a study says.
pub fn square(image: &RgbImage, size: usize, fit: vocabulary::Fit) -> RgbImage {
    fit::fit(image, size, fit)
}

/// A file that is read once, piece by piece, and hashed on the way.
pub struct Checked {
    source: io::BufReader<std::fs::File>,
    hasher: blake3::Hasher,
}

impl Checked {
    pub fn open(file: &InputFile) -> Result<Self, StepError> {
        let opened = regular::open(&file.path)
            .map_err(|error| format!("{}: {error}", file.path.display()))?;
        Ok(Self {
            source: io::BufReader::with_capacity(1 << 20, opened),
            hasher: blake3::Hasher::new(),
        })
    }

    /// Bytes of the file.
    fn length(&self) -> io::Result<u64> {
        Ok(self.source.get_ref().metadata()?.len())
    }

    /// Whether what was read is what the plan saw.
    pub fn finish(mut self, file: &InputFile) -> Result<(), StepError> {
        io::copy(&mut self, &mut io::sink())?;
        match self.hasher.finalize().as_bytes() == file.digest.as_bytes() {
            true => Ok(()),
            false => Err(format!(
                "{} has changed since the run began: run it again",
                file.path.display()
            )
            .into()),
        }
    }
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
