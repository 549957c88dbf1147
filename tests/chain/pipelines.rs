//! Generators from pipelines in diffusers' layout: whole or in parts, in single or half precision;
//! and what is wrong with one is named.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use expect_test::expect;
use serde_json::{Value, json};
use titrate::ml::params::StateDict;

use crate::chain::Chain;

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";

fn read(pipeline: &Path) -> StateDict {
    StateDict::read(&fs::read(pipeline.join(UNET)).unwrap()).unwrap()
}

fn write(pipeline: &Path, weights: impl Iterator<Item = (String, Tensor)>) {
    fs::write(
        pipeline.join(UNET),
        weights.collect::<StateDict>().to_safetensors(DType::F32).unwrap(),
    )
    .unwrap();
}

fn named((name, tensor): (&str, &Tensor)) -> (String, Tensor) {
    (name.to_owned(), tensor.clone())
}

fn edit(config: &Path, change: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&fs::read(config).unwrap()).unwrap();
    change(&mut json);
    fs::write(config, json.to_string()).unwrap();
}

#[test]
fn what_is_wrong_with_a_pipeline_is_named_before_anything_is_trained() {
    let chain = Chain::new("pipelines");
    let missing = chain.pipeline("sd21", "missing");
    write(&missing, read(&missing).iter().filter(|(name, _)| *name != "conv_in.weight").map(named));
    let misshapen = chain.pipeline("sd21", "misshapen");
    let flat = Tensor::zeros((8, 4), DType::F32, &Device::Cpu).unwrap();
    let reshaped = |(name, tensor): (&str, &Tensor)| {
        (name.to_owned(), if name == "conv_in.weight" { flat.clone() } else { tensor.clone() })
    };
    write(&misshapen, read(&misshapen).iter().map(reshaped));
    let extra = chain.pipeline("sd21", "extra");
    write(
        &extra,
        read(&extra).iter().map(named).chain([("control.weight".to_owned(), flat.clone())]),
    );
    let strange = chain.pipeline("sd21", "strange").join("scheduler/scheduler_config.json");
    fs::write(
        &strange,
        fs::read_to_string(&strange)
            .unwrap()
            .replace("DPMSolverMultistepScheduler", "FlowMatchEulerDiscreteScheduler"),
    )
    .unwrap();
    let cut = chain.pipeline("sd21", "cut").join(UNET);
    fs::write(&cut, &fs::read(&cut).unwrap()[..1000]).unwrap();
    let lacking = chain.pipeline("sd21", "lacking");
    fs::remove_file(lacking.join("vae/config.json")).unwrap();
    chain.pipeline("sd15", "narrow");
    let tall = chain.pipeline("sd21", "tall").join("vae/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&tall).unwrap()).unwrap();
    for (key, of_level) in [
        ("block_out_channels", json!(8)),
        ("down_block_types", json!("DownEncoderBlock2D")),
        ("up_block_types", json!("UpDecoderBlock2D")),
    ] {
        config[key] = Value::from(vec![of_level; 5]);
    }
    fs::write(&tall, config.to_string()).unwrap();

    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    fs::write(chain.pipeline("sd21", "pointer").join(UNET), pointer).unwrap();
    let variance = chain.pipeline("sd21", "variance");
    edit(&variance.join("unet/config.json"), |config| config["out_channels"] = json!(8));
    let inverted = chain.pipeline("sd21", "inverted");
    fs::write(inverted.join("tokenizer/added_tokens.json"), r#"{"<mole>": 529}"#).unwrap();
    let projected = chain.pipeline("sd21", "projected");
    let projection = json!(["CLIPTextModelWithProjection"]);
    edit(&projected.join("text_encoder/config.json"), |config| {
        config["architectures"] = projection
    });
    let adapter = chain.pipeline("sd21", "adapter");
    let product = [("unet.conv_in.lora_A.weight".to_owned(), flat.clone())];
    write(&adapter, product.into_iter());
    fs::copy(adapter.join(UNET), chain.path("lora.safetensors")).unwrap();

    let text_to_image = [
        "missing",
        "misshapen",
        "extra",
        "strange",
        "cut",
        "lacking",
        "tall",
        "pointer",
        "variance",
        "inverted",
        "projected",
        "adapter",
        "lora.safetensors",
    ]
    .map(|name| ("text_to_image", "text-to-image", name));
    let mut said = Vec::new();
    for (key, conditioning, name) in
        text_to_image.into_iter().chain([("inpainting", "inpainting", "narrow")])
    {
        let set = format!("base.pretrained.{key}={name}");
        said.push(chain.failure(&["images.size=16", &set], &format!("pretrained/{conditioning}")));
    }
    let steep = ["generator.dreambooth.learning_rate=1e38", "generator.dreambooth.steps=6"];
    said.push(chain.failure(&steep, "dreambooth/psoriasis/text-to-image"));
    expect![[r#"
        1: error: task pretrained/text-to-image failed: unet: tensor conv_in.weight of shape [8, 4, 3, 3] is missing: the stored weights are of another model or size
        1: error: task pretrained/text-to-image failed: unet: tensor conv_in.weight is stored with shape [8, 4] where the model has [8, 4, 3, 3]
        1: error: task pretrained/text-to-image failed: unet: 1 stored tensors are not part of the model, the first of them control.weight
        1: error: task pretrained/text-to-image failed: scheduler/scheduler_config.json: it is of a FlowMatchEulerDiscreteScheduler; schedules are read from those of DDIMInverseScheduler, DDIMParallelScheduler, DDIMScheduler, DDPMParallelScheduler, DDPMScheduler, DEISMultistepScheduler, DPMSolverMultistepInverseScheduler, DPMSolverMultistepScheduler, DPMSolverSDEScheduler, DPMSolverSinglestepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler, KDPM2AncestralDiscreteScheduler, KDPM2DiscreteScheduler, LCMScheduler, LMSDiscreteScheduler, PNDMScheduler, SASolverScheduler, TCDScheduler, UniPCMultistepScheduler
        1: error: task pretrained/text-to-image failed: unet/diffusion_pytorch_model.safetensors: not a safetensors file: invalid header length
        2: error: study study: base.pretrained.text_to_image: lacking: lacking/vae/config.json is missing: a pipeline in diffusers' layout has it
        2: error: study study: --set images.size=16: `images.size` is 16; the models of base.pretrained.text_to_image need a multiple of 32
        1: error: task pretrained/text-to-image failed: unet/diffusion_pytorch_model.safetensors: it is a pointer of Git LFS: `git lfs pull` fetches the file that it stands for
        1: error: task pretrained/text-to-image failed: unet/config.json: out_channels = 8 is not supported: the UNet predicts the autoencoder's 4 latent channels and nothing else
        1: error: task pretrained/text-to-image failed: the tokenizer has added tokens that its vocabulary lacks, as textual inversion makes them: `<mole>`; they are not read, so take the pipeline as it was before
        1: error: task pretrained/text-to-image failed: text_encoder/config.json: architectures = ["CLIPTextModelWithProjection"] is not supported: the text encoder is CLIP's text model (CLIPTextModel)
        1: error: task pretrained/text-to-image failed: unet/diffusion_pytorch_model.safetensors: it is a LoRA of diffusers or PEFT, not the weights of a whole model: put it into its pipeline with diffusers' load_lora_weights and fuse_lora, and save that with save_pretrained
        2: error: study study: base.pretrained.text_to_image: lora.safetensors is a low-rank adaptation, not the folder of a pipeline: put it into its pipeline with diffusers' load_lora_weights and fuse_lora, save that with save_pretrained, and name the folder
        1: error: task pretrained/inpainting failed: unet/config.json: inpainting takes a UNet of 9 input channels, this one has 4; this one belongs under base.pretrained.text_to_image
        1: error: task dreambooth/psoriasis/text-to-image failed: image 0 of 4 came out as NaN: a model's answers overflow; where it computes in half precision, let it in f32"#]].assert_eq(&said.join("\n"));
}

/// A tokenizer's vocabulary as transformers 5 saves it.
fn into_one_file(tokenizer: &Path) {
    let vocab: Value =
        serde_json::from_slice(&fs::read(tokenizer.join("vocab.json")).unwrap()).unwrap();
    let merges = fs::read_to_string(tokenizer.join("merges.txt")).unwrap();
    let merges = merges.lines().skip(1).map(|line| line.split(' ').collect::<Vec<_>>());
    let json = json!({
        "added_tokens": [],
        "normalizer": { "type": "Lowercase" },
        "pre_tokenizer": { "type": "ByteLevel" },
        "model": { "type": "BPE", "end_of_word_suffix": "</w>", "vocab": vocab, "merges": merges.collect::<Vec<_>>() },
    });
    fs::write(tokenizer.join("tokenizer.json"), json.to_string()).unwrap();
    fs::remove_file(tokenizer.join("vocab.json")).unwrap();
    fs::remove_file(tokenizer.join("merges.txt")).unwrap();
}

/// The same weights give the same tuned model however their file is cut.
#[test]
fn weights_come_whole_in_parts_and_in_half_precision() {
    let chain = Chain::new("parts");
    chain.pipeline("sd21", "whole");
    let parts = chain.pipeline("sd21", "parts");
    let all = read(&parts);
    let mut map = serde_json::Map::new();
    for (at, of_part) in ["one", "two"].into_iter().enumerate() {
        let file = format!("{of_part}.safetensors");
        let half = all
            .iter()
            .enumerate()
            .filter(|(index, _)| index % 2 == at)
            .map(|(_, entry)| named(entry))
            .collect::<StateDict>();
        half.iter().for_each(|(name, _)| drop(map.insert(name.to_owned(), file.clone().into())));
        fs::write(parts.join("unet").join(&file), half.to_safetensors(DType::F32).unwrap())
            .unwrap();
    }
    fs::remove_file(parts.join(UNET)).unwrap();
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    fs::write(parts.join(format!("{UNET}.index.json")), index.to_string()).unwrap();
    let half = chain.pipeline("sd21", "half");
    fs::remove_file(half.join(UNET)).unwrap();
    fs::write(
        half.join("unet/diffusion_pytorch_model.fp16.safetensors"),
        all.to_safetensors(DType::F16).unwrap(),
    )
    .unwrap();

    let run = |pipeline: &str| {
        let set = format!("base.pretrained.text_to_image={pipeline}");
        chain
            .run_with(
                &["images.size=16", &set],
                &["--only", "dreambooth/psoriasis/text-to-image"],
                &[],
            )
            .ran
    };
    assert!(run("whole").contains(&"dreambooth/psoriasis/text-to-image".to_owned()));
    assert_eq!(
        run("parts"),
        ["pretrained/text-to-image"],
        "another packing of the same weights changes nothing after it"
    );
    let one_file = chain.pipeline("sd21", "one-file");
    into_one_file(&one_file.join("tokenizer"));
    let ran = run("one-file");
    assert!(ran.contains(&"pretrained/text-to-image".to_owned()), "{ran:?}");
    assert!(run("half").contains(&"dreambooth/psoriasis/text-to-image".to_owned()));
}
