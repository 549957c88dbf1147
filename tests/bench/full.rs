//! Stable Diffusion 2.1-base at its real size, on drawn weights: `full-train@DEVICE@PRECISION SIZE
//! BATCH` and `full-sample@DEVICE@PRECISION SIZE COUNT STEPS`.

use anyhow::{Result, bail, ensure};
use candle_core::DType;
use titrate::ml::device;
use titrate::ml::latent::config::{ActFn, PerLevel};
use titrate::ml::latent::{unet, vae};

use crate::models::{Generator, LATENTS};
use crate::{Case, memory};

/// Of the UNet, as diffusers counts them.
const PARAMETERS: usize = 865_910_724;
/// Tokens of a prompt.
const TOKENS: usize = 77;

fn unet_config() -> unet::Config {
    let (attends, attends_up) =
        (unet::DownBlock::CrossAttnDownBlock2D, unet::UpBlock::CrossAttnUpBlock2D);
    unet::Config {
        sample_size: 64,
        in_channels: LATENTS,
        out_channels: LATENTS,
        down_block_types: vec![attends, attends, attends, unet::DownBlock::DownBlock2D],
        up_block_types: vec![unet::UpBlock::UpBlock2D, attends_up, attends_up, attends_up],
        block_out_channels: vec![320, 640, 1280, 1280],
        layers_per_block: 2,
        act_fn: ActFn::Silu,
        norm_num_groups: 32,
        cross_attention_dim: 1024,
        attention_head_dim: PerLevel::Each(vec![5, 10, 20, 20]),
        use_linear_projection: true,
        transformer_layers_per_block: PerLevel::All(1),
        flip_sin_to_cos: true,
        freq_shift: 0.0,
    }
}

fn vae_config() -> vae::Config {
    vae::Config {
        in_channels: 3,
        out_channels: 3,
        down_block_types: vec![vae::DownBlock::DownEncoderBlock2D; 4],
        up_block_types: vec![vae::UpBlock::UpDecoderBlock2D; 4],
        block_out_channels: vec![128, 256, 512, 512],
        layers_per_block: 2,
        act_fn: ActFn::Silu,
        latent_channels: LATENTS,
        norm_num_groups: 32,
        sample_size: 768,
        scaling_factor: 0.18215,
        mid_block_add_attention: true,
    }
}

/// The case of this kind, if it is one of the real size.
pub fn case(kind: &str, numbers: &[usize]) -> Result<Option<Case>> {
    let words = kind.split('@').collect::<Vec<_>>();
    Ok(Some(match (words.as_slice(), numbers) {
        (["full-train", device, precision], &[size, batch]) => {
            generator(device, precision, 0)?.train(latents(size)?, batch)?
        }
        (["full-sample", device, precision], &[size, count, steps]) => {
            generator(device, precision, steps)?.sample(latents(size)?, count)?
        }
        _ => return Ok(None),
    }))
}

fn generator(device: &str, precision: &str, steps: usize) -> Result<Generator> {
    let precision = match precision {
        "f32" => DType::F32,
        "bf16" => DType::BF16,
        "f16" => DType::F16,
        other => bail!("no precision is called `{other}`"),
    };
    let device = device::named(device)?;
    memory::watch(&device);
    Ok(Generator {
        unet: unet_config(),
        vae: vae_config(),
        parameters: Some(PARAMETERS),
        tokens: TOKENS,
        device,
        precision,
        gradient_checkpointing: true,
        steps,
        warm_up: 1,
    })
}

/// Side of the latents of images of `size` pixels.
fn latents(size: usize) -> Result<usize> {
    ensure!(
        size > 0 && size.is_multiple_of(64),
        "images of {size} pixels: their side has to be a multiple of 64"
    );
    Ok(size / vae_config().downsampling())
}
