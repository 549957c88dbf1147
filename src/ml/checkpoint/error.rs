//! Why a weight file could not be read.

use super::pickle::PickleError;
use crate::ml::params::ParamsError;

/// Why a weight file could not be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum CheckpointError {
    /// The safetensors file cannot be read.
    #[error(transparent)]
    Safetensors(#[from] ParamsError),
    /// A pickle has instructions that no state dict needs, or is cut off.
    #[error("{part}: {source}")]
    Pickle { part: &'static str, source: PickleError },
    /// The archive cannot be read.
    #[error("not a PyTorch archive: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// An entry of the archive cannot be read.
    #[error("{entry} of the PyTorch archive: {source}")]
    Entry { entry: String, source: std::io::Error },
    /// The archive lacks a part.
    #[error("the PyTorch archive lacks {what}")]
    Lacks { what: &'static str },
    /// Storages are big-endian.
    #[error(
        "the file was written on a big-endian machine: write it again on another with torch.save"
    )]
    BigEndian,
    /// A storage does not fit what the pickle says of it.
    #[error("storage {key}: {problem}")]
    Storage { key: String, problem: String },
    /// The file holds something other than a state dict.
    #[error(
        "the file holds {found} and not a state dict: in PyTorch, torch.save(model.state_dict(), path) writes one"
    )]
    NotStateDict { found: &'static str },
    /// The file holds several state dicts, and which one is meant is not known.
    #[error(
        "the file holds several state dicts, {found}: save the one that is meant alone, with torch.save"
    )]
    Several { found: String },
    /// A tensor does not fit its storage.
    #[error("tensor {name}: {problem}")]
    Tensor { name: String, problem: String },
    /// Entries are larger than the file can hold.
    #[error("tensors that share their values hold more than twice the file's bytes")]
    Inflated,
    /// candle could not build a tensor.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
