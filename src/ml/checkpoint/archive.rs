//! The two containers of `torch.save`: a zip archive with a file for each storage, and pickles
//! followed by the storages.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::error::CheckpointError;
use super::pickle::{Object, Pickle};
use super::stored::Stored;

/// First bytes of a zip archive.
pub const ZIP: &[u8] = b"PK\x03\x04";
/// First bytes of a file of `torch.save` before 1.6: the pickle of its magic number.
pub const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// Bytes of the values of tensors.
pub type Storage<'a> = Cow<'a, [u8]>;

/// A state dict's pickle and its storages by key.
pub struct Archive<'a> {
    pub state: Pickle,
    pub storages: HashMap<String, Storage<'a>>,
}

impl<'a> Archive<'a> {
    /// `FOLDER/data.pkl`, and `FOLDER/data/KEY` for each storage; nothing is compressed.
    pub fn unzip(bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let mut zip = ZipArchive::new(Cursor::new(bytes))?;
        let names = zip
            .file_names()
            .map(|name| Ok(name?.into_owned()))
            .collect::<Result<Vec<_>, zip::result::ZipError>>()?;
        let pickle =
            names.iter().find(|name| name.ends_with("/data.pkl") && name.matches('/').count() == 1);
        let pickle = pickle.ok_or(CheckpointError::Lacks { what: "a pickle, FOLDER/data.pkl" })?;
        let folder = pickle.trim_end_matches("data.pkl");
        let (order, mut left) = (format!("{folder}byteorder"), bytes.len());
        if names.contains(&order) && entry(&mut zip, &order, &mut left)? != b"little" {
            return Err(CheckpointError::BigEndian);
        }
        let state = entry(&mut zip, pickle, &mut left)?;
        let (state, _) = Pickle::read(&state)
            .map_err(|source| CheckpointError::Pickle { part: "data.pkl", source })?;
        let mut storages = HashMap::new();
        for stored in stored(&state) {
            if !storages.contains_key(stored.key) {
                let values = entry(&mut zip, &format!("{folder}data/{}", stored.key), &mut left)?;
                storages.insert(stored.key.to_owned(), Cow::Owned(values));
            }
        }
        Ok(Self { state, storages })
    }

    /// Pickles of the magic number, the protocol, the machine, the state dict and its storages'
    /// keys; then the storages in that order, each after its count of elements.
    pub fn legacy(bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let mut rest = &bytes[LEGACY.len()..];
        let mut pickle = |part| -> Result<Pickle, CheckpointError> {
            let (pickle, length) =
                Pickle::read(rest).map_err(|source| CheckpointError::Pickle { part, source })?;
            rest = &rest[length..];
            Ok(pickle)
        };
        pickle("the pickle of the protocol")?;
        let machine = pickle("the pickle of the machine")?;
        let (state, keys) =
            (pickle("the pickle of the state dict")?, pickle("the pickle of the storages' keys")?);
        if let Object::Dict(facts) = machine.root()
            && let Some((_, little)) =
                facts.iter().find(|(key, _)| machine.text(*key) == Some("little_endian"))
            && *machine.get(*little) != Object::True
        {
            return Err(CheckpointError::BigEndian);
        }
        let sizes: HashMap<&str, (usize, usize)> =
            stored(&state).map(|stored| (stored.key, (stored.elements, stored.width))).collect();
        let mut storages = HashMap::new();
        let keys = match keys.root() {
            Object::List(items) => {
                items.iter().map(|&key| keys.text(key)).collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        for key in keys.ok_or(CheckpointError::Lacks { what: "the list of its storages' keys" })? {
            let failed = |problem: &str| CheckpointError::Storage {
                key: key.to_owned(),
                problem: problem.to_owned(),
            };
            // How long a storage is that no tensor names isn't known; tensors that need a later one
            // will say that it is missing.
            let Some(&(elements, width)) = sizes.get(key) else { break };
            let (count, values) =
                rest.split_first_chunk().ok_or_else(|| failed("the file ends before it"))?;
            if u64::from_le_bytes(*count) != elements as u64 {
                return Err(failed("its size is not the one that its tensors name"));
            }
            let length = elements.checked_mul(width).filter(|&length| length <= values.len());
            let (values, after) =
                values.split_at(length.ok_or_else(|| failed("the file ends within it"))?);
            rest = after;
            storages.insert(key.to_owned(), Cow::Borrowed(values));
        }
        Ok(Self { state, storages })
    }
}

/// The storages that a state dict's pickle names.
fn stored(state: &Pickle) -> impl Iterator<Item = Stored<'_>> {
    state.objects().iter().filter_map(|object| match object {
        Object::Persistent(identity) => Stored::of(state, *identity),
        _ => None,
    })
}

/// The bytes of an entry, which are taken off `left`: entries that overlap cannot hold more than
/// the file does.
fn entry(
    zip: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    left: &mut usize,
) -> Result<Vec<u8>, CheckpointError> {
    let file = zip.by_name(name)?;
    let failed = |source| CheckpointError::Entry { entry: name.to_owned(), source };
    if file.compression() != CompressionMethod::Stored {
        return Err(failed(std::io::Error::other("it is compressed, which torch.save never does")));
    }
    let mut bytes = Vec::new();
    file.take(*left as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    *left = left.checked_sub(bytes.len()).ok_or(CheckpointError::Inflated)?;
    Ok(bytes)
}
