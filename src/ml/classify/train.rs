//! Training a classifier on labelled examples, tested on others after each epoch.

use std::ops::Range;

use candle_core::{Device, Error, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::batches;
use super::efficientnet::Mode;
use super::examples::Examples;
use super::judge::judge;
use super::mixing::Mixing;
use super::model::Model;
use crate::ml::backward::gradients;
use crate::ml::loss::{Weights, weighted_cross_entropy};
use crate::ml::optim::{self, AdamW, AdamWConfig, AdamWState};
use crate::ml::params::StateDict;
use crate::ml::training::{Session, finite};
use crate::seed::Seed;
use crate::vocabulary::{Mixture, WeightsKept};

/// Settings of a classifier's training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Most epochs.
    pub epochs: usize,
    /// Optimiser steps of an epoch; 0: one pass over the training images.
    pub steps_per_epoch: usize,
    /// Training images in a batch.
    pub batch: usize,
    /// Whether each pass leaves out what does not fill a batch; otherwise a batch may begin in one
    /// pass and end in the next.
    pub drop_last: bool,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Whether weights decay that are of one dimension: scales and shifts.
    pub decay_norms_and_biases: bool,
    /// Course of the learning rate.
    pub schedule: optim::Schedule,
    /// Epochs without a lower validation loss before training ends; 0: it goes to its last epoch.
    pub patience: usize,
    /// Share of each label that is spread over all classes, 0 to 1; in the training loss only.
    pub label_smoothing: f64,
    /// Of each class in the loss, that of validation as well; empty: 1 each.
    pub class_weights: Vec<f32>,
    /// How batches are made of real and synthetic images; `None`: they come as they are, all alike.
    pub mixture: Option<Mixture>,
    /// Which epoch's weights the model ends with.
    pub kept: WeightsKept,
}

impl Training {
    /// Optimiser steps of an epoch over `count` examples.
    fn steps(&self, count: usize) -> Result<usize> {
        match (self.steps_per_epoch, self.drop_last) {
            (_, true) if count < self.batch => candle_core::bail!(
                "{count} training images do not fill one batch of {}, and what does not fill a batch is left out",
                self.batch
            ),
            (0, true) => Ok(count / self.batch),
            (0, false) => Ok(count.div_ceil(self.batch)),
            (steps, _) => Ok(steps),
        }
    }
}

/// The images of a classifier's training.
#[derive(Clone, Copy)]
pub struct Lesson<'a> {
    /// The images that are trained on, real ones before synthetic ones.
    pub train: Examples<'a>,
    /// How many of them are real.
    pub reals: usize,
    /// For the learning curve, and for early stopping and the choice of weights where there is any.
    pub validation: Examples<'a>,
}

/// One line of the learning curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Mean loss of the epoch's steps.
    pub training_loss: f64,
    /// Mean loss of the validation images after it.
    pub validation_loss: f64,
    /// Share of validation images whose class is named first.
    pub validation_accuracy: f64,
}

/// Trains `model`, from where the session's last attempt was, and leaves it with the weights that
/// are kept. Gives the learning curve.
///
/// # Errors
/// If a loss is not finite, a batch cannot be filled, or `session` ends the training.
pub fn fit(
    model: &Model,
    training: &Training,
    lesson: Lesson<'_>,
    seed: &Seed,
    mut session: Session<'_>,
) -> Result<Vec<Epoch>> {
    let Examples { inputs, labels } = lesson.train;
    let steps = training.steps(inputs.count())?;
    let mut state = State::new(model, training)?;
    if let Some(kept) = session.load()? {
        state.restore(&kept)?;
    }
    let first = state.curve.len() * steps + state.steps;
    let total = training.epochs * steps;
    let (counts, batch) = ((inputs.count(), lesson.reals), (training.batch, training.drop_last));
    let mut order = Mixing::new(training.mixture, counts, batch, total, &seed.child("order"));
    let weight = training.mixture.map_or(1.0, |mixture| mixture.weight as f32);
    let batch = move |step: usize| {
        let (items, passes) = order.at(step);
        let labels = items.iter().map(|&item| labels[item]).collect::<Vec<_>>();
        let stream = seed.child("step").nth(step as u64);
        let inputs = inputs.shown(&items, &passes, &stream)?;
        let weigh = |&item: &usize| if item < lesson.reals { 1.0 } else { weight };
        Ok(Batch {
            inputs,
            labels: Tensor::new(labels, &Device::Cpu)?,
            weights: (weight != 1.0).then(|| items.iter().map(weigh).collect()),
            network: stream.child("network"),
            part: order.part(step, total),
        })
    };
    std::thread::scope(|scope| {
        let mut batches = batches::ahead(scope, first..total, batch);
        while !state.is_over() {
            state.epoch(steps, lesson.validation, &mut batches, &mut session)?;
        }
        state.end()
    })
}

/// The batch of one step.
struct Batch {
    inputs: Tensor,
    labels: Tensor,
    /// Of each item in the loss; `None`: 1 each.
    weights: Option<Vec<f32>>,
    /// Root of the network's random streams.
    network: Seed,
    /// The steps that have one course of the learning rate with this one.
    part: Range<usize>,
}

/// Everything that a step changes.
struct State<'a> {
    model: &'a Model,
    training: &'a Training,
    optimiser: AdamW,
    /// Of the epochs that ended.
    curve: Vec<Epoch>,
    /// The best epoch and its weights, none of them where the last are kept.
    best: Option<(usize, StateDict)>,
    /// Steps of the present epoch, and the sum of their losses.
    steps: usize,
    sum: f64,
}

impl<'a> State<'a> {
    fn new(model: &'a Model, training: &'a Training) -> Result<Self> {
        let config = AdamWConfig { weight_decay: training.weight_decay, ..AdamWConfig::FASTAI };
        let decays = |_: &str, variable: &candle_core::Var| {
            training.decay_norms_and_biases || variable.rank() > 1
        };
        let optimiser =
            AdamW::with_decay(model.params.trainable(), config, decays).map_err(Error::wrap)?;
        Ok(Self { model, training, optimiser, curve: Vec::new(), best: None, steps: 0, sum: 0.0 })
    }

    /// Whether training is over: the last epoch is done, or patience is exhausted.
    fn is_over(&self) -> bool {
        let waited = self
            .best
            .as_ref()
            .map_or(self.curve.len(), |(best, _)| (self.curve.len() - 1).saturating_sub(*best));
        let impatient = self.training.patience > 0 && waited >= self.training.patience;
        self.steps == 0 && (self.curve.len() == self.training.epochs || impatient)
    }

    /// The rest of the present epoch of `steps` steps, and its validation.
    fn epoch(
        &mut self,
        steps: usize,
        validation: Examples<'_>,
        batches: &mut dyn Iterator<Item = Result<Batch>>,
        session: &mut Session<'_>,
    ) -> Result<()> {
        let total = self.training.epochs * steps;
        while self.steps < steps {
            let done = self.curve.len() * steps + self.steps;
            self.step(batches.next().expect("a batch for every step")?, done)?;
            (session.watch)(done + 1, total, self.sum / self.steps as f64)?;
            if self.steps < steps {
                session.offer(|| self.save())?;
            }
        }
        let line = self.evaluate(validation)?;
        let lowest = self.best.as_ref().map(|(best, _)| self.curve[*best].validation_loss);
        if line.validation_loss.is_finite()
            && lowest.is_none_or(|lowest| line.validation_loss < lowest)
        {
            let weights = match self.training.kept {
                WeightsKept::Best => self.model.params.variables()?,
                WeightsKept::Last => StateDict::default(),
            };
            self.best = Some((self.curve.len(), weights));
        }
        self.curve.push(line);
        (self.steps, self.sum) = (0, 0.0);
        session.offer(|| self.save())
    }

    fn step(&mut self, batch: Batch, done: usize) -> Result<()> {
        let training = self.training;
        let logits =
            self.model.learner.forward(&batch.inputs, Mode::Train { seed: batch.network })?;
        let weights =
            Weights { of_classes: &training.class_weights, of_items: batch.weights.as_deref() };
        let loss =
            weighted_cross_entropy(&logits, &batch.labels, training.label_smoothing, weights)?;
        self.sum += finite(f64::from(loss.to_scalar::<f32>()?), done)?;
        let (at, length) = (done - batch.part.start, batch.part.len());
        let rate = training.learning_rate * training.schedule.factor(at as u64, length as u64);
        self.optimiser.step(&gradients(&loss)?, rate, None).map_err(Error::wrap)?;
        self.steps += 1;
        Ok(())
    }

    fn evaluate(&self, validation: Examples<'_>) -> Result<Epoch> {
        let (validation_loss, validation_accuracy) =
            judge(self.model.twin.as_ref(), validation, &self.training.class_weights)?;
        Ok(Epoch {
            training_loss: self.sum / self.steps as f64,
            validation_loss,
            validation_accuracy,
        })
    }

    /// Leaves the model with the weights that are kept.
    fn end(self) -> Result<Vec<Epoch>> {
        let (_, best) =
            self.best.ok_or_else(|| Error::msg("no epoch ended with a finite validation loss"))?;
        if self.training.kept == WeightsKept::Best {
            self.model.params.set(&best)?;
        }
        Ok(self.curve)
    }

    fn save(&self) -> Result<StateDict> {
        let mut kept = StateDict::default();
        let curve = self
            .curve
            .iter()
            .flat_map(|line| [line.training_loss, line.validation_loss, line.validation_accuracy]);
        let best = self.best.as_ref().map_or(-1.0, |(best, _)| *best as f64);
        let numbers = [self.steps as f64, self.sum, self.optimiser.steps() as f64, best]
            .into_iter()
            .chain(curve);
        kept.insert("numbers", Tensor::from_iter(numbers, &Device::Cpu)?);
        let mut keep = |prefix: &str, values: &StateDict| {
            values
                .iter()
                .for_each(|(name, tensor)| kept.insert(format!("{prefix}.{name}"), tensor.clone()));
        };
        keep("variable", &self.model.params.variables()?);
        keep("moment", &self.optimiser.state().map_err(Error::wrap)?.moments);
        if let Some((_, best)) = &self.best {
            keep("best", best);
        }
        Ok(kept)
    }

    fn restore(&mut self, kept: &StateDict) -> Result<()> {
        let numbers = kept
            .get("numbers")
            .ok_or_else(|| Error::msg("the kept state has no numbers"))?
            .to_vec1::<f64>()?;
        let [steps, sum, taken, best, ref curve @ ..] = numbers[..] else {
            candle_core::bail!("the kept state is too short")
        };
        self.model.params.set(&kept.under("variable."))?;
        let moments = kept.under("moment.");
        self.optimiser.restore(&AdamWState { step: taken as u64, moments }).map_err(Error::wrap)?;
        (self.steps, self.sum) = (steps as usize, sum);
        let line = |line: &[f64]| Epoch {
            training_loss: line[0],
            validation_loss: line[1],
            validation_accuracy: line[2],
        };
        self.curve = curve.chunks_exact(3).map(line).collect();
        self.best = (best >= 0.0).then(|| (best as usize, kept.under("best.")));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
