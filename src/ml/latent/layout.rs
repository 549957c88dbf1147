//! diffusers' layout of a pipeline: a folder with a room for each model, as Stable Diffusion's
//! repositories have it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Value, json};

/// Configuration and weights of each model.
pub const VAE: (&str, &str) = ("vae/config.json", "vae/diffusion_pytorch_model.safetensors");
/// UNet: configuration and weights.
pub const UNET: (&str, &str) = ("unet/config.json", "unet/diffusion_pytorch_model.safetensors");
/// Text encoder: configuration and weights.
pub const TEXT: (&str, &str) = ("text_encoder/config.json", "text_encoder/model.safetensors");
/// Vocabulary and merges.
pub const TOKENIZER: (&str, &str) = ("tokenizer/vocab.json", "tokenizer/merges.txt");
/// The tokenizer's configuration, which names the token that fills a text up. A repository may lack
/// this file and the next.
pub const TOKENIZER_CONFIG: &str = "tokenizer/tokenizer_config.json";
/// The tokenizer's special tokens.
pub const SPECIAL_TOKENS: &str = "tokenizer/special_tokens_map.json";
/// Tokens that were added to the vocabulary.
pub const ADDED_TOKENS: &str = "tokenizer/added_tokens.json";
/// The whole tokenizer in one file, which alone transformers 5 saves.
pub const TOKENIZER_JSON: &str = "tokenizer/tokenizer.json";
/// The files beside the vocabulary, each of which may be lacking.
const BESIDE_VOCABULARY: [&str; 3] = [TOKENIZER_CONFIG, SPECIAL_TOKENS, ADDED_TOKENS];
/// The scheduler's configuration.
pub const SCHEDULER: &str = "scheduler/scheduler_config.json";

/// The diffusers whose files these are, and which tests/fixtures/stable_diffusion was made with.
const DIFFUSERS: &str = "0.42.1";

/// The way on with a low-rank adaptation.
const LORA: &str = "; the folder has a low-rank adaptation (LoRA): put it into its pipeline with diffusers' load_lora_weights and \
                    fuse_lora, and save that with save_pretrained";

/// Why a folder is not a pipeline.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum LayoutError {
    /// A file of the layout is missing.
    #[error("{path} is missing: a pipeline in diffusers' layout has it{hint}", path = path.display())]
    Missing { path: PathBuf, hint: &'static str },
    /// A file could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The index of weights in several files is wrong.
    #[error("{path} is not an index of safetensors files: {problem}", path = path.display())]
    Index { path: PathBuf, problem: String },
}

/// The files of the pipeline at `folder` that are read, by their paths in it: of weights in whole
/// and in parts the whole, of single and half precision the single.
///
/// # Errors
/// If a file is missing or an index of weights is wrong.
pub fn files(folder: &Path) -> Result<Vec<String>, LayoutError> {
    let mut names = Vec::new();
    for (config, weights) in [VAE, UNET, TEXT] {
        names.push(present(folder, config)?);
        names.extend(weight_files(folder, weights)?);
    }
    let whole = [TOKENIZER.0, TOKENIZER.1].iter().any(|name| folder.join(name).is_file());
    let vocabulary = match whole || !folder.join(TOKENIZER_JSON).is_file() {
        true => &[TOKENIZER.0, TOKENIZER.1, SCHEDULER][..],
        false => &[TOKENIZER_JSON, SCHEDULER],
    };
    for name in vocabulary {
        names.push(present(folder, name)?);
    }
    names.extend(
        BESIDE_VOCABULARY.into_iter().filter(|name| folder.join(name).is_file()).map(str::to_owned),
    );
    Ok(names)
}

/// Of a repository's files those that [`files`] would name, and the parts of weights; pipelines
/// anywhere in it.
pub fn wanted(names: &[String]) -> Vec<String> {
    let ends = |end: &str| {
        names
            .iter()
            .filter(|name| **name == end || name.ends_with(&format!("/{end}")))
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut wanted = Vec::new();
    for (config, weights) in [VAE, UNET, TEXT] {
        wanted.extend(ends(config));
        let stem = weights.strip_suffix(".safetensors").unwrap_or(weights);
        let parts = |half: bool| {
            let part = |name: &&String| {
                // `stem.fp16-00001-of-00002.safetensors`, or as older diffusers named them
                // `stem-00001-of-00002.fp16.safetensors`.
                let of_stem =
                    name.contains(&format!("{stem}-")) || name.contains(&format!("{stem}.fp16-"));
                of_stem && name.ends_with(".safetensors") && name.contains(".fp16") == half
            };
            names.iter().filter(part).cloned().collect::<Vec<_>>()
        };
        let whole = [
            ends(weights),
            [ends(&format!("{stem}.safetensors.index.json")), parts(false)].concat(),
            ends(&format!("{stem}.fp16.safetensors")),
            [ends(&format!("{stem}.safetensors.index.fp16.json")), parts(true)].concat(),
        ];
        wanted.extend(whole.into_iter().find(|files| !files.is_empty()).unwrap_or_default());
    }
    let vocabulary = match ends(TOKENIZER.0).is_empty() {
        true => &[TOKENIZER_JSON][..],
        false => &[TOKENIZER.0, TOKENIZER.1],
    };
    for name in vocabulary.iter().chain(&BESIDE_VOCABULARY).chain([&SCHEDULER]) {
        wanted.extend(ends(name));
    }
    wanted
}

fn present(folder: &Path, name: &str) -> Result<String, LayoutError> {
    let path = folder.join(name);
    if path.is_file() {
        return Ok(name.to_owned());
    }
    let adapter = ["pytorch_lora_weights.safetensors", "adapter_model.safetensors"];
    let hint = match adapter.iter().any(|name| folder.join(name).is_file()) {
        true => LORA,
        false => "",
    };
    Err(LayoutError::Missing { path, hint })
}

fn weight_files(folder: &Path, whole: &str) -> Result<Vec<String>, LayoutError> {
    let stem = whole.strip_suffix(".safetensors").unwrap_or(whole);
    let exists = |name: &String| folder.join(name).is_file();
    let (half, index) =
        (format!("{stem}.fp16.safetensors"), format!("{stem}.safetensors.index.json"));
    let half_index = format!("{stem}.safetensors.index.fp16.json");
    if exists(&whole.to_owned()) {
        return Ok(vec![whole.to_owned()]);
    }
    if exists(&index) {
        return parts(folder, &index);
    }
    if exists(&half) {
        return Ok(vec![half]);
    }
    if exists(&half_index) {
        return parts(folder, &half_index);
    }
    let pickled =
        exists(&format!("{stem}.bin")) || exists(&"text_encoder/pytorch_model.bin".to_owned());
    let hint = if pickled {
        "; weights as .bin are not read: convert them with diffusers' save_pretrained"
    } else {
        ""
    };
    Err(LayoutError::Missing { path: folder.join(whole), hint })
}

/// The files that an index names, each once.
fn parts(folder: &Path, index: &str) -> Result<Vec<String>, LayoutError> {
    let path = folder.join(index);
    let text = fs::read_to_string(&path)
        .map_err(|source| LayoutError::Read { path: path.clone(), source })?;
    let failed = |problem: String| LayoutError::Index { path: path.clone(), problem };
    let json: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let map = json
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or_else(|| failed("it has no weight_map".into()))?;
    let room = index.split_once('/').map_or("", |(room, _)| room);
    let names = map.values().map(|name| name.as_str().filter(|name| !name.contains(['/', '\\'])));
    let names = names
        .collect::<Option<BTreeSet<_>>>()
        .ok_or_else(|| failed("weight_map holds something else than file names".into()))?;
    names.into_iter().map(|name| present(folder, &format!("{room}/{name}"))).collect()
}

/// `model_index.json`, by which diffusers' `from_pretrained` opens the whole folder.
pub fn model_index(inpainting: bool) -> String {
    let class =
        if inpainting { "StableDiffusionInpaintPipeline" } else { "StableDiffusionPipeline" };
    let index = json!({
        "_class_name": class,
        "_diffusers_version": DIFFUSERS,
        "feature_extractor": [null, null],
        "requires_safety_checker": false,
        "safety_checker": [null, null],
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    });
    format!("{index:#}\n")
}

/// `tokenizer_config.json` of CLIP's tokenizer for texts of `length` tokens, filled up by the
/// end's.
pub fn tokenizer_config(length: usize) -> String {
    let end = "<|endoftext|>";
    let config = json!({
        "bos_token": "<|startoftext|>",
        "eos_token": end,
        "model_max_length": length,
        "pad_token": end,
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": end,
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(weights: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let rest = [VAE.0, VAE.1, UNET.0, TEXT.0, TEXT.1, TOKENIZER.0, TOKENIZER.1, SCHEDULER];
        for name in rest.iter().chain(weights) {
            fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            fs::write(
                folder.path().join(name),
                r#"{"weight_map": {"a": "two.safetensors", "b": "one.safetensors", "c": "two.safetensors"}}"#,
            )
            .unwrap();
        }
        folder
    }

    #[test]
    fn of_a_repository_what_a_pipeline_needs_is_wanted() {
        let listing = |weights: &[&str]| {
            let rest = [
                "README.md",
                "model.ckpt",
                "safety_checker/config.json",
                "text_encoder/model.fp16.safetensors",
            ];
            let named = [VAE.0, VAE.1, UNET.0, TEXT.0, TEXT.1, TOKENIZER.0, TOKENIZER.1, SCHEDULER];
            rest.iter()
                .chain(&named)
                .chain(weights)
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let stem = "unet/diffusion_pytorch_model";
        let (part, index) = (
            format!("{stem}-00001-of-00001.safetensors"),
            format!("{stem}.safetensors.index.json"),
        );
        let half = format!("{stem}.fp16.safetensors");
        let half_index = format!("{stem}.safetensors.index.fp16.json");
        let (half_part, older) = (
            format!("{stem}.fp16-00001-of-00001.safetensors"),
            format!("{stem}-00001-of-00001.fp16.safetensors"),
        );
        for (weights, expected) in [
            (vec![UNET.1, &half], vec![UNET.1]),
            (vec![&part, &index, &half], vec![&*index, &part]),
            (vec![&half], vec![&*half]),
            (vec![&half_part, &half_index], vec![&*half_index, &half_part]),
            (vec![&older, &half_index], vec![&*half_index, &older]),
        ] {
            let mut wanted = wanted(&listing(&weights));
            let rest = [VAE.0, VAE.1, UNET.0, TEXT.0, TEXT.1, TOKENIZER.0, TOKENIZER.1, SCHEDULER];
            wanted.retain(|name| !rest.contains(&name.as_str()));
            assert_eq!(wanted, expected);
        }
        let deep =
            listing(&[UNET.1]).into_iter().map(|name| format!("base/{name}")).collect::<Vec<_>>();
        assert_eq!(super::wanted(&deep).len(), super::wanted(&listing(&[UNET.1])).len());
    }

    #[test]
    fn whole_weights_come_before_parts_and_single_precision_before_half() {
        let index = "unet/diffusion_pytorch_model.safetensors.index.json";
        let half = "unet/diffusion_pytorch_model.fp16.safetensors";
        let parts = ["unet/one.safetensors", "unet/two.safetensors"];
        let cases: [(&[&str], &[&str]); 4] = [
            (&[UNET.1, index, half], &[UNET.1]),
            (&[index, half, parts[0], parts[1]], &parts),
            (&[half], &[half]),
            (
                &["unet/diffusion_pytorch_model.safetensors.index.fp16.json", parts[0], parts[1]],
                &parts,
            ),
        ];
        for (there, expected) in cases {
            let names = files(pipeline(there).path()).unwrap();
            let unet = names
                .iter()
                .filter(|name| name.starts_with("unet/") && name.ends_with(".safetensors"))
                .collect::<Vec<_>>();
            assert_eq!(unet, expected, "{there:?}");
        }
    }

    #[test]
    fn a_tokenizer_comes_in_two_files_or_in_one() {
        let place = pipeline(&[UNET.1, ADDED_TOKENS]);
        let of_tokenizer = || {
            let names = files(place.path()).unwrap();
            names.into_iter().filter(|name| name.starts_with("tokenizer/")).collect::<Vec<_>>()
        };
        assert_eq!(of_tokenizer(), [TOKENIZER.0, TOKENIZER.1, ADDED_TOKENS]);
        fs::write(place.path().join(TOKENIZER_JSON), "{}").unwrap();
        assert_eq!(of_tokenizer(), [TOKENIZER.0, TOKENIZER.1, ADDED_TOKENS]);
        for name in [TOKENIZER.0, TOKENIZER.1] {
            fs::remove_file(place.path().join(name)).unwrap();
        }
        assert_eq!(of_tokenizer(), [TOKENIZER_JSON, ADDED_TOKENS]);
        let named =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(wanted(&named(&[TOKENIZER_JSON])).contains(&TOKENIZER_JSON.to_owned()));
        let both = named(&[TOKENIZER_JSON, TOKENIZER.0, TOKENIZER.1]);
        assert_eq!(wanted(&both), both[1..]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let complaint = |weights: &[&str]| {
            let folder = pipeline(weights);
            files(folder.path())
                .unwrap_err()
                .to_string()
                .replace(&format!("{}/", folder.path().display()), "")
        };
        let cases: [(&[&str], &str); 3] = [
            (
                &[],
                "unet/diffusion_pytorch_model.safetensors is missing: a pipeline in diffusers' layout has it",
            ),
            (
                &["unet/diffusion_pytorch_model.bin"],
                "unet/diffusion_pytorch_model.safetensors is missing: a pipeline in diffusers' layout has it; weights as .bin are not \
                 read: convert them with diffusers' save_pretrained",
            ),
            (
                &["unet/diffusion_pytorch_model.safetensors.index.json", "unet/two.safetensors"],
                "unet/one.safetensors is missing: a pipeline in diffusers' layout has it",
            ),
        ];
        for (weights, expected) in cases {
            assert_eq!(complaint(weights), expected);
        }
        let lora = tempfile::tempdir().unwrap();
        fs::write(lora.path().join("pytorch_lora_weights.safetensors"), "").unwrap();
        let said = files(lora.path()).unwrap_err().to_string();
        assert!(
            said.contains("vae/config.json is missing") && said.contains("fuse_lora"),
            "{said}"
        );
    }
}
