//! Names and shapes of Stable Diffusion's state dicts as diffusers writes them, and `config.json`.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::init::Init;
use candle_nn::var_builder::{SimpleBackend, VarBuilder};
use serde_json::{Value, json};

use super::super::{schedule, unet, vae};
use super::{CPU, drawn, tiny_unet, tiny_vae};
use crate::ml::params::{Params, StateDict};

type Shapes = BTreeMap<String, Vec<usize>>;

/// Notes what is asked for and gives tensors that take no memory.
struct Recorder(Arc<Mutex<Shapes>>);

impl SimpleBackend for Recorder {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        assert!(
            self.0.lock().unwrap().insert(name.to_owned(), shape.dims().to_vec()).is_none(),
            "{name} is asked for twice"
        );
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        unreachable!("{name} without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

fn recorded<M>(construct: impl FnOnce(VarBuilder<'static>) -> Result<M>) -> Shapes {
    let shapes = Arc::new(Mutex::new(Shapes::new()));
    construct(VarBuilder::from_backend(Box::new(Recorder(shapes.clone())), DType::F32, CPU))
        .unwrap();
    Arc::into_inner(shapes)
        .map(|shapes| shapes.into_inner().unwrap())
        .unwrap_or_else(|| panic!("the model keeps its builder"))
}

/// diffusers' own names and shapes, from `diffusers_state_dicts.json` in the project's shared data,
/// which lies in `../shared` or where TITRATE_SHARED says; none where there is no such folder.
fn published() -> Option<HashMap<String, Shapes>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("TITRATE_SHARED").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(shared.join("data/diffusers_state_dicts.json")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

fn stable_diffusion_unet(in_channels: usize, second: bool) -> unet::Config {
    let (context, heads) = if second { (1024, json!([5, 10, 20, 20])) } else { (768, json!(8)) };
    let attends = "CrossAttnDownBlock2D";
    let config = json!({
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu", "attention_head_dim": heads,
        "block_out_channels": [320, 640, 1280, 1280], "center_input_sample": false, "cross_attention_dim": context,
        "down_block_types": [attends, attends, attends, "DownBlock2D"], "downsample_padding": 1, "flip_sin_to_cos": true,
        "freq_shift": 0, "in_channels": in_channels, "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05,
        "norm_num_groups": 32, "out_channels": 4, "sample_size": 64, "use_linear_projection": second,
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
    });
    unet::Config::from_json(&config.to_string()).unwrap()
}

fn stable_diffusion_vae() -> vae::Config {
    let config = json!({
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
        "down_block_types": vec!["DownEncoderBlock2D"; 4], "up_block_types": vec!["UpDecoderBlock2D"; 4], "in_channels": 3,
        "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3, "sample_size": 512
    });
    vae::Config::from_json(&config.to_string()).unwrap()
}

#[test]
fn stable_diffusion_state_dicts() {
    let unet = |in_channels, second| {
        recorded(|vb| {
            unet::UNet2DConditionModel::new(&stable_diffusion_unet(in_channels, second), vb)
        })
    };
    let vae = recorded(|vb| vae::AutoencoderKl::new(&stable_diffusion_vae(), vb));
    let models = [
        ("sd15", unet(4, false), 686),
        ("sd15inp", unet(9, false), 686),
        ("sd21", unet(4, true), 686),
        ("sd2inp", unet(9, true), 686),
        ("vae", vae, 248),
    ];
    let published = published();
    if published.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped in part: shared/data/diffusers_state_dicts.json is not here (set TITRATE_SHARED)"
        );
    }
    for (model, ours, count) in models {
        assert_eq!(ours.len(), count, "{model}");
        if let Some(theirs) = published.as_ref().map(|all| &all[model]) {
            let differing: Vec<_> =
                ours.iter().filter(|(name, shape)| theirs.get(*name) != Some(shape)).collect();
            assert!(differing.is_empty() && theirs.len() == count, "{model}: {differing:?}");
        }
    }
}

#[test]
fn former_attention_names_are_read() {
    let params = drawn(DType::F32);
    params.build(|vb| vae::AutoencoderKl::new(&tiny_vae(), vb)).unwrap();
    let formers = [
        (".to_q.", ".query."),
        (".to_k.", ".key."),
        (".to_v.", ".value."),
        (".to_out.0.", ".proj_attn."),
    ];
    let mut former = StateDict::default();
    for (name, tensor) in params.state_dict().unwrap().iter() {
        former.insert(
            formers.iter().fold(name.to_owned(), |name, (now, then)| name.replace(now, then)),
            tensor.clone(),
        );
    }
    let present = former.clone().renamed(vae::current_name).unwrap();
    let build = |stored| {
        Params::frozen_from(stored, DType::F32, &CPU)
            .build(|vb| vae::AutoencoderKl::new(&tiny_vae(), vb))
            .map(drop)
    };
    assert!(build(former).unwrap_err().to_string().contains("mid_block.attentions.0.to_"));
    build(present.clone()).unwrap();
    assert_eq!(
        present.to_safetensors(DType::F32).unwrap(),
        params.to_safetensors(DType::F32).unwrap()
    );
}

#[test]
fn configurations_are_kept_and_what_is_not_implemented_is_refused() {
    let (unet, vae) = (tiny_unet(9, true), tiny_vae());
    assert_eq!(unet::Config::from_json(&unet.to_json()).unwrap(), unet);
    assert_eq!(vae::Config::from_json(&vae.to_json()).unwrap(), vae);
    let refusal = |key: &str, value: Value| {
        let mut json: Value = serde_json::from_str(&unet.to_json()).unwrap();
        json[key] = value;
        unet::Config::from_json(&json.to_string()).unwrap_err().to_string()
    };
    assert!(
        refusal("class_embed_type", json!("timestep")).contains("class_embed_type = \"timestep\"")
    );
    assert!(refusal("_class_name", json!("UNet2DModel")).contains("UNet2DModel"));
    assert!(refusal("act_fn", json!("mish")).contains("mish"));
    for (key, value) in [("mid_block_type", json!(null)), ("num_class_embeds", json!(3))] {
        let said = refusal(key, value.clone());
        assert_eq!(said, format!("{key} = {value} is not supported"));
    }
    assert!(refusal("sample_size", json!([64, 96])).contains("sample_size is 64 x 96"));
    let with = |keys: Value| {
        let mut json: Value = serde_json::from_str(&unet.to_json()).unwrap();
        json.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        unet::Config::from_json(&json.to_string()).unwrap()
    };
    let ema = json!({ "decay": 0.9999, "inv_gamma": 1.0, "optimization_step": 7, "use_ema_warmup": true });
    assert_eq!(with(ema), unet, "diffusers' EMAModel leaves its own keys");
    let unsaid = with(json!({ "sample_size": null, "attention_head_dim": null }));
    assert_eq!((unsaid.sample_size, unsaid.attention_head_dim), (0, unet::PerLevel::All(8)));
    assert_eq!(with(json!({ "sample_size": [4, 4], "upcast_attention": null })), unet);
    let mut lossless: Value = serde_json::from_str(&vae.to_json()).unwrap();
    lossless["use_quant_conv"] = json!(false);
    let said = vae::Config::from_json(&lossless.to_string()).unwrap_err().to_string();
    assert_eq!(said, "use_quant_conv = false is not supported");
    assert!(refusal("block_out_channels", json!([8])).contains("1 block_out_channels for 2 down"));
    let heads = unet::Config { attention_head_dim: unet::PerLevel::Each(vec![1]), ..unet.clone() };
    let built = drawn(DType::F32).build(|vb| unet::UNet2DConditionModel::new(&heads, vb)).map(drop);
    assert!(
        built.unwrap_err().to_string().contains("attention_head_dim has 1 values for 2 levels")
    );
}

#[test]
fn a_schedule_of_more_steps_than_any_is_refused_at_once() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = "tests/fixtures/stable_diffusion/sd21/scheduler/scheduler_config.json";
    let text = std::fs::read_to_string(folder.join(path)).unwrap();
    for steps in [0, 100_001, 1_000_000_000_000_u64] {
        let text = text
            .replace("\"num_train_timesteps\": 1000", &format!("\"num_train_timesteps\": {steps}"));
        let said = schedule::Config::from_json(&text).unwrap_err().to_string();
        assert!(said.contains(&format!("num_train_timesteps is {steps}: 1 to 100000")), "{said}");
    }
}
