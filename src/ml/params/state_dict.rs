//! Named values, as in a file.

use std::collections::BTreeMap;

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use half::f16;
use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use super::error::ParamsError;
use super::foreign::foreign;

/// Named values on the CPU, in the dtype that they were stored in.
#[derive(Debug, Clone, Default)]
pub struct StateDict(pub(super) BTreeMap<String, Tensor>);

impl StateDict {
    /// Reads a safetensors file's bytes. `num_batches_tracked` and `position_ids`, integers that
    /// nothing reads, are skipped.
    ///
    /// # Errors
    /// If it is not a safetensors file, or holds numbers that are not floating-point.
    pub fn read(bytes: &[u8]) -> Result<Self, ParamsError> {
        if let Some(what) = foreign(bytes) {
            return Err(ParamsError::Foreign { what });
        }
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
            if name.ends_with("num_batches_tracked") || name.ends_with("position_ids") {
                continue;
            }
            if !matches!(view.dtype(), Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64) {
                return Err(ParamsError::NotFloat { name: name.to_owned(), dtype: view.dtype() });
            }
            tensors.insert(name.to_owned(), view.load(&Device::Cpu)?);
        }
        Ok(Self(tensors))
    }

    /// Bytes that its values take.
    pub fn bytes(&self) -> usize {
        self.0.values().map(|tensor| tensor.elem_count() * tensor.dtype().size_in_bytes()).sum()
    }

    /// The largest difference between two values of the same place; None where names or shapes
    /// differ.
    ///
    /// # Errors
    /// If candle fails.
    pub fn largest_difference(&self, other: &Self) -> candle_core::Result<Option<f64>> {
        if self.0.len() != other.0.len() {
            return Ok(None);
        }
        let mut largest = 0.0_f64;
        for (name, ours) in &self.0 {
            let Some(theirs) = other.get(name).filter(|theirs| theirs.shape() == ours.shape())
            else {
                return Ok(None);
            };
            let gap = (ours.to_dtype(DType::F64)? - theirs.to_dtype(DType::F64)?)?;
            largest = largest.max(gap.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?);
        }
        Ok(Some(largest))
    }

    /// The tensors whose names begin with `prefix`, which is taken off.
    pub fn under(&self, prefix: &str) -> Self {
        let inner = |(name, tensor): (&String, &Tensor)| {
            Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))
        };
        Self(self.0.iter().filter_map(inner).collect())
    }

    /// Takes the values of `more` in, none of which may be there already.
    ///
    /// # Errors
    /// If a name is there already.
    pub fn extend(&mut self, more: Self) -> Result<(), ParamsError> {
        for (name, tensor) in more.0 {
            if self.0.contains_key(&name) {
                return Err(ParamsError::Twice { name });
            }
            self.0.insert(name, tensor);
        }
        Ok(())
    }

    /// The same values under `current(name)`, for weights stored under names of the past.
    ///
    /// # Errors
    /// If two tensors come to have the same name.
    pub fn renamed(self, current: impl Fn(&str) -> String) -> Result<Self, ParamsError> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in self.0 {
            let name = current(&name);
            if tensors.insert(name.clone(), tensor).is_some() {
                return Err(ParamsError::Twice { name });
            }
        }
        Ok(Self(tensors))
    }

    /// The value stored under `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Takes the value stored under `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.0.remove(name)
    }

    /// Puts `tensor` under `name`, in place of what was there.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.0.insert(name.into(), tensor);
    }

    /// Names and values in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> + Clone {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// A safetensors file of these values as `dtype` (f16 or f32), without metadata: equal values
    /// give equal bytes.
    ///
    /// # Errors
    /// If `dtype` is neither f16 nor f32, or cannot hold a value.
    pub fn to_safetensors(&self, dtype: DType) -> Result<Vec<u8>, ParamsError> {
        let stored = match dtype {
            DType::F16 => Dtype::F16,
            DType::F32 => Dtype::F32,
            dtype => return Err(ParamsError::Unwritable { dtype }),
        };
        let encoded = self
            .0
            .iter()
            .map(|(name, tensor)| Ok((name, tensor.dims(), little_endian(name, tensor, dtype)?)));
        let encoded = encoded.collect::<Result<Vec<_>, ParamsError>>()?;
        let views = encoded
            .iter()
            .map(|(name, dims, bytes)| Ok((name, TensorView::new(stored, dims.to_vec(), bytes)?)));
        let views = views.collect::<Result<Vec<_>, SafeTensorError>>()?;
        Ok(safetensors::serialize(views, None)?)
    }

    /// [`StateDict::to_safetensors`] as f32.
    ///
    /// # Errors
    /// If a value is not finite as f32.
    pub fn to_single_precision(&self) -> Result<Vec<u8>, ParamsError> {
        self.to_safetensors(DType::F32)
    }
}

impl FromIterator<(String, Tensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

fn little_endian(name: &str, tensor: &Tensor, dtype: DType) -> Result<Vec<u8>, ParamsError> {
    let flat = tensor.to_dtype(dtype)?.flatten_all()?;
    let (bytes, finite): (Vec<u8>, bool) = if dtype == DType::F16 {
        let values = flat.to_vec1::<f16>()?;
        (
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            values.iter().all(|v| v.is_finite()),
        )
    } else {
        let values = flat.to_vec1::<f32>()?;
        (
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            values.iter().all(|v| v.is_finite()),
        )
    };
    if finite { Ok(bytes) } else { Err(ParamsError::NotFinite { name: name.to_owned(), dtype }) }
}
