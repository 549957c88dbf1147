//! Exponential moving average of weights, as diffusers' `EMAModel` keeps it.

use candle_core::{Device, Tensor, Var};

use super::{OptimError, in_place};
use crate::ml::params::StateDict;

/// Averages of variables over training steps. The decay warms up as `(1 + step) / (10 + step)`, up
/// to a given one.
pub struct Ema {
    averages: Vec<(String, Var, Tensor)>,
    decay: f64,
    step: u64,
}

impl Ema {
    /// Averages that start from the present values; `decay` in [0, 1).
    ///
    /// # Errors
    /// If two variables have the same name.
    pub fn new(mut variables: Vec<(String, Var)>, decay: f64) -> Result<Self, OptimError> {
        variables.sort_by(|(a, _), (b, _)| a.cmp(b));
        let averages = variables.into_iter().map(|(name, var)| {
            let average = var.as_detached_tensor().copy()?;
            Ok((name, var, average))
        });
        Ok(Self { averages: averages.collect::<Result<_, OptimError>>()?, decay, step: 0 })
    }

    /// Steps averaged over.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Moves the averages toward the variables' values; called after each step of the optimiser.
    ///
    /// # Errors
    /// If candle fails.
    pub fn update(&mut self) -> Result<(), OptimError> {
        self.step += 1;
        // As in diffusers, the first step copies.
        let warm = (self.step - 1) as f64;
        let decay = if self.step == 1 { 0.0 } else { self.decay.min((1.0 + warm) / (10.0 + warm)) };
        let toward = 1.0 - decay;
        for (_, var, average) in &mut self.averages {
            if in_place::fits(average) {
                let toward = toward as f32;
                in_place::update(average, var, |average, values| {
                    average
                        .iter_mut()
                        .zip(values)
                        .for_each(|(average, value)| *average += toward * (value - *average));
                })?;
            } else {
                *average = ((&*average * decay)? + (var.as_detached_tensor() * toward)?)?;
            }
        }
        Ok(())
    }

    /// Copies of the averages on the CPU, under the variables' names.
    ///
    /// # Errors
    /// If candle fails.
    pub fn averages(&self) -> Result<StateDict, OptimError> {
        let mut values = StateDict::default();
        for (name, _, average) in &self.averages {
            values.insert(name.clone(), average.copy()?.to_device(&Device::Cpu)?);
        }
        Ok(values)
    }

    /// Sets the variables to their averages.
    ///
    /// # Errors
    /// If candle fails.
    pub fn assign(&self) -> Result<(), OptimError> {
        for (_, var, average) in &self.averages {
            var.set(average)?;
        }
        Ok(())
    }

    /// Takes over averages of the same variables after `step` steps.
    ///
    /// # Errors
    /// If `averages` are of other variables.
    pub fn restore(&mut self, step: u64, averages: &StateDict) -> Result<(), OptimError> {
        let read = |(name, var, _): &(String, Var, Tensor)| {
            let saved = averages.get(name).filter(|saved| saved.shape() == var.shape());
            let saved = saved.ok_or_else(|| OptimError::State { name: name.clone() })?;
            Ok(saved.to_dtype(var.dtype())?.to_device(var.device())?.copy()?)
        };
        let saved = self.averages.iter().map(read).collect::<Result<Vec<_>, OptimError>>()?;
        self.averages.iter_mut().zip(saved).for_each(|((_, _, average), saved)| *average = saved);
        self.step = step;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    #[test]
    fn averages_follow_with_a_warmed_up_decay() {
        for dtype in [DType::F32, DType::F64] {
            let value = |v: f64| Tensor::new(&[v], &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
            let var = Var::from_tensor(&value(0.0)).unwrap();
            let mut ema = Ema::new(vec![("p".to_owned(), var.clone())], 0.2).unwrap();
            let mut expected = 0.0;
            for (v, decay) in [(3.0, 0.0), (5.0, 2.0 / 11.0), (7.0, 0.2), (9.0, 0.2)] {
                var.set(&value(v)).unwrap();
                ema.update().unwrap();
                expected = decay * expected + (1.0 - decay) * v;
            }
            let saved = ema.averages().unwrap();
            let mut resumed = Ema::new(vec![("p".to_owned(), var.clone())], 0.2).unwrap();
            resumed.restore(ema.steps(), &saved).unwrap();
            resumed.assign().unwrap();
            let average = var.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap()[0];
            assert!((average - expected).abs() < 1e-6, "{dtype:?}: {average} {expected}");
        }
    }
}
