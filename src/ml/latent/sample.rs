//! Images from a UNet: classifier-free guidance over a solver's steps, from noise or from a masked
//! image.

use candle_core::{Device, Result, Tensor};

use super::mask::{Mask, latent_masks, masked_images};
use super::schedule::Schedule;
use super::solver::Walk;
use super::unet::UNet2DConditionModel;
use super::vae::AutoencoderKl;
use crate::ml::pixels::{Pixels, from_signed};
use crate::ml::side_by_side::side_by_side;
use crate::seed::Seed;
use crate::vocabulary::Solver;

/// Pixels that the autoencoder works on at once, about. Stable Diffusion's takes 4 kB for each.
const PIXELS: usize = 512 * 512;

/// Everything that turns noise into images of one prompt.
pub struct Sampler<'a> {
    /// Decodes latents, and encodes images to be inpainted.
    pub vae: &'a AutoencoderKl,
    /// The denoising network.
    pub unet: &'a UNet2DConditionModel,
    /// The noise schedule of its training.
    pub schedule: &'a Schedule,
    /// Text embeddings of the prompt and of the empty prompt, [1, tokens, width] each.
    pub prompt: &'a Tensor,
    /// Embeddings of the empty prompt, [1, tokens, width].
    pub empty: &'a Tensor,
    /// The solver.
    pub method: Solver,
    /// The solver's steps, before strength takes some away.
    pub steps: usize,
    /// Classifier-free guidance: 1 asks the prompt alone (Ho & Salimans 2022).
    pub guidance: f64,
    /// Side of the latents.
    pub side: usize,
}

impl Sampler<'_> {
    /// One image per stream.
    pub fn text_to_image(&self, streams: &[Seed]) -> Result<Pixels> {
        self.from_noise(streams, None)
    }

    /// One image per stream from nothing but noise; `condition`: an inpainting UNet's further
    /// channels, see [`inpainting_condition`].
    pub fn from_noise(&self, streams: &[Seed], condition: Option<&Tensor>) -> Result<Pixels> {
        self.paint(&self.noise(streams)?, 1.0, condition)
    }

    /// One image per stream: `images` [B, H, W, 3] in [-1, 1] repainted where their `masks` say so.
    /// The UNet is an inpainting one.
    pub fn inpaint(
        &self,
        images: &Tensor,
        masks: &[Mask],
        strength: f64,
        streams: &[Seed],
    ) -> Result<Pixels> {
        let clean = encode(self.vae, images)?;
        let noise = self.noise(streams)?;
        let solver = self.solver(strength);
        let start = match solver.timesteps().first() {
            Some(&first) if strength < 1.0 => {
                self.schedule.add_noise(&clean, &noise, &vec![first; streams.len()])?
            }
            _ => noise,
        };
        let condition = inpainting_condition(self.vae, images, masks, self.side)?;
        self.paint(&start, strength, Some(&condition))
    }

    pub(super) fn solver(&self, strength: f64) -> Walk<'_> {
        Walk::new(self.method, self.schedule, self.steps, strength)
    }

    fn noise(&self, streams: &[Seed]) -> Result<Tensor> {
        let channels = self.vae.config().latent_channels;
        let values = streams
            .iter()
            .flat_map(|stream| stream.normals(self.side * self.side * channels))
            .collect::<Vec<_>>();
        Tensor::from_vec(values, (streams.len(), self.side, self.side, channels), &Device::Cpu)
    }

    /// Images from `noisy` latents, in halves side by side where there are threads for it: on a
    /// processor, what an image is does not depend on the others of its batch. On a GPU it may, so
    /// that the batch is always one.
    fn paint(&self, noisy: &Tensor, strength: f64, condition: Option<&Tensor>) -> Result<Pixels> {
        let count = noisy.dim(0)?;
        let pieces = if self.unet.device().is_cpu() {
            count.min(rayon::current_num_threads()).clamp(1, 2)
        } else {
            1
        };
        let painted = side_by_side(self.unet.device(), pieces, |piece| {
            let (first, end) = (piece * count / pieces, (piece + 1) * count / pieces);
            let part = |tensor: &Tensor| tensor.narrow(0, first, end - first);
            let latents = self.denoise(
                part(noisy)?,
                self.solver(strength),
                condition.map(part).transpose()?,
            )?;
            decode(self.vae, &latents)
        })?;
        from_signed(&Tensor::cat(&painted, 0)?)
    }

    /// `condition`: further input channels (inpainting), appended to the noisy latents.
    pub(super) fn denoise(
        &self,
        mut noisy: Tensor,
        mut solver: Walk<'_>,
        condition: Option<Tensor>,
    ) -> Result<Tensor> {
        let count = noisy.dim(0)?;
        let guided = self.guidance != 1.0;
        let repeated = |context: &Tensor| context.repeat((count, 1, 1));
        let context = if guided {
            Tensor::cat(&[repeated(self.empty)?, repeated(self.prompt)?], 0)?
        } else {
            repeated(self.prompt)?
        };
        for timestep in solver.timesteps().to_vec() {
            let input = match &condition {
                Some(condition) => Tensor::cat(&[&noisy, condition], 3)?,
                None => noisy.clone(),
            };
            let input = if guided { Tensor::cat(&[&input, &input], 0)? } else { input };
            let timesteps = Tensor::full(timestep as f32, input.dim(0)?, &Device::Cpu)?;
            let answer = self.unet.forward(&input, &timesteps, &context)?;
            let answer = if guided {
                let (without, with) =
                    (answer.narrow(0, 0, count)?, answer.narrow(0, count, count)?);
                (&without + ((with - &without)? * self.guidance)?)?
            } else {
                answer
            };
            noisy = solver.step(&noisy, &answer)?;
        }
        Ok(noisy)
    }
}

/// Scaled latents of `images` [B, H, W, 3] in [-1, 1]: the mode of the posterior, so that encoding
/// draws nothing.
pub fn encode(vae: &AutoencoderKl, images: &Tensor) -> Result<Tensor> {
    let encode = |images: &Tensor| vae.encode(images)?.mode() * vae.config().scaling_factor;
    in_turns(images, images.dim(1)? * images.dim(2)?, encode)
}

/// The images [B, H, W, 3], not clamped, of scaled `latents`.
fn decode(vae: &AutoencoderKl, latents: &Tensor) -> Result<Tensor> {
    let pixels = latents.dim(1)? * latents.dim(2)? * vae.config().downsampling().pow(2);
    in_turns(latents, pixels, |latents| vae.decode(&(latents / vae.config().scaling_factor)?))
}

/// The results of `f` for the items of `batch`, computed in chunks of at most [`PIXELS`] pixels
/// (one item at least) at `pixels` an item.
fn in_turns(
    batch: &Tensor,
    pixels: usize,
    f: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let (count, at_once) = (batch.dim(0)?, (PIXELS / pixels.max(1)).max(1));
    let turn = |first: usize| f(&batch.narrow(0, first, at_once.min(count - first))?);
    let turns = (0..count).step_by(at_once).map(turn).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&turns, 0)
}

/// Scaled latents [N, side, side, C] of all of `images`.
pub fn encode_all(vae: &AutoencoderKl, images: &Pixels) -> Result<Tensor> {
    let positions = (0..images.count()).collect::<Vec<_>>();
    let chunks = positions
        .chunks(64)
        .map(|chunk| encode(vae, &images.signed_batch(chunk)?))
        .collect::<Result<Vec<_>>>()?;
    Tensor::cat(&chunks, 0)
}

/// An inpainting UNet's further channels: the mask and the latents of the masked image, [B, side,
/// side, 1 + C].
pub fn inpainting_condition(
    vae: &AutoencoderKl,
    images: &Tensor,
    masks: &[Mask],
    side: usize,
) -> Result<Tensor> {
    let kept = encode(vae, &masked_images(images, masks)?)?;
    Tensor::cat(&[&latent_masks(masks, side)?, &kept], 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_hold_few_pixels_and_keep_the_order() {
        let batch = Tensor::arange(0f32, 10.0, &Device::Cpu).unwrap().reshape((5, 2)).unwrap();
        for (pixels, expected) in [
            (PIXELS / 2, vec![2, 2, 1]),
            (PIXELS, vec![1; 5]),
            (2 * PIXELS, vec![1; 5]),
            (4, vec![5]),
        ] {
            let seen = std::cell::RefCell::new(Vec::new());
            let double = |items: &Tensor| {
                seen.borrow_mut().push(items.dim(0)?);
                items * 2.0
            };
            let doubled = in_turns(&batch, pixels, double).unwrap();
            assert_eq!(
                doubled.to_vec2::<f32>().unwrap(),
                (&batch * 2.0).unwrap().to_vec2::<f32>().unwrap()
            );
            assert_eq!(seen.into_inner(), expected, "{pixels} pixels an item");
        }
    }
}
