//! The images that a UNet is tuned on, transformed and encoded once: what every model of the class
//! is then tuned on.

use candle_core::{DType, Device, Tensor};

use super::base;
use super::context::Context;
use super::images::{of_class, pixels};
use super::{Outputs, StepError};
use crate::ml::latent::augment::{self, augment};
use crate::ml::latent::mask::{Distribution, Mask};
use crate::ml::latent::sample::{encode, inpainting_condition};
use crate::ml::params::StateDict;
use crate::ml::pixels::Pixels;
use crate::plan::kinds;
use crate::seed::Seed;
use crate::vocabulary::TuningTransforms;

const LATENTS: &str = "latents.safetensors";
/// Images encoded at once.
const BATCH: usize = 16;

/// Output: latents.safetensors in f32, view by view, the pool's images in order: `clean` [views *
/// images, h, w, C], the scaled latents (the posterior's mode); for inpainting `condition` [views *
/// images, h, w, 1 + C], the mask and the masked view's latents.
pub fn run(params: kinds::Latents, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let images = pixels(&of_class(context, "pool", &params.class)?)?;
    let autoencoder = base::autoencoder(context)?;
    let size = images.size();
    let side = size / autoencoder.config().downsampling();
    let (mut clean, mut conditions) = (Vec::new(), Vec::new());
    let all = (0..params.views)
        .flat_map(|view| (0..images.count()).map(move |image| (view, image)))
        .collect::<Vec<_>>();
    for chunk in all.chunks(BATCH) {
        let streams = chunk
            .iter()
            .map(|&(view, image)| seed.nth(view as u64).nth(image as u64))
            .collect::<Vec<_>>();
        let views = views(&images, chunk, &streams, &params)?;
        if let Some(mask) = &params.mask {
            let distribution = Distribution { rectangles: mask.rectangles, sides: mask.sides };
            let masks = streams
                .iter()
                .map(|stream| Mask::random(size, &distribution, &stream.child("mask")))
                .collect::<Vec<_>>();
            conditions.push(inpainting_condition(&autoencoder, &views, &masks, side)?);
        }
        clean.push(encode(&autoencoder, &views)?);
        context.images(clean.len() * BATCH - (BATCH - chunk.len()), all.len());
    }
    let mut latents = StateDict::default();
    latents.insert("clean", Tensor::cat(&clean, 0)?);
    if !conditions.is_empty() {
        latents.insert("condition", Tensor::cat(&conditions, 0)?);
    }
    Ok(vec![(LATENTS.into(), latents.to_safetensors(DType::F32)?)])
}

/// Transformed images [B, size, size, 3] in [-1, 1].
fn views(
    images: &Pixels,
    chunk: &[(usize, usize)],
    streams: &[Seed],
    params: &kinds::Latents,
) -> Result<Tensor, StepError> {
    let TuningTransforms { scale, ratio, jitter, flip } = params.transforms;
    let config = augment::Config { scale, ratio, jitter, flip_p: flip };
    let size = images.size();
    let mut views = vec![0.0; chunk.len() * size * size * 3];
    for ((&(_, image), stream), view) in
        chunk.iter().zip(streams).zip(views.chunks_mut(size * size * 3))
    {
        augment(&images.unit(image), size, size, &config, &stream.child("view"), view);
    }
    Ok(Tensor::from_vec(views, (chunk.len(), size, size, 3), &Device::Cpu)?.affine(2.0, -1.0)?)
}

/// The latents that such a task made, to be picked from.
pub struct Latents {
    clean: Tensor,
    condition: Option<Tensor>,
    images: usize,
}

impl Latents {
    pub fn read(context: &Context, role: &str, views: usize) -> Result<Self, StepError> {
        let stored = StateDict::read(&context.read(role, LATENTS)?)?;
        let clean =
            stored.get("clean").ok_or_else(|| format!("input `{role}` has no latents"))?.clone();
        let images = clean.dim(0)? / views;
        Ok(Self { clean, condition: stored.get("condition").cloned(), images })
    }

    /// How many images they are views of.
    pub fn images(&self) -> usize {
        self.images
    }

    /// A view of an image: its latents, and what is appended to them once noisy; [1, h, w, ..]
    /// each.
    pub fn view(&self, view: usize, image: usize) -> candle_core::Result<(Tensor, Option<Tensor>)> {
        let at = view * self.images + image;
        let condition =
            self.condition.as_ref().map(|condition| condition.narrow(0, at, 1)).transpose()?;
        Ok((self.clean.narrow(0, at, 1)?, condition))
    }
}
