//! What holds for the autoencoder and for the UNet alike: names, gradients, batches, learning,
//! agreement with a peer.

mod gradients;
mod names;
mod peer;
mod reference;
mod training;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use serde_json::json;

use super::{unet, vae};
use crate::ml::params::Params;
use crate::seed::Seed;

const CPU: Device = Device::Cpu;

/// Standard normal draws from the stream `name`, the same in each dtype.
fn normal(name: &str, shape: &[usize], dtype: DType) -> Tensor {
    let drawn = Seed::of_study(7).child(name).normals(shape.iter().product());
    Tensor::from_vec(drawn, shape, &CPU).unwrap().to_dtype(dtype).unwrap()
}

fn tiny_unet(in_channels: usize, linear_projection: bool) -> unet::Config {
    let config = json!({
        "sample_size": 4, "in_channels": in_channels, "out_channels": 4, "block_out_channels": [8, 16], "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "act_fn": "silu", "norm_num_groups": 4, "cross_attention_dim": 6, "attention_head_dim": [2, 4],
        "use_linear_projection": linear_projection, "_class_name": "UNet2DConditionModel", "class_embed_type": null,
        "dropout": 0.0, "only_cross_attention": false
    });
    unet::Config::from_json(&config.to_string()).unwrap()
}

fn tiny_vae() -> vae::Config {
    let config = json!({
        "sample_size": 8, "in_channels": 3, "out_channels": 3, "block_out_channels": [4, 8], "layers_per_block": 1,
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        "act_fn": "silu", "norm_num_groups": 2, "latent_channels": 2, "_class_name": "AutoencoderKL", "latents_mean": null
    });
    vae::Config::from_json(&config.to_string()).unwrap()
}

fn drawn(dtype: DType) -> Params {
    Params::drawn(Seed::of_study(1), dtype, &CPU)
}

fn unet_of(config: &unet::Config, dtype: DType) -> (Params, unet::UNet2DConditionModel) {
    let params = drawn(dtype);
    let model = params.build(|vb| unet::UNet2DConditionModel::new(config, vb)).unwrap();
    (params, model)
}

fn vae_of(config: &vae::Config, dtype: DType) -> (Params, vae::AutoencoderKl) {
    let params = drawn(dtype);
    let model = params.build(|vb| vae::AutoencoderKl::new(config, vb)).unwrap();
    (params, model)
}

fn largest(x: &Tensor) -> f64 {
    x.abs()
        .unwrap()
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_dtype(DType::F64)
        .unwrap()
        .to_scalar()
        .unwrap()
}

/// The largest difference of an entry.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    largest(&(a - b).unwrap())
}

/// Inputs of a UNet for `batch` items of 4x4 latents.
fn unet_inputs(config: &unet::Config, batch: usize, dtype: DType) -> (Tensor, Tensor, Tensor) {
    let x = normal("x", &[batch, 4, 4, config.in_channels], dtype);
    let timesteps = Tensor::from_iter((0..batch).map(|i| 17.0 + 400.0 * i as f32), &CPU).unwrap();
    (x, timesteps, normal("context", &[batch, 3, config.cross_attention_dim], dtype))
}

#[test]
fn a_batch_gives_what_its_items_give() {
    let config = tiny_unet(4, false);
    let (_, unet) = unet_of(&config, DType::F32);
    let (x, timesteps, context) = unet_inputs(&config, 2, DType::F32);
    let both = unet.forward(&x, &timesteps, &context).unwrap();
    assert!(
        apart(&both.get(0).unwrap(), &both.get(1).unwrap()) > 1e-3,
        "different items give different outputs"
    );
    let (_, vae) = vae_of(&tiny_vae(), DType::F32);
    let images = normal("images", &[2, 8, 8, 3], DType::F32);
    let moments = vae.encode(&images).unwrap();
    let decoded = vae.decode(moments.mode()).unwrap();
    for i in 0..2 {
        let item = |t: &Tensor| t.narrow(0, i, 1).unwrap().contiguous().unwrap();
        let alone = unet.forward(&item(&x), &item(&timesteps), &item(&context)).unwrap();
        assert!(apart(&alone, &item(&both)) < 1e-5, "unet, item {i}");
        let alone = vae.encode(&item(&images)).unwrap();
        assert!(apart(alone.mode(), &item(moments.mode())) < 1e-5, "encoder, item {i}");
        assert!(
            apart(&vae.decode(&item(moments.mode())).unwrap(), &item(&decoded)) < 1e-5,
            "decoder, item {i}"
        );
    }
    assert_eq!(
        (both.dims(), moments.mean.dims(), decoded.dims()),
        (&[2, 4, 4, 4][..], &[2, 4, 4, 2][..], &[2, 8, 8, 3][..])
    );
}

#[test]
fn time_and_context_matter() {
    let config = tiny_unet(4, true);
    let (_, unet) = unet_of(&config, DType::F32);
    let (x, timesteps, context) = unet_inputs(&config, 1, DType::F32);
    let base = unet.forward(&x, &timesteps, &context).unwrap();
    assert!(
        apart(&base, &unet.forward(&x, &(&timesteps + 500.0).unwrap(), &context).unwrap()) > 1e-3
    );
    assert!(apart(&base, &unet.forward(&x, &timesteps, &context.neg().unwrap()).unwrap()) > 1e-3);
}

#[test]
fn moments_are_those_of_a_normal_distribution() {
    let constant = |v: f32| Tensor::full(v, (2, 1, 1, 3), &CPU).unwrap();
    let moments = vae::Moments { mean: constant(0.5), logvar: constant(1.0) };
    let expected = 3.0 * 0.5 * (0.25 + 1f64.exp() - 1.0 - 1.0);
    for kl in moments.kl().unwrap().to_vec1::<f32>().unwrap() {
        assert!((f64::from(kl) - expected).abs() < 1e-5);
    }
    let sampled = moments.sample(&constant(-2.0)).unwrap();
    assert!(apart(&sampled, &constant(0.5 - 2.0 * 0.5f32.exp())) < 1e-6);
    assert!(apart(moments.mode(), &constant(0.5)) == 0.0);
}

#[test]
fn widening_changes_nothing_at_first() {
    let config = tiny_unet(4, false);
    let (params, base) = unet_of(&config, DType::F32);
    let widened = unet::inpainting_from(&params, 9).unwrap();
    let wide = Params::trainable_from(widened, DType::F32, &CPU);
    let wide = wide.build(|vb| unet::UNet2DConditionModel::new(&tiny_unet(9, false), vb)).unwrap();
    let (x, timesteps, context) = unet_inputs(&config, 2, DType::F32);
    let further = normal("further", &[2, 4, 4, 5], DType::F32);
    let joined = Tensor::cat(&[&x, &further], 3).unwrap();
    let (narrow, wide) = (
        base.forward(&x, &timesteps, &context).unwrap(),
        wide.forward(&joined, &timesteps, &context).unwrap(),
    );
    assert!(apart(&narrow, &wide) < 1e-6);
    assert!(unet::inpainting_from(&params, 3).is_err());
}

/// The loss before and after `steps` of AdamW.
fn learn(params: &Params, steps: usize, loss: impl Fn() -> Result<Tensor>) -> (f32, f32) {
    let variables = params.trainable().into_iter().map(|(_, variable)| variable).collect();
    let rates = ParamsAdamW { lr: 1e-2, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimiser = AdamW::new(variables, rates).unwrap();
    let value = || loss().unwrap().to_scalar().unwrap();
    let before = value();
    for _ in 0..steps {
        optimiser.backward_step(&loss().unwrap()).unwrap();
    }
    (before, value())
}

#[test]
fn each_model_learns_one_batch_by_heart() {
    let config = tiny_unet(4, false);
    let (params, unet) = unet_of(&config, DType::F32);
    let (x, timesteps, context) = unet_inputs(&config, 2, DType::F32);
    let target = normal("target", &[2, 4, 4, 4], DType::F32);
    let (before, after) = learn(&params, 120, || {
        (unet.forward(&x, &timesteps, &context)? - &target)?.sqr()?.mean_all()
    });
    assert!(after < 0.1 * before, "unet: {before} to {after}");

    let (params, vae) = vae_of(&tiny_vae(), DType::F32);
    let images = normal("images", &[2, 4, 4, 3], DType::F32);
    let (before, after) = learn(&params, 200, || {
        (vae.decode(vae.encode(&images)?.mode())? - &images)?.sqr()?.mean_all()
    });
    assert!(after < 0.3 * before, "autoencoder: {before} to {after}");
}
