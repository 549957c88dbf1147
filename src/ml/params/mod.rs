//! The tensors of a model by name: drawn from a seed or read from safetensors, trainable or frozen,
//! written back bit for bit.
//!
//! A [`StateDict`] is a set of named values, as in a file. A [`Params`] hands tensors to the layers
//! of one model through a [`VarBuilder`] and keeps those that it handed out. The names that PyTorch
//! gives to the running statistics of batch normalisation mark buffers: stored with the rest, never
//! trained.

mod error;
mod foreign;
mod state_dict;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::init::{Init, NormalOrUniform};
use candle_nn::var_builder::{SimpleBackend, VarBuilder};
use rand::RngCore;

use crate::seed::Seed;
pub use error::ParamsError;
pub use foreign::{foreign, low_rank};
pub use state_dict::StateDict;

/// Which tensors of a stored model are variables, by name.
type Trains = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Where the tensors of a [`Params`] come from.
enum Origin {
    Drawn(Seed),
    Stored { trains: Trains },
}

#[derive(Default)]
struct Entries {
    /// Handed out to the model.
    used: BTreeMap<String, Tensor>,
    /// Stored, and not asked for yet.
    pending: BTreeMap<String, Tensor>,
}

/// The tensors of one model. Clones share them.
#[derive(Clone)]
pub struct Params {
    origin: Arc<Origin>,
    entries: Arc<Mutex<Entries>>,
    dtype: DType,
    device: Device,
}

impl Params {
    /// Variables drawn as their layers ask for it, each from the stream `seed.child(name)`: neither
    /// the order of creation nor other tensors, device or dtype change its values (but for
    /// rounding).
    pub fn drawn(seed: Seed, dtype: DType, device: &Device) -> Self {
        Self::new(Origin::Drawn(seed), Entries::default(), dtype, device)
    }

    /// Variables that start from stored values, converted to `dtype`.
    pub fn trainable_from(stored: StateDict, dtype: DType, device: &Device) -> Self {
        Self::partly_trainable_from(stored, |_| true, dtype, device)
    }

    /// Variables where `trains` holds for the name, and constants elsewhere, that start from stored
    /// values, converted to `dtype`. The running statistics of batch normalisation need to be
    /// variables if they are to move.
    pub fn partly_trainable_from(
        stored: StateDict,
        trains: impl Fn(&str) -> bool + Send + Sync + 'static,
        dtype: DType,
        device: &Device,
    ) -> Self {
        let entries = Entries { used: BTreeMap::new(), pending: stored.0 };
        Self::new(Origin::Stored { trains: Box::new(trains) }, entries, dtype, device)
    }

    /// Constants with stored values, converted to `dtype`: no gradient is computed for them and no
    /// graph is kept.
    pub fn frozen_from(stored: StateDict, dtype: DType, device: &Device) -> Self {
        Self::partly_trainable_from(stored, |_| false, dtype, device)
    }

    /// The tensors that the model has, as constants that share their values: what an optimiser sets
    /// is seen here too.
    pub fn shared_constants(&self) -> Self {
        let constants =
            self.lock().used.iter().map(|(name, tensor)| (name.clone(), tensor.detach())).collect();
        Self::frozen_from(StateDict(constants), self.dtype, &self.device)
    }

    fn new(origin: Origin, entries: Entries, dtype: DType, device: &Device) -> Self {
        Self {
            origin: Arc::new(origin),
            entries: Arc::new(Mutex::new(entries)),
            dtype,
            device: device.clone(),
        }
    }

    /// Constructs the model that `construct` describes. Stored tensors that it doesn't ask for are
    /// an error.
    ///
    /// # Errors
    /// If `construct` fails, or a tensor is missing, of another shape or too many.
    pub fn build<M>(
        &self,
        construct: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<M>,
    ) -> Result<M, ParamsError> {
        let model = construct(self.builder())?;
        let names: Vec<String> = self.lock().pending.keys().cloned().collect();
        if names.is_empty() { Ok(model) } else { Err(ParamsError::Leftover { names }) }
    }

    /// The builder that layers take their tensors from; [`Params::build`] checks besides that all
    /// stored tensors are used.
    pub fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), self.dtype, self.device.clone())
    }

    /// [`Params::builder`] whose tensors are computed from these as `dtype` when they are asked
    /// for: gradients lead back to these, so that weights in half precision are trained through
    /// masters in single precision (Micikevicius et al. 2018, arXiv 1710.03740).
    pub fn builder_as(&self, dtype: DType) -> VarBuilder<'static> {
        VarBuilder::from_backend(
            Box::new(Cast { params: self.clone(), dtype }),
            dtype,
            self.device.clone(),
        )
    }

    /// The variables in name order, without buffers; empty where frozen.
    pub fn trainable(&self) -> Vec<(String, Var)> {
        let entries = self.lock();
        let trained =
            entries.used.iter().filter(|(name, tensor)| tensor.is_variable() && !is_buffer(name));
        trained
            .map(|(name, tensor)| {
                (name.clone(), Var::from_tensor(tensor).expect("a variable stays itself"))
            })
            .collect()
    }

    /// The values that a training step changes: variables and moving buffers.
    ///
    /// # Errors
    /// If candle fails.
    pub fn variables(&self) -> Result<StateDict, ParamsError> {
        let entries = self.lock();
        let copies = entries.used.iter().filter(|(_, tensor)| tensor.is_variable());
        let copies = copies.map(|(name, tensor)| {
            Ok((name.clone(), tensor.detach().copy()?.to_device(&Device::Cpu)?))
        });
        Ok(StateDict(copies.collect::<candle_core::Result<_>>()?))
    }

    /// Gives the variables of `values` these values.
    ///
    /// # Errors
    /// If a name in `values` is not a variable of the model, or a value has another shape.
    pub fn set(&self, values: &StateDict) -> Result<(), ParamsError> {
        let entries = self.lock();
        for (name, value) in values.iter() {
            let unknown = || ParamsError::Leftover { names: vec![name.to_owned()] };
            let tensor =
                entries.used.get(name).filter(|tensor| tensor.is_variable()).ok_or_else(unknown)?;
            check_shape(name, tensor.shape(), value)?;
            Var::from_tensor(tensor)?
                .set(&value.to_dtype(tensor.dtype())?.to_device(tensor.device())?)?;
        }
        Ok(())
    }

    /// Values in the model, buffers left out.
    pub fn params_count(&self) -> usize {
        self.lock()
            .used
            .iter()
            .filter(|(name, _)| !is_buffer(name))
            .map(|(_, tensor)| tensor.elem_count())
            .sum()
    }

    /// Where the tensors are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A copy on the CPU of the present values, buffers included.
    ///
    /// # Errors
    /// If candle fails.
    pub fn state_dict(&self) -> Result<StateDict, ParamsError> {
        let entries = self.lock();
        let copies = entries.used.iter().map(|(name, tensor)| {
            Ok((name.clone(), tensor.detach().copy()?.to_device(&Device::Cpu)?))
        });
        Ok(StateDict(copies.collect::<candle_core::Result<_>>()?))
    }

    /// A safetensors file of the present values as `dtype` (f16 or f32), buffers included: equal
    /// values give equal bytes.
    ///
    /// # Errors
    /// If `dtype` is neither f16 nor f32, or cannot hold a value.
    pub fn to_safetensors(&self, dtype: DType) -> Result<Vec<u8>, ParamsError> {
        self.state_dict()?.to_safetensors(dtype)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(
        &self,
        entries: &mut Entries,
        shape: &Shape,
        name: &str,
        init: Init,
    ) -> Result<Tensor, ParamsError> {
        let (value, variable) = match *self.origin {
            Origin::Drawn(seed) => (draw(init, shape, seed.child(name))?, true),
            Origin::Stored { ref trains } => {
                let missing =
                    || ParamsError::Missing { name: name.to_owned(), expected: shape.clone() };
                (entries.pending.remove(name).ok_or_else(missing)?, trains(name))
            }
        };
        check_shape(name, shape, &value)?;
        let value = value.to_dtype(self.dtype)?.to_device(&self.device)?;
        Ok(if variable { Var::from_tensor(&value)?.into_inner() } else { value })
    }
}

impl SimpleBackend for Params {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        _: DType,
        _: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut entries = self.lock();
        if let Some(tensor) = entries.used.get(name) {
            check_shape(name, &shape, tensor)?;
            return Ok(tensor.clone());
        }
        let tensor = self.create(&mut entries, &shape, name, init)?;
        entries.used.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("tensor {name} was asked for without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        let entries = self.lock();
        entries.used.contains_key(name) || entries.pending.contains_key(name)
    }
}

/// The tensors of a [`Params`] in another precision.
struct Cast {
    params: Params,
    dtype: DType,
}

impl SimpleBackend for Cast {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        SimpleBackend::get(&self.params, shape, name, init, dtype, device)?.to_dtype(self.dtype)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.params.get_unchecked(name, dtype, device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        SimpleBackend::contains_tensor(&self.params, name)
    }
}

fn check_shape(name: &str, expected: &Shape, stored: &Tensor) -> Result<(), ParamsError> {
    if stored.shape() == expected {
        return Ok(());
    }
    Err(ParamsError::WrongShape {
        name: name.to_owned(),
        expected: expected.clone(),
        stored: stored.shape().clone(),
    })
}

/// Whether `name` is one of batch normalisation's running statistics.
fn is_buffer(name: &str) -> bool {
    name.ends_with("running_mean") || name.ends_with("running_var")
}

/// f32 values on the CPU as `init` says, from `stream`.
fn draw(init: Init, shape: &Shape, stream: Seed) -> Result<Tensor, ParamsError> {
    let count = shape.elem_count();
    let values = match init {
        Init::Const(value) => vec![value as f32; count],
        Init::Uniform { lo, up } => uniforms(stream, lo, up, count),
        Init::Randn { mean, stdev } => normals(stream, mean, stdev, count),
        Init::Kaiming { dist, fan, non_linearity } => {
            let stdev = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Uniform => {
                    uniforms(stream, -3f64.sqrt() * stdev, 3f64.sqrt() * stdev, count)
                }
                NormalOrUniform::Normal => normals(stream, 0.0, stdev, count),
            }
        }
    };
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

fn uniforms(stream: Seed, lo: f64, up: f64, count: usize) -> Vec<f32> {
    let mut rng = stream.rng();
    // 24 bits are what an f32 in [0, 1) holds.
    (0..count)
        .map(|_| (lo + (up - lo) * f64::from(rng.next_u32() >> 8) / f64::from(1 << 24)) as f32)
        .collect()
}

fn normals(stream: Seed, mean: f64, stdev: f64, count: usize) -> Vec<f32> {
    stream.normals(count).into_iter().map(|z| (mean + stdev * f64::from(z)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Init = Init::Randn { mean: 0.0, stdev: 1.0 };

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn drawn() -> Params {
        Params::drawn(Seed::of_study(3), DType::F32, &Device::Cpu)
    }

    fn two_tensors(vb: VarBuilder) -> candle_core::Result<(Tensor, Tensor)> {
        Ok((
            vb.get_with_hints((2, 3), "weight", UNIT)?,
            vb.get_with_hints(3, "running_mean", Init::Const(0.5))?,
        ))
    }

    #[test]
    fn values_depend_on_the_name_alone() {
        let init = Init::Uniform { lo: -0.5, up: 0.5 };
        let (one, other) = (drawn().builder(), drawn().builder());
        let first = one.get_with_hints(64, "a", init).unwrap();
        other.get_with_hints(5, "b", init).unwrap();
        let second = other.get_with_hints(64, "a", init).unwrap();
        assert_eq!(values(&first), values(&second));
        assert_ne!(values(&first)[..5], values(&other.get_with_hints(5, "b", init).unwrap())[..]);
        let spread = values(&first);
        assert!(
            spread.iter().all(|v| (-0.5..0.5).contains(v))
                && spread.iter().any(|v| *v < -0.3)
                && spread.iter().any(|v| *v > 0.3)
        );
    }

    #[test]
    fn kept_in_a_file_and_read_back() {
        let params = drawn();
        let (weight, _) = params.build(two_tensors).unwrap();
        assert_eq!(params.params_count(), 6, "running statistics are no parameters");
        assert_eq!(
            params.trainable().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["weight"]
        );
        let bytes = params.to_safetensors(DType::F32).unwrap();
        let stored = StateDict::read(&bytes).unwrap();
        assert_eq!(bytes, stored.to_safetensors(DType::F32).unwrap());

        let frozen = Params::frozen_from(stored.clone(), DType::F64, &Device::Cpu);
        let (again, _) = frozen.build(two_tensors).unwrap();
        assert_eq!((again.dtype(), values(&again)), (DType::F64, values(&weight)));
        assert!(frozen.trainable().is_empty() && !again.track_op());

        let trained = Params::trainable_from(stored, DType::F32, &Device::Cpu);
        let (tensor, _) = trained.build(two_tensors).unwrap();
        trained.trainable()[0]
            .1
            .set(&Tensor::ones((2, 3), DType::F32, &Device::Cpu).unwrap())
            .unwrap();
        assert_eq!(values(&tensor), [1.0; 6], "the model sees what the optimiser sets");
        let halves = StateDict::read(&trained.to_safetensors(DType::F16).unwrap()).unwrap();
        assert_eq!(
            (halves.get("weight").unwrap().dtype(), values(halves.get("weight").unwrap())),
            (DType::F16, vec![1.0; 6])
        );
    }

    #[test]
    fn misfits_are_named() {
        let params = drawn();
        params.build(two_tensors).unwrap();
        let stored = params.state_dict().unwrap();
        let error = |vary: &dyn Fn(&mut StateDict)| {
            let mut varied = stored.clone();
            vary(&mut varied);
            Params::frozen_from(varied, DType::F32, &Device::Cpu)
                .build(two_tensors)
                .unwrap_err()
                .to_string()
        };
        let scalar = Tensor::new(1e6f32, &Device::Cpu).unwrap();
        assert!(
            error(&|s| drop(s.0.remove("weight")))
                .contains("tensor weight of shape [2, 3] is missing")
        );
        assert!(
            error(&|s| s.insert("weight", scalar.clone()))
                .contains("tensor weight is stored with shape []")
        );
        assert!(error(&|s| s.insert("bias", scalar.clone())).contains("the first of them bias"));
        let mut large = StateDict::default();
        large.insert("large", scalar);
        assert!(large.to_safetensors(DType::F16).unwrap_err().to_string().contains("large"));
        assert!(StateDict::read(b"no file").is_err());
    }
}
