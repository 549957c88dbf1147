//! Training a classifier on labelled photographs, and what it then says of others.

use candle_core::{DType, Device, Error, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::efficientnet::{EfficientNet, Mode};
use super::{batches, transforms};
use crate::ml::loss::{cross_entropy, log_softmax};
use crate::ml::optim::{self, AdamW, AdamWConfig};
use crate::ml::params::{Params, StateDict};
use crate::ml::pixels::{Labelled, Pixels};
use crate::ml::training::{Batches, Watch, finite};
use crate::seed::Seed;

/// Images per forward pass outside training.
const EVALUATION_BATCH: usize = 128;

/// How a classifier is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Most epochs.
    pub epochs: usize,
    /// Optimiser steps of an epoch; 0: one pass over the training images.
    pub steps_per_epoch: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub schedule: optim::Schedule,
    /// Epochs without a lower validation loss before training ends.
    pub patience: usize,
    pub label_smoothing: f64,
}

/// What a classifier learns from.
pub struct Lesson<'a> {
    pub train: &'a Labelled,
    /// For early stopping.
    pub validation: &'a Labelled,
    /// With these, each image is transformed anew each time it is shown.
    pub augment: Option<&'a transforms::Config>,
}

/// One line of the learning curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    pub training_loss: f64,
    pub validation_loss: f64,
    /// Share of validation images whose class is named first.
    pub validation_accuracy: f64,
}

/// The weights of the epoch with the lowest validation loss, and how training went.
pub struct Fitted {
    pub weights: StateDict,
    pub curve: Vec<Epoch>,
    /// Position in `curve` of the kept weights.
    pub best: usize,
}

/// Trains `network`, whose variables are those of `params`.
pub fn fit(
    network: &EfficientNet,
    params: &Params,
    training: &Training,
    lesson: &Lesson<'_>,
    seed: &Seed,
    watch: Watch<'_>,
) -> Result<Fitted> {
    let Lesson { train, augment, .. } = *lesson;
    let steps = match training.steps_per_epoch {
        0 => train.pixels.count().div_ceil(training.batch),
        steps => steps,
    };
    let mut order = Batches::new(train.pixels.count(), training.batch, seed.child("order"));
    let batch = move |step: usize| {
        let indices = order.at(step);
        let labels = indices.iter().map(|&index| train.labels[index]).collect::<Vec<_>>();
        let stream = seed.child("step").nth(step as u64);
        let images = batches::images(&train.pixels, &indices, augment, &stream)?;
        Ok(Batch { images, labels: Tensor::new(labels, &Device::Cpu)?, network: stream.child("network") })
    };
    std::thread::scope(|scope| {
        let mut batches = batches::ahead(scope, 0..training.epochs * steps, batch);
        fit_batches(network, params, training, steps, lesson.validation, &mut batches, watch)
    })
}

/// What a step learns from.
struct Batch {
    images: Tensor,
    labels: Tensor,
    /// What the network draws from.
    network: Seed,
}

/// Trains on `batches`, `steps` of them an epoch.
fn fit_batches(
    network: &EfficientNet,
    params: &Params,
    training: &Training,
    steps: usize,
    validation: &Labelled,
    batches: &mut dyn Iterator<Item = Result<Batch>>,
    watch: Watch<'_>,
) -> Result<Fitted> {
    let total = training.epochs * steps;
    let mut optimiser =
        AdamW::new(params.trainable(), AdamWConfig { weight_decay: training.weight_decay, ..AdamWConfig::FASTAI })
            .map_err(Error::wrap)?;
    let mut curve: Vec<Epoch> = Vec::new();
    let mut best: Option<(usize, StateDict)> = None;
    for epoch in 0..training.epochs {
        let mut sum = 0.0;
        for step in epoch * steps..(epoch + 1) * steps {
            let Batch { images, labels, network: stream } = batches.next().expect("a batch for every step")?;
            let logits = network.forward(&images, Mode::Train { seed: stream })?;
            let loss = cross_entropy(&logits, &labels, training.label_smoothing)?;
            sum += finite(f64::from(loss.to_scalar::<f32>()?), step)?;
            let rate = training.learning_rate * training.schedule.factor(step as u64, total as u64);
            optimiser.step(&loss.backward()?, rate, None).map_err(Error::wrap)?;
            watch(step + 1, total, sum / (step + 1 - epoch * steps) as f64)?;
        }
        let line = evaluate(network, validation, sum / steps as f64)?;
        if best.as_ref().is_none_or(|(at, _)| line.validation_loss < curve[*at].validation_loss) {
            best = Some((epoch, params.state_dict()?));
        }
        curve.push(line);
        if best.as_ref().is_some_and(|(at, _)| epoch - at >= training.patience) {
            break;
        }
    }
    let (best, weights) = best.ok_or_else(|| Error::msg("no epoch ended with a finite validation loss"))?;
    Ok(Fitted { weights, curve, best })
}

fn evaluate(network: &EfficientNet, validation: &Labelled, training_loss: f64) -> Result<Epoch> {
    let probabilities = predict(network, &validation.pixels)?;
    let mut loss = 0.0;
    let mut right = 0;
    for (row, &label) in probabilities.iter().zip(&validation.labels) {
        loss -= f64::from(row[label as usize]).max(1e-12).ln();
        right += usize::from(most_likely(row) == label as usize);
    }
    let count = validation.labels.len() as f64;
    Ok(Epoch { training_loss, validation_loss: loss / count, validation_accuracy: right as f64 / count })
}

/// The position of the largest probability; the first of equals.
pub fn most_likely(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

/// The class probabilities of every image.
pub fn predict(network: &EfficientNet, pixels: &Pixels) -> Result<Vec<Vec<f32>>> {
    let mut rows = Vec::with_capacity(pixels.count());
    for chunk in (0..pixels.count()).collect::<Vec<_>>().chunks(EVALUATION_BATCH) {
        let logits = network.forward(&pixels.unit_batch(chunk)?, Mode::Eval)?;
        rows.extend(log_softmax(&logits)?.exp()?.to_dtype(DType::F32)?.to_vec2::<f32>()?);
    }
    Ok(rows)
}

/// Pooled features of every image, in evaluation mode.
pub fn features(network: &EfficientNet, pixels: &Pixels) -> Result<Vec<Vec<f32>>> {
    let mut rows = Vec::with_capacity(pixels.count());
    for chunk in (0..pixels.count()).collect::<Vec<_>>().chunks(EVALUATION_BATCH) {
        rows.extend(network.features(&pixels.unit_batch(chunk)?)?.to_vec2::<f32>()?);
    }
    Ok(rows)
}
