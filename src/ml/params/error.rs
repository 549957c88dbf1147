//! Why tensors of a model can't be had.

use candle_core::{DType, Shape};
use safetensors::{Dtype, SafeTensorError};

/// Why tensors could not be read, fitted to a model or written.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum ParamsError {
    /// It is not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Unreadable(#[from] SafeTensorError),
    /// It is another file in the place of weights.
    #[error("not weights but {what}")]
    Foreign { what: &'static str },
    /// A tensor does not hold floating-point numbers.
    #[error("tensor {name} is stored as {dtype}, not as floating point")]
    NotFloat { name: String, dtype: Dtype },
    /// Two tensors have the same name.
    #[error("tensor {name} is stored twice, in two files or under a former name as well")]
    Twice { name: String },
    /// A tensor that the model asks for is missing.
    #[error(
        "tensor {name} of shape {expected:?} is missing: the stored weights are of another model or size"
    )]
    Missing { name: String, expected: Shape },
    /// A tensor has another shape than the model asks for.
    #[error("tensor {name} is stored with shape {stored:?} where the model has {expected:?}")]
    WrongShape { name: String, expected: Shape, stored: Shape },
    /// The model did not ask for these tensors.
    #[error("{} stored tensors are not part of the model, the first of them {}", names.len(), names[0])]
    Leftover { names: Vec<String> },
    /// A value is not finite in the type to be written.
    #[error("tensor {name} holds a value that is not finite as {dtype:?}")]
    NotFinite { name: String, dtype: DType },
    /// A type that cannot be written.
    #[error("weights are written as f16 or f32, not as {dtype:?}")]
    Unwritable { dtype: DType },
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<ParamsError> for candle_core::Error {
    fn from(error: ParamsError) -> Self {
        match error {
            ParamsError::Candle(error) => error,
            other => candle_core::Error::wrap(other),
        }
    }
}
