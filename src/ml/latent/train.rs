//! The loop that trains every model of latent diffusion.

use candle_core::{Device, Error, Result, Tensor};

use crate::ml::optim::{self, AdamW, AdamWConfig, Ema};
use crate::ml::params::Params;
use crate::ml::training::{Batches, PARTS, Watch, finite, in_parts};
use crate::seed::Seed;

/// How long and how hard a model is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub steps: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    pub schedule: optim::Schedule,
    /// Decay of the moving average that replaces the weights at the end, if any.
    pub ema: Option<f64>,
}

/// One part of a step's batch.
pub struct Part<'a> {
    /// Positions of its images.
    pub indices: &'a [usize],
    /// All that it draws comes from here.
    pub stream: Seed,
}

/// Runs `budget.steps` steps of AdamW on `params` over batches of `count` images; `loss` builds the loss of one part of a batch.
pub fn optimise(
    params: &Params,
    budget: &Budget,
    count: usize,
    seed: &Seed,
    loss: impl Fn(Part<'_>) -> Result<Tensor> + Sync,
    watch: Watch<'_>,
) -> Result<()> {
    if !budget.batch.is_multiple_of(PARTS) {
        candle_core::bail!("a batch of {} cannot be cut into {PARTS} parts", budget.batch)
    }
    let mut batches = Batches::new(count, budget.batch, seed.child("order"));
    let vars = params.trainable();
    let config = AdamWConfig { weight_decay: budget.weight_decay, ..AdamWConfig::DIFFUSERS };
    let mut optimiser = AdamW::new(vars.clone(), config).map_err(Error::wrap)?;
    let mut average = budget.ema.map(|decay| Ema::new(vars.clone(), decay)).transpose().map_err(Error::wrap)?;
    for step in 0..budget.steps {
        let indices = batches.at(step);
        let stream = seed.child("step").nth(step as u64);
        let part = |part: usize| {
            let indices = &indices[part * budget.batch / PARTS..(part + 1) * budget.batch / PARTS];
            loss(Part { indices, stream: stream.nth(part as u64) })
        };
        let (value, gradients) = in_parts(&vars, part)?;
        finite(value, step)?;
        let rate = budget.learning_rate * budget.schedule.factor(step as u64, budget.steps as u64);
        optimiser.step(&gradients, rate, Some(budget.clip)).map_err(Error::wrap)?;
        if let Some(average) = &mut average {
            average.update().map_err(Error::wrap)?;
        }
        watch(step + 1, budget.steps, value);
    }
    if let Some(average) = average {
        average.assign().map_err(Error::wrap)?;
    }
    Ok(())
}

/// Standard normal values of a shape, from one stream.
pub fn normal(seed: &Seed, shape: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(seed.normals(shape.iter().product()), shape, &Device::Cpu)
}
