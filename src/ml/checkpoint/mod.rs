//! Weights that others have trained, from safetensors and from what PyTorch's `torch.save` makes of
//! a state dict: the zip archives of 1.6 and later, and the files before them.
//!
//! A file is data from outside: nothing in it is executed, and whatever is wrong with it is an
//! error that says what.

mod archive;
mod error;
mod pickle;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use archive::{Archive, Storage};
pub use error::CheckpointError;
use pickle::{Object, Pickle, Place};
use stored::Stored;

use crate::ml::params::StateDict;

/// The state dict that a file's `bytes` hold, each tensor in its dtype. Counts of batches
/// (`num_batches_tracked`) are skipped, and what trainings wrap a state dict in is taken off: a dict
/// that has it under a usual name, and a word that all names begin with.
///
/// # Errors
/// If the file is no checkpoint, is damaged, or holds something other than a state dict.
pub fn read(bytes: &[u8]) -> Result<StateDict, CheckpointError> {
    let archive = if bytes.starts_with(archive::ZIP) {
        Archive::unzip(bytes)?
    } else if bytes.starts_with(archive::LEGACY) {
        Archive::legacy(bytes)?
    } else {
        let stored = StateDict::read(bytes)?;
        let stored = stored.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
        return Ok(without_wrapper(stored.collect()).into_iter().collect());
    };
    let (pickle, root) = (&archive.state, archive.state.root());
    let Object::Dict(entries) = unwrapped(pickle, root)? else {
        let found = match archive.state.root() {
            Object::Call { .. } => "a pickled module or other object",
            _ => "plain data",
        };
        return Err(CheckpointError::NotStateDict { found });
    };
    let mut tensors = BTreeMap::new();
    let mut left = 2 * bytes.len();
    for &(name, value) in entries {
        let Some(name) = archive.state.text(name) else {
            return Err(CheckpointError::NotStateDict { found: "a dict whose keys are not names" });
        };
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        let problem = |problem: String| CheckpointError::Tensor { name: name.to_owned(), problem };
        let view = View::of(&archive.state, value).map_err(problem)?;
        let storage = archive.storages.get(view.storage);
        let storage = storage
            .ok_or_else(|| problem(format!("its storage {} is not in the file", view.storage)))?;
        let values = view.values(storage).map_err(problem)?;
        left = left.checked_sub(values.len()).ok_or(CheckpointError::Inflated)?;
        let tensor = Tensor::from_raw_buffer(&values, view.dtype, &view.shape, &Device::Cpu)?;
        if tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(problem("it is stored twice".to_owned()));
        }
    }
    Ok(without_wrapper(tensors).into_iter().collect())
}

/// Names under which trainings save a state dict beside what else they save.
const WRAPPERS: [&str; 8] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "state_dict_ema",
    "model_ema",
];

/// The dict of tensors within the dicts of a training's checkpoint, or `object` itself.
fn unwrapped<'a>(pickle: &'a Pickle, object: &'a Object) -> Result<&'a Object, CheckpointError> {
    let mut object = object;
    // A checkpoint can hold a checkpoint; a pickle can hold itself.
    for _ in 0..4 {
        let Object::Dict(entries) = object else { break };
        let inner = entries.iter().filter_map(|&(name, value)| {
            let name = pickle.text(name).filter(|name| WRAPPERS.contains(name))?;
            matches!(pickle.get(value), Object::Dict(_)).then_some((name, value))
        });
        match inner.collect::<Vec<_>>()[..] {
            [] => break,
            [(_, value)] => object = pickle.get(value),
            ref several => {
                let found = several.iter().map(|(name, _)| format!("`{name}`"));
                let found = found.collect::<Vec<_>>().join(" and ");
                return Err(CheckpointError::Several { found });
            }
        }
    }
    Ok(object)
}

/// Words that wrappers of a model put before the names of all its tensors: of several devices,
/// compiled, or kept in a module of a training's own.
const PREFIXES: [&str; 4] = ["module.", "_orig_mod.", "model.", "net."];

fn without_wrapper(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let shared = |tensors: &BTreeMap<String, Tensor>| {
        let of_all = |prefix: &&&str| tensors.keys().all(|name| name.starts_with(**prefix));
        PREFIXES.iter().find(of_all).copied().filter(|_| !tensors.is_empty())
    };
    while let Some(prefix) = shared(&tensors) {
        let bare =
            tensors.into_iter().map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor));
        tensors = bare.collect();
    }
    tensors
}

/// The values of one tensor in a storage.
struct View<'a> {
    storage: &'a str,
    dtype: DType,
    /// In elements.
    offset: usize,
    shape: Vec<usize>,
    stride: Vec<usize>,
}

impl<'a> View<'a> {
    /// Reads a call of `torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, ..)`, in a
    /// parameter or not.
    fn of(pickle: &'a Pickle, place: Place) -> Result<Self, String> {
        let foreign = || "it is no tensor: a state dict holds tensors alone".to_owned();
        let (mut function, mut arguments) = pickle.call(place).ok_or_else(foreign)?;
        if function == "torch._utils._rebuild_parameter" {
            let inner = *arguments.first().ok_or_else(foreign)?;
            (function, arguments) = pickle.call(inner).ok_or_else(foreign)?;
        }
        let (&[storage, offset, shape, stride, ..], "torch._utils._rebuild_tensor_v2") =
            (arguments, function)
        else {
            return Err(format!(
                "it is made by {function}; dense tensors of floating point are read"
            ));
        };
        let garbled = || "its storage, offset, shape or stride is garbled".to_owned();
        let Object::Persistent(identity) = pickle.get(storage) else { return Err(garbled()) };
        let stored = Stored::of(pickle, *identity).ok_or_else(garbled)?;
        let dtype = stored
            .dtype
            .ok_or_else(|| format!("its values are a {}, not floating point", stored.class))?;
        let counts = |place: Place| {
            pickle.tuple(place)?.iter().map(|&item| pickle.count(item)).collect::<Option<Vec<_>>>()
        };
        let (offset, shape) =
            (pickle.count(offset).ok_or_else(garbled)?, counts(shape).ok_or_else(garbled)?);
        let stride =
            counts(stride).filter(|stride| stride.len() == shape.len()).ok_or_else(garbled)?;
        Ok(Self { storage: stored.key, dtype, offset, shape, stride })
    }

    /// The values in row-major order, as bytes.
    fn values(&self, storage: &Storage) -> Result<Vec<u8>, String> {
        let (width, held) = (self.dtype.size_in_bytes(), storage.len());
        let outside = || {
            format!(
                "shape {:?}, stride {:?} from {} leave its storage",
                self.shape, self.stride, self.offset
            )
        };
        let count = self
            .shape
            .iter()
            .try_fold(1_usize, |count, &size| count.checked_mul(size))
            .ok_or_else(outside)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let reach =
            self.shape.iter().zip(&self.stride).try_fold(self.offset, |at, (&size, &stride)| {
                at.checked_add((size - 1).checked_mul(stride)?)
            });
        if reach.is_none_or(|last| last >= held / width) || count > held / width {
            return Err(outside());
        }
        let mut contiguous = 1;
        let row_major = self.shape.iter().zip(&self.stride).rev().all(|(&size, &stride)| {
            let expected = contiguous;
            contiguous *= size;
            size == 1 || stride == expected
        });
        if row_major {
            return Ok(storage[self.offset * width..][..count * width].to_vec());
        }
        let mut values = Vec::with_capacity(count * width);
        for index in 0..count {
            let (mut rest, mut at) = (index, self.offset);
            for (&size, &stride) in self.shape.iter().zip(&self.stride).rev() {
                at += rest % size * stride;
                rest /= size;
            }
            values.extend_from_slice(&storage[at * width..][..width]);
        }
        Ok(values)
    }
}
