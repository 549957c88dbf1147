//! The loop that trains every model of latent diffusion.

use candle_core::{Device, Error, Result, Tensor, Var};

use crate::ml::optim::{self, AdamW, AdamWConfig, AdamWState, Ema};
use crate::ml::params::{Params, StateDict};
use crate::ml::training::{self, Batches, Gradients, PARTS, Session, finite, in_parts};
use crate::seed::Seed;

/// Settings of a model's training.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Optimiser steps.
    pub steps: usize,
    /// Items in a batch, a multiple of [`PARTS`].
    pub batch: usize,
    /// Batches whose mean gradient makes a step.
    pub accumulate: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// AdamW's, first and second moment's.
    pub betas: [f64; 2],
    /// AdamW's term in the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Course of the learning rate.
    pub schedule: optim::Schedule,
    /// Decay of the moving average that replaces the weights at the end, if any.
    pub ema: Option<f64>,
}

/// A step, of AdamW as diffusers sets it.
impl Default for Budget {
    fn default() -> Self {
        let AdamWConfig { beta1, beta2, eps, weight_decay } = AdamWConfig::DIFFUSERS;
        Self {
            steps: 1,
            batch: PARTS,
            accumulate: 1,
            learning_rate: 1e-3,
            betas: [beta1, beta2],
            epsilon: eps,
            weight_decay,
            clip: 1.0,
            schedule: optim::Schedule::Constant,
            ema: None,
        }
    }
}

/// One part of a step's batch.
pub struct Part<'a> {
    /// Positions of its images.
    pub indices: &'a [usize],
    /// Number of passes over all images before, for each of `indices`.
    pub passes: &'a [usize],
    /// All that it draws comes from here.
    pub stream: Seed,
}

/// Runs `budget.steps` steps of AdamW on `params` over batches of `count` images, from where the
/// session's last attempt was; `loss` computes the loss of one part of a batch and its gradients.
/// Returns the loss of every step.
///
/// # Errors
/// If a loss or gradient is not finite, or `session` ends the training.
pub fn optimise(
    params: &Params,
    budget: &Budget,
    count: usize,
    seed: &Seed,
    loss: impl Fn(Part<'_>) -> Result<Gradients> + Sync,
    mut session: Session<'_>,
) -> Result<Vec<f64>> {
    if !budget.batch.is_multiple_of(PARTS) {
        candle_core::bail!("a batch of {} cannot be cut into {PARTS} parts", budget.batch)
    }
    let mut batches = Batches::new(count, budget.batch, seed.child("order"));
    let mut state = State::new(params, budget)?;
    if let Some(kept) = session.load()? {
        state.restore(&kept)?;
    }
    for step in state.losses.len()..budget.steps {
        let mut batch = |at: usize| {
            let (indices, passes) = (batches.at(at), batches.passes(at));
            let stream = seed.child("step").nth(at as u64);
            let part = |part: usize| {
                let of_part = part * budget.batch / PARTS..(part + 1) * budget.batch / PARTS;
                loss(Part {
                    indices: &indices[of_part.clone()],
                    passes: &passes[of_part],
                    stream: stream.nth(part as u64),
                })
            };
            in_parts(&state.variables, part)
        };
        let (mut value, mut gradients) = batch(step * budget.accumulate)?;
        for more in 1..budget.accumulate {
            let (its, more) = batch(step * budget.accumulate + more)?;
            value += its;
            training::add(&state.variables, &mut gradients, &more)?;
        }
        if budget.accumulate > 1 {
            value /= budget.accumulate as f64;
            training::scale(&state.variables, &mut gradients, 1.0 / budget.accumulate as f64)?;
        }
        finite(value, step)?;
        let rate = budget.learning_rate * budget.schedule.factor(step as u64, budget.steps as u64);
        state.optimiser.step(&gradients, rate, Some(budget.clip)).map_err(Error::wrap)?;
        // What is kept takes as much memory again.
        drop(gradients);
        if let Some(average) = &mut state.average {
            average.update().map_err(Error::wrap)?;
        }
        state.losses.push(value);
        if let Some(average) = state.average.as_ref().filter(|_| step + 1 == budget.steps) {
            average.assign().map_err(Error::wrap)?;
        }
        (session.watch)(step + 1, budget.steps, value)?;
        session.offer(|| state.save())?;
    }
    Ok(state.losses)
}

/// Everything that a step changes.
struct State {
    variables: Vec<(String, Var)>,
    optimiser: AdamW,
    average: Option<Ema>,
    /// Of each step done.
    losses: Vec<f64>,
}

impl State {
    fn new(params: &Params, budget: &Budget) -> Result<Self> {
        let variables = params.trainable();
        let ([beta1, beta2], eps) = (budget.betas, budget.epsilon);
        let config = AdamWConfig { beta1, beta2, eps, weight_decay: budget.weight_decay };
        let optimiser = AdamW::new(variables.clone(), config).map_err(Error::wrap)?;
        let average = budget
            .ema
            .map(|decay| Ema::new(variables.clone(), decay))
            .transpose()
            .map_err(Error::wrap)?;
        Ok(Self { variables, optimiser, average, losses: Vec::new() })
    }

    fn save(&self) -> Result<StateDict> {
        let mut kept = StateDict::default();
        kept.insert("losses", Tensor::new(self.losses.as_slice(), &Device::Cpu)?);
        for (name, variable) in &self.variables {
            kept.insert(format!("variable.{name}"), variable.as_detached_tensor());
        }
        let moments = self.optimiser.state().map_err(Error::wrap)?.moments;
        moments
            .iter()
            .for_each(|(name, tensor)| kept.insert(format!("moment.{name}"), tensor.clone()));
        if let Some(average) = &self.average {
            let averages = average.averages().map_err(Error::wrap)?;
            averages
                .iter()
                .for_each(|(name, tensor)| kept.insert(format!("average.{name}"), tensor.clone()));
        }
        Ok(kept)
    }

    fn restore(&mut self, kept: &StateDict) -> Result<()> {
        let get = |name: String| {
            kept.get(&name).ok_or_else(|| Error::msg(format!("the kept state has no {name}")))
        };
        let losses = get("losses".into())?.to_vec1::<f64>()?;
        for (name, variable) in &self.variables {
            variable.set(&get(format!("variable.{name}"))?.to_device(variable.device())?)?;
        }
        let step = losses.len() as u64;
        self.optimiser
            .restore(&AdamWState { step, moments: kept.under("moment.") })
            .map_err(Error::wrap)?;
        if let Some(average) = &mut self.average {
            average.restore(step, &kept.under("average.")).map_err(Error::wrap)?;
        }
        self.losses = losses;
        Ok(())
    }
}

/// Standard normal values of a shape, from one stream.
pub fn normal(seed: &Seed, shape: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(seed.normals(shape.iter().product()), shape, &Device::Cpu)
}
