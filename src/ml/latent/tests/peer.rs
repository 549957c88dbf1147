//! The forward passes against candle-transformers' Stable Diffusion, which is right where these
//! tests use it: one item a batch, 32 groups, inference. Its feed-forward takes the tanh
//! approximation of GELU, hence the UNet's wider tolerance.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::stable_diffusion::{unet_2d, vae as peer_vae};

use super::super::{unet, vae};
use super::{CPU, apart, largest, normal, tiny_unet, tiny_vae, unet_of, vae_of};
use crate::ml::params::StateDict;

fn weights(stored: &StateDict) -> VarBuilder<'static> {
    let tensors: HashMap<String, Tensor> =
        stored.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    VarBuilder::from_tensors(tensors, DType::F32, &CPU)
}

fn channels_first(x: &Tensor) -> Tensor {
    x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap()
}

fn channels_last(x: &Tensor) -> Tensor {
    x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
}

#[test]
fn unet_agrees() {
    for linear_projection in [false, true] {
        let config = unet::Config {
            block_out_channels: vec![32, 64],
            norm_num_groups: 32,
            layers_per_block: 2,
            transformer_layers_per_block: unet::PerLevel::Each(vec![2, 1]),
            ..tiny_unet(4, linear_projection)
        };
        let (params, ours) = unet_of(&config, DType::F32);
        let block = |out_channels, use_cross_attn, attention_head_dim| unet_2d::BlockConfig {
            out_channels,
            use_cross_attn,
            attention_head_dim,
        };
        let peer = unet_2d::UNet2DConditionModelConfig {
            blocks: vec![block(32, Some(2), 2), block(64, None, 4)],
            cross_attention_dim: 6,
            use_linear_projection: linear_projection,
            ..Default::default()
        };
        let theirs = unet_2d::UNet2DConditionModel::new(
            weights(&params.state_dict().unwrap()),
            4,
            4,
            false,
            peer,
        )
        .unwrap();
        let (x, context) =
            (normal("x", &[1, 8, 8, 4], DType::F32), normal("context", &[1, 5, 6], DType::F32));
        let expected =
            channels_last(&theirs.forward(&channels_first(&x), 321.0, &context).unwrap());
        let given = ours.forward(&x, &Tensor::new(&[321f32], &CPU).unwrap(), &context).unwrap();
        assert!(
            apart(&given, &expected) < 2e-4 * largest(&expected),
            "{} of {}",
            apart(&given, &expected),
            largest(&expected)
        );
    }
}

#[test]
fn autoencoder_agrees() {
    let config = vae::Config {
        block_out_channels: vec![32, 64],
        norm_num_groups: 32,
        layers_per_block: 2,
        ..tiny_vae()
    };
    let (params, ours) = vae_of(&config, DType::F32);
    let peer = peer_vae::AutoEncoderKLConfig {
        block_out_channels: vec![32, 64],
        layers_per_block: 2,
        latent_channels: 2,
        norm_num_groups: 32,
        use_quant_conv: true,
        use_post_quant_conv: true,
    };
    // The peer's moments are private and its draws have no seed: with next to no variance, a draw
    // is the mean.
    let mut certain = params.state_dict().unwrap();
    for (name, logvar) in [("quant_conv.weight", 0f32), ("quant_conv.bias", -60.0)] {
        let stored = certain.get(name).unwrap();
        let mean = stored.narrow(0, 0, 2).unwrap();
        let logvar = Tensor::full(logvar, mean.shape(), &CPU).unwrap();
        let replaced = Tensor::cat(&[mean, logvar], 0).unwrap();
        certain.insert(name, replaced);
    }
    let theirs = peer_vae::AutoEncoderKL::new(weights(&certain), 3, 3, peer).unwrap();
    let z = normal("z", &[1, 4, 4, 2], DType::F32);
    let expected = channels_last(&theirs.decode(&channels_first(&z)).unwrap());
    assert!(apart(&ours.decode(&z).unwrap(), &expected) < 1e-5);
    let image = normal("image", &[1, 8, 8, 3], DType::F32);
    let drawn = theirs.encode(&channels_first(&image)).unwrap().sample().unwrap();
    assert!(apart(ours.encode(&image).unwrap().mode(), &channels_last(&drawn)) < 1e-5);
}
