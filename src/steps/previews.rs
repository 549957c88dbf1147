//! Samples at intervals of a training, from noise that stays the same: what one looks at to see
//! whether it learns.

use std::collections::BTreeMap;

use candle_core::{DType, Result, Tensor};

use super::StepError;
use super::checkpoint::Checkpoint;
use crate::data::{RgbImage, sheet};
use crate::ml::latent::sample::Sampler;
use crate::ml::latent::schedule::Schedule;
use crate::ml::latent::unet::UNet2DConditionModel;
use crate::ml::latent::vae::AutoencoderKl;
use crate::ml::params::StateDict;
use crate::ml::pixels::{Pixels, from_signed};
use crate::ml::training::Keep;
use crate::seed::Seed;
use crate::vocabulary::Solver;

/// Images of a preview.
pub const IMAGES: usize = 4;
/// How they are sampled: not as the study samples, so that a change there leaves trained models as
/// they are.
const STEPS: usize = 12;
const GUIDANCE: f64 = 3.0;
/// In a checkpoint, before the step's number.
const PREFIX: &str = "preview.";

/// What previews are sampled with, beside the UNet in training.
pub struct Scene<'a> {
    pub vae: &'a AutoencoderKl,
    pub schedule: &'a Schedule,
    pub prompt: &'a Tensor,
    pub empty: &'a Tensor,
    /// What is appended to the noisy latents, of inpainting models.
    pub condition: Option<Tensor>,
    /// Side of the latents.
    pub side: usize,
    pub seed: Seed,
}

impl Scene<'_> {
    pub fn sample(&self, unet: &UNet2DConditionModel) -> Result<Pixels> {
        let Self { vae, schedule, prompt, empty, side, .. } = *self;
        let sampler = Sampler {
            vae,
            unet,
            schedule,
            prompt,
            empty,
            method: Solver::DpmSolver,
            steps: STEPS,
            guidance: GUIDANCE,
            side,
        };
        let streams = (0..IMAGES as u64).map(|image| self.seed.nth(image)).collect::<Vec<_>>();
        sampler.from_noise(&streams, self.condition.as_ref())
    }
}

/// `count` steps of `steps`, evenly apart, the last of them among them.
pub fn stages(count: usize, steps: usize) -> Vec<usize> {
    let mut stages =
        (1..=count).map(|stage| steps * stage / count).filter(|&step| step > 0).collect::<Vec<_>>();
    stages.dedup();
    stages
}

/// A checkpoint that keeps the previews made so far with the training's state.
pub struct Kept<'a> {
    pub checkpoint: Checkpoint,
    pub made: &'a std::cell::RefCell<BTreeMap<usize, Pixels>>,
}

impl Keep for Kept<'_> {
    fn load(&mut self) -> Result<Option<StateDict>> {
        let Some(state) = self.checkpoint.load()? else { return Ok(None) };
        for (step, images) in state.under(PREFIX).iter() {
            let step =
                step.parse().map_err(|_| candle_core::Error::msg(format!("no step: {step}")))?;
            self.made.borrow_mut().insert(step, from_signed(&images.affine(2.0, -1.0)?)?);
        }
        Ok(Some(state))
    }

    fn offer(&mut self, state: &dyn Fn() -> Result<StateDict>) -> Result<()> {
        let whole = || {
            let mut state = state()?;
            for (step, images) in self.made.borrow().iter() {
                let all = (0..images.count()).collect::<Vec<_>>();
                state.insert(
                    format!("{PREFIX}{step:09}"),
                    images.unit_batch(&all)?.to_dtype(DType::F32)?,
                );
            }
            Ok(state)
        };
        Keep::offer(&mut self.checkpoint, &whole)
    }
}

/// A row a preview, from the first.
pub fn sheet(made: &BTreeMap<usize, Pixels>) -> std::result::Result<Vec<u8>, StepError> {
    let rgb = |images: &Pixels, at: usize| RgbImage {
        width: images.size(),
        height: images.size(),
        pixels: images.image(at).to_vec(),
    };
    let images = made
        .values()
        .flat_map(|images| (0..images.count()).map(move |at| rgb(images, at)))
        .collect::<Vec<_>>();
    Ok(sheet::contact_sheet(&images.iter().collect::<Vec<_>>(), IMAGES, 1).to_png("previews")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_end_with_the_last_step() {
        assert_eq!(stages(4, 200), [50, 100, 150, 200]);
        assert_eq!(stages(4, 2), [1, 2]);
        assert_eq!(stages(0, 2), [] as [usize; 0]);
    }
}
