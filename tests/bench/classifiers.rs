//! Classifiers: torchvision's EfficientNet-V2-S, and the small one that the quick study trains.

use std::time::Instant;

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use titrate::ml::backward::gradients;
use titrate::ml::classify::efficientnet::{Config, EfficientNet, Mode};
use titrate::ml::classify::examples::Inputs;
use titrate::ml::classify::judge::predict;
use titrate::ml::classify::model::Model;
use titrate::ml::loss::cross_entropy;
use titrate::ml::optim::{AdamW, AdamWConfig};
use titrate::ml::params::Params;
use titrate::ml::pixels::Pixels;
use titrate::seed::Seed;

use crate::Case;
use crate::models::{drawn, seed};

const CLASSES: usize = 9;

/// The small network's configuration, as JSON.
pub fn configuration() -> Result<String> {
    Ok(serde_json::to_string_pretty(&Config::tiny(CLASSES))?)
}

/// The case of this kind, if it is one of classifiers: `tiny-step`, `v2-s-infer` and so on.
pub fn case(kind: &str, numbers: &[usize]) -> Result<Option<Case>> {
    let Some((name, work)) = kind.rsplit_once('-') else { return Ok(None) };
    match (Config::named(name, CLASSES), work, numbers) {
        (Some(config), "step", &[size, batch]) => Ok(Some(step(&config, size, batch)?)),
        (Some(config), "infer", &[size, count]) => Ok(Some(infer(&config, size, count)?)),
        _ => Ok(None),
    }
}

fn pixels(size: usize, count: usize) -> Pixels {
    let mut pixels = Pixels::new(size);
    for image in 0..count {
        let values = seed().child("pixels").nth(image as u64).normals(3 * size * size);
        pixels.push(
            &values.iter().map(|z| (128.0 + 50.0 * z).clamp(0.0, 255.0) as u8).collect::<Vec<_>>(),
        );
    }
    pixels
}

/// Steps of the training of a whole classifier, on images that are there already.
fn step(config: &Config, size: usize, batch: usize) -> Result<Case> {
    let model = Model::new(drawn(), |vb| EfficientNet::new(config, vb))?;
    let mut optimiser = AdamW::new(model.params.trainable(), AdamWConfig::FASTAI)?;
    let pixels = pixels(size, batch);
    let images = pixels.plain(&(0..batch).collect::<Vec<_>>())?;
    let labels = Tensor::from_iter((0..batch).map(|image| (image % CLASSES) as u32), &Device::Cpu)?;
    let mut steps = (0..).map(|step| Seed::of_study(4).nth(step));
    Ok(Box::new(move |count| {
        let mut learn = || -> Result<()> {
            let seed = steps.next().expect("without end");
            let loss = cross_entropy(
                &model.learner.forward(&images, Mode::Train { seed })?,
                &labels,
                0.0,
            )?;
            optimiser.step(&gradients(&loss)?, 1e-4, None)?;
            Ok(())
        };
        learn()?;
        let clock = Instant::now();
        (0..count).try_for_each(|_| learn())?;
        Ok(clock.elapsed().as_secs_f64())
    }))
}

/// Class probabilities of images.
fn infer(config: &Config, size: usize, count: usize) -> Result<Case> {
    let params = drawn();
    params.build(|vb| EfficientNet::new(config, vb))?;
    let frozen = Params::frozen_from(params.state_dict()?, DType::F32, &Device::Cpu);
    let network = frozen.build(|vb| EfficientNet::new(config, vb))?;
    let pixels = pixels(size, count);
    Ok(crate::repeated(move || predict(&network, &pixels).map(drop)))
}
