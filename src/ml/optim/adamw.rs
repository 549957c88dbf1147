//! AdamW over named variables, with clipping by the global norm; moments can be saved and restored.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, Storage, Tensor, Var};
use rayon::prelude::*;

use super::{OptimError, in_place};
use crate::ml::params::StateDict;

/// Hyperparameters of [`AdamW`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// Decay rate of the first moment, 0 to 1.
    pub beta1: f64,
    /// Decay rate of the second moment, 0 to 1.
    pub beta2: f64,
    /// Term in the denominator, more than 0.
    pub eps: f64,
    /// Decoupled weight decay, 0 or more.
    pub weight_decay: f64,
}

impl AdamWConfig {
    /// As diffusers' training scripts and the study's generators have it.
    pub const DIFFUSERS: Self = Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 };
    /// As fastai's `Adam` and the study's classifiers have it.
    pub const FASTAI: Self = Self { beta1: 0.9, beta2: 0.99, eps: 1e-5, weight_decay: 0.01 };
}

struct Slot {
    name: String,
    var: Var,
    decays: bool,
    moments: Moments,
}

/// Running means of the gradient and of its square.
enum Moments {
    /// For f32 on a CPU, in the order of the variable's values.
    Host {
        mean: Vec<f32>,
        square: Vec<f32>,
    },
    Device {
        mean: Tensor,
        square: Tensor,
    },
}

impl Moments {
    fn zeros(var: &Var) -> candle_core::Result<Self> {
        let zeros = var.as_tensor().zeros_like()?;
        Self::from_tensors(var, &zeros, &zeros)
    }

    fn from_tensors(var: &Var, mean: &Tensor, square: &Tensor) -> candle_core::Result<Self> {
        let adapt = |moment: &Tensor| moment.to_dtype(var.dtype())?.to_device(var.device());
        let (mean, square) = (adapt(mean)?, adapt(square)?);
        if in_place::fits(var) {
            let values = |moment: Tensor| moment.flatten_all()?.to_vec1();
            return Ok(Self::Host { mean: values(mean)?, square: values(square)? });
        }
        Ok(Self::Device { mean, square })
    }

    fn to_tensors(&self, var: &Var) -> candle_core::Result<[Tensor; 2]> {
        match self {
            Self::Host { mean, square } => {
                let tensor = |values: &[f32]| Tensor::from_slice(values, var.shape(), &Device::Cpu);
                Ok([tensor(mean)?, tensor(square)?])
            }
            Self::Device { mean, square } => {
                Ok([mean.to_device(&Device::Cpu)?, square.to_device(&Device::Cpu)?])
            }
        }
    }
}

/// AdamW (Loshchilov & Hutter 2019) with PyTorch's equations.
pub struct AdamW {
    slots: Vec<Slot>,
    config: AdamWConfig,
    step: u64,
}

/// The state that a resumed [`AdamW`] needs besides its variables.
#[derive(Debug, Clone)]
pub struct AdamWState {
    /// Steps made.
    pub step: u64,
    /// `NAME.exp_avg` and `NAME.exp_avg_sq` of each variable.
    pub moments: StateDict,
}

impl AdamW {
    /// An optimiser of `variables`, all of them with weight decay.
    ///
    /// # Errors
    /// If two variables have the same name.
    pub fn new(variables: Vec<(String, Var)>, config: AdamWConfig) -> Result<Self, OptimError> {
        Self::with_decay(variables, config, |_, _| true)
    }

    /// An optimiser with weight decay only of the variables for which `decays`; fastai's leaves out
    /// biases and norms, which are those of one dimension.
    ///
    /// # Errors
    /// If two variables have the same name.
    pub fn with_decay(
        mut variables: Vec<(String, Var)>,
        config: AdamWConfig,
        decays: impl Fn(&str, &Var) -> bool,
    ) -> Result<Self, OptimError> {
        variables.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(pair) = variables.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(OptimError::Twice { name: pair[0].0.clone() });
        }
        let slot = |(name, var): (String, Var)| -> Result<Slot, OptimError> {
            Ok(Slot { decays: decays(&name, &var), moments: Moments::zeros(&var)?, name, var })
        };
        Ok(Self {
            slots: variables.into_iter().map(slot).collect::<Result<_, _>>()?,
            config,
            step: 0,
        })
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Variables that one thread handles: one on a processor, where large ones are split up
    /// further, all of them on another device.
    fn share(&self) -> usize {
        let on_host = self.slots.iter().all(|slot| matches!(slot.moments, Moments::Host { .. }));
        if on_host { 1 } else { self.slots.len().max(1) }
    }

    /// One update of all variables at learning rate `lr`, gradients scaled so that their global
    /// norm is at most `max_norm` (as PyTorch's `clip_grad_norm_`). Returns the norm before
    /// clipping. Every variable must have a finite gradient.
    ///
    /// # Errors
    /// If a variable has no gradient, or one that is not finite.
    pub fn step(
        &mut self,
        grads: &GradStore,
        lr: f64,
        max_norm: Option<f64>,
    ) -> Result<f64, OptimError> {
        let get = |Slot { name, var, .. }: &Slot| -> Result<Tensor, OptimError> {
            Ok(grads
                .get(var)
                .ok_or_else(|| OptimError::NoGradient { name: name.clone() })?
                .contiguous()?)
        };
        let gradients = self.slots.iter().map(get).collect::<Result<Vec<_>, _>>()?;
        let share = self.share();
        let squares: Vec<_> =
            gradients.par_iter().with_min_len(share).map(sum_of_squares).collect();
        let mut sum = 0.0;
        for (Slot { name, .. }, squares) in self.slots.iter().zip(squares) {
            let squares = squares?;
            if !squares.is_finite() {
                return Err(OptimError::NotFinite { name: name.clone(), step: self.step + 1 });
            }
            sum += squares;
        }
        let norm = sum.sqrt();
        let scale = max_norm.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0));
        self.step += 1;
        let (config, step) = (self.config, self.step);
        self.slots.par_iter_mut().zip(&gradients).with_min_len(share).try_for_each(
            |(slot, gradient)| -> candle_core::Result<()> {
                let update = Update::new(&config, lr, scale, slot.decays, step);
                match &mut slot.moments {
                    Moments::Host { mean, square } => {
                        let apply = |values: &mut [f32], gradient: &[f32]| {
                            update.apply_fused(values, gradient, mean, square)
                        };
                        in_place::update(&slot.var, gradient, apply)
                    }
                    Moments::Device { mean, square } => {
                        update.apply_composed(&slot.var, gradient, mean, square)
                    }
                }
            },
        )?;
        Ok(norm)
    }

    /// Copies on the CPU of the step count and moments.
    ///
    /// # Errors
    /// If candle fails.
    pub fn state(&self) -> Result<AdamWState, OptimError> {
        let mut moments = StateDict::default();
        for slot in &self.slots {
            for (kind, moment) in
                ["exp_avg", "exp_avg_sq"].into_iter().zip(slot.moments.to_tensors(&slot.var)?)
            {
                moments.insert(format!("{}.{kind}", slot.name), moment);
            }
        }
        Ok(AdamWState { step: self.step, moments })
    }

    /// Takes over a state that an optimiser of the same variables gave. After an error nothing is
    /// to be done with it.
    ///
    /// # Errors
    /// If `state` is of other variables.
    pub fn restore(&mut self, state: &AdamWState) -> Result<(), OptimError> {
        let read = |slot: &Slot, kind: &str| {
            let name = format!("{}.{kind}", slot.name);
            let moment =
                state.moments.get(&name).filter(|moment| moment.shape() == slot.var.shape());
            moment.ok_or(OptimError::State { name })
        };
        // One after the other: all moments at once would be there twice.
        for slot in &mut self.slots {
            let (mean, square) = (read(slot, "exp_avg")?, read(slot, "exp_avg_sq")?);
            slot.moments = Moments::from_tensors(&slot.var, mean, square)?;
        }
        self.step = state.step;
        Ok(())
    }
}

/// The sum of squares of a contiguous tensor: in f64 and eight interleaved sums on a CPU.
fn sum_of_squares(gradient: &Tensor) -> Result<f64, candle_core::Error> {
    let (storage, layout) = gradient.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((from, to))) => {
            let (eights, rest) = values[from..to].as_chunks::<8>();
            let mut sums = [0f64; 8];
            for eight in eights {
                sums.iter_mut()
                    .zip(eight)
                    .for_each(|(sum, v)| *sum += f64::from(*v) * f64::from(*v));
            }
            Ok(sums.into_iter().chain(rest.iter().map(|v| f64::from(*v) * f64::from(*v))).sum())
        }
        (Storage::Cpu(_), _) => {
            drop(storage);
            gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar()
        }
        _ => {
            drop(storage);
            // A GPU sums each row of a matrix by threads of its own, a whole matrix by those of
            // one.
            let squares = gradient.sqr()?;
            let rows = if squares.rank() > 1 { squares.flatten_from(1)?.sum(1)? } else { squares };
            rows.to_dtype(DType::F64)?.sum_all()?.to_scalar()
        }
    }
}

/// The factors of one variable's update.
#[derive(Debug, Clone, Copy)]
struct Update {
    keep: f64,
    scale: f64,
    beta1: f64,
    beta2: f64,
    step_size: f64,
    correction: f64,
    eps: f64,
}

impl Update {
    fn new(config: &AdamWConfig, lr: f64, scale: f64, decays: bool, step: u64) -> Self {
        let debias = |beta: f64| 1.0 - beta.powi(step.min(i32::MAX as u64) as i32);
        Self {
            keep: if decays { 1.0 - lr * config.weight_decay } else { 1.0 },
            scale,
            beta1: config.beta1,
            beta2: config.beta2,
            step_size: lr / debias(config.beta1),
            correction: debias(config.beta2).sqrt(),
            eps: config.eps,
        }
    }

    /// `m += (1 - b1) (g - m)`, `v = b2 v + (1 - b2) g^2`, `p = keep p - step_size m / (sqrt(v) /
    /// correction + eps)`.
    fn apply_fused(
        &self,
        values: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
        square: &mut [f32],
    ) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let chunks = chunks.zip(mean.par_chunks_mut(CHUNK)).zip(square.par_chunks_mut(CHUNK));
        let [keep, scale, step_size, eps] =
            [self.keep, self.scale, self.step_size, self.eps].map(|v| v as f32);
        let [toward, beta2, rest, inverse] =
            [1.0 - self.beta1, self.beta2, 1.0 - self.beta2, 1.0 / self.correction]
                .map(|v| v as f32);
        chunks.with_min_len(2).for_each(|(((values, gradient), mean), square)| {
            for (((p, g), m), v) in values.iter_mut().zip(gradient).zip(mean).zip(square) {
                let g = scale * g;
                *m += toward * (g - *m);
                *v = beta2 * *v + rest * g * g;
                *p = keep * *p - step_size * *m / (v.sqrt() * inverse + eps);
            }
        });
    }

    /// The same from tensor operations.
    fn apply_composed(
        &self,
        var: &Var,
        gradient: &Tensor,
        mean: &mut Tensor,
        square: &mut Tensor,
    ) -> candle_core::Result<()> {
        let g = (gradient.detach() * self.scale)?;
        *mean = ((&*mean * self.beta1)? + (&g * (1.0 - self.beta1))?)?;
        *square = ((&*square * self.beta2)? + (g.sqr()? * (1.0 - self.beta2))?)?;
        let step =
            ((&*mean * self.step_size)? / ((square.sqrt()? / self.correction)? + self.eps)?)?;
        var.set(&((var.as_detached_tensor() * self.keep)? - step)?)
    }
}

/// Values that one thread works on at a time.
const CHUNK: usize = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn var(values: &[f64], dtype: DType) -> Var {
        Var::from_tensor(&Tensor::new(values, &Device::Cpu).unwrap().to_dtype(dtype).unwrap())
            .unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    }

    /// Gradients of `sum(var * factors)`.
    fn gradients(vars: &[&Var], factors: &[&[f64]]) -> GradStore {
        let term = |(var, factors): (&&Var, &&[f64])| {
            let factors =
                Tensor::new(*factors, &Device::Cpu).unwrap().to_dtype(var.dtype()).unwrap();
            (var.as_tensor() * factors).unwrap().sum_all().unwrap()
        };
        let sum = vars.iter().zip(factors).map(term).reduce(|a, b| (a + b).unwrap());
        sum.unwrap().backward().unwrap()
    }

    /// Two steps by hand. With beta1 = 0.5, beta2 = 0.75, eps = 0, lr = 0.1, weight decay 0.1,
    /// gradients 2 then -1: p1 = 1 * 0.99 - 0.1 * 2 / 2 = 0.89; then m = 0, so p2 = 0.89 * 0.99 =
    /// 0.8811. A gradient of 3 then 1: m = 2/3 (bias corrected: 1.5 and 1.25 over 0.75), v = (0.75
    /// * 2.25 + 0.25) / 0.4375.
    #[test]
    fn adamw_as_pytorch_computes_it() {
        let config = AdamWConfig { beta1: 0.5, beta2: 0.75, eps: 0.0, weight_decay: 0.1 };
        for dtype in [DType::F32, DType::F64] {
            let var = var(&[1.0, -2.0], dtype);
            let mut optimiser = AdamW::new(vec![("p".to_owned(), var.clone())], config).unwrap();
            let norm = optimiser.step(&gradients(&[&var], &[&[2.0, 3.0]]), 0.1, None).unwrap();
            assert!((norm - 13f64.sqrt()).abs() < 1e-6);
            optimiser.step(&gradients(&[&var], &[&[-1.0, 1.0]]), 0.1, None).unwrap();
            let (mean, square) = (1.25 / 0.75, (0.75 * 2.25 + 0.25) / 0.4375f64);
            let expected = [0.8811, (-2.0 * 0.99 - 0.1) * 0.99 - 0.1 * mean / square.sqrt()];
            for (value, expected) in values(&var).into_iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{dtype:?}: {value} {expected}");
            }
        }
    }

    #[test]
    fn clipping_is_global_and_decay_is_chosen() {
        let sgd_like = AdamWConfig { beta1: 0.0, beta2: 0.0, eps: 1e6, weight_decay: 0.5 };
        let (a, b) = (var(&[1.0], DType::F32), var(&[1.0], DType::F32));
        let named = vec![("b".to_owned(), b.clone()), ("a".to_owned(), a.clone())];
        let mut optimiser = AdamW::with_decay(named, sgd_like, |name, _| name == "a").unwrap();
        let norm =
            optimiser.step(&gradients(&[&a, &b], &[&[3.0], &[4.0]]), 1e5, Some(1.0)).unwrap();
        assert!((norm - 5.0).abs() < 1e-6);
        // With a huge eps a step is lr / eps times the clipped gradient: 0.1 x (0.6, 0.8).
        assert!((values(&b)[0] - (1.0 - 0.08)).abs() < 1e-5, "{}", values(&b)[0]);
        assert!((values(&a)[0] - (1.0 - 1e5 * 0.5 - 0.06)).abs() < 1e-2);
    }

    #[test]
    fn a_bad_gradient_changes_nothing() {
        let (a, b) = (var(&[1.0], DType::F32), var(&[1.0], DType::F32));
        let named = vec![("a".to_owned(), a.clone()), ("b".to_owned(), b.clone())];
        let mut optimiser = AdamW::new(named, AdamWConfig::DIFFUSERS).unwrap();
        let missing = optimiser.step(&gradients(&[&a], &[&[3.0]]), 0.1, None).unwrap_err();
        let infinite = optimiser
            .step(&gradients(&[&a, &b], &[&[3.0], &[f64::INFINITY]]), 0.1, None)
            .unwrap_err();
        assert!(missing.to_string().starts_with("variable b got no gradient"), "{missing}");
        assert_eq!(infinite.to_string(), "the gradient of b is not finite at step 1");
        assert_eq!((values(&a), values(&b), optimiser.steps()), (vec![1.0], vec![1.0], 0));
    }

    #[test]
    fn resumed_as_if_never_stopped() {
        let start: Vec<f64> =
            Seed::of_study(1).normals(3 * CHUNK + 5).into_iter().map(f64::from).collect();
        let factors: Vec<f64> =
            Seed::of_study(2).normals(start.len()).into_iter().map(f64::from).collect();
        let step = |optimiser: &mut AdamW, var: &Var, sign: f64| {
            let factors: Vec<f64> = factors.iter().map(|f| sign * f).collect();
            optimiser.step(&gradients(&[var], &[&factors]), 0.01, Some(1.0)).unwrap();
        };
        let through = var(&start, DType::F32);
        let mut optimiser =
            AdamW::new(vec![("p".to_owned(), through.clone())], AdamWConfig::DIFFUSERS).unwrap();
        step(&mut optimiser, &through, 1.0);
        let (halfway, state) = (var(&values(&through), DType::F32), optimiser.state().unwrap());
        step(&mut optimiser, &through, -0.5);

        let mut resumed =
            AdamW::new(vec![("p".to_owned(), halfway.clone())], AdamWConfig::DIFFUSERS).unwrap();
        resumed.restore(&state).unwrap();
        step(&mut resumed, &halfway, -0.5);
        assert_eq!((values(&halfway), resumed.steps()), (values(&through), 2));
        let mut other =
            AdamW::new(vec![("q".to_owned(), halfway)], AdamWConfig::DIFFUSERS).unwrap();
        assert!(other.restore(&state).unwrap_err().to_string().contains("q.exp_avg"));
    }
}
