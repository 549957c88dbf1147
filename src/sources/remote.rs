//! Paths of a study that lead to the Hugging Face hub: where their files are on this machine, and
//! how they come here.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::shards::is_shard;
use crate::data::released;
use crate::data::sets::TableRole;
use crate::hub::{Hub, Location, SCHEME};
use crate::ml::latent::layout;
use crate::study::{LoadedStudy, ReleasedFolder};

/// The path, or what it names in the hub where all that the study reads of it is on this machine;
/// where it is not, the path as it is.
pub(super) fn here(loaded: &LoadedStudy, path: PathBuf) -> Result<PathBuf> {
    let Some(location) = remote(&path)? else { return Ok(path) };
    let mut named = paths(loaded);
    named.retain(|(_, other, _)| *other == path);
    let wants = |files: &[String]| named.iter().flat_map(|(.., wants)| wants(files)).collect();
    Ok(Hub::from_env()?.cached(&location, wants).unwrap_or(path))
}

/// What a path names in the hub, if it does.
fn remote(path: &std::path::Path) -> Result<Option<Location>> {
    let text = path.to_str().filter(|text| text.starts_with(SCHEME));
    Ok(text.map(str::parse).transpose()?)
}

/// Which of a location's files a study reads, of their names in the repository.
type Wants<'a> = Box<dyn Fn(&[String]) -> Vec<String> + 'a>;

/// Downloads what the study's paths name in the hub and is not on this machine: those whose keys
/// begin with `keys`.
///
/// # Errors
/// If a path names no place in the hub, or what it names can't be downloaded.
pub fn fetch(loaded: &LoadedStudy, keys: &str) -> Result<()> {
    for (key, path, wants) in paths(loaded).into_iter().filter(|(key, ..)| key.starts_with(keys)) {
        if let Some(location) = remote(&path).with_context(|| key.clone())? {
            Hub::from_env()
                .and_then(|hub| {
                    hub.fetch(&location, |files| wants(files), &mut |line| {
                        // A closed pipe ends no download.
                        let _ = writeln!(std::io::stderr(), "{line}");
                    })
                })
                .with_context(|| key.clone())?;
        }
    }
    Ok(())
}

/// Every path of a study that may be in the hub.
fn paths(loaded: &LoadedStudy) -> Vec<(String, PathBuf, Wants<'_>)> {
    let study = &loaded.study;
    let mut all: Vec<(String, PathBuf, Wants<'_>)> = Vec::new();
    if study.images.source.has_pictures() {
        all.push(("images.path".to_owned(), loaded.images_folder(), Box::new(pictures)));
    }
    let mut whole = |key: String, path: Option<PathBuf>| {
        all.extend(path.map(|path| (key, path, Box::new(<[String]>::to_vec) as Wants<'_>)));
    };
    for role in TableRole::ALL {
        whole(format!("images.{}", role.name()), loaded.images_table(role.name()));
    }
    whole("base.pretrained.backbone".to_owned(), loaded.pretrained_backbone());
    let [text_to_image, inpainting] = loaded.pretrained_folders();
    for (key, folder) in [
        ("base.pretrained.text_to_image", text_to_image),
        ("base.pretrained.inpainting", inpainting),
    ] {
        all.extend(
            folder.map(|path| (key.to_owned(), path, Box::new(layout::wanted) as Wants<'_>)),
        );
    }
    for ReleasedFolder { key, folder, variant } in loaded.released_folders() {
        let strategies = study.strategies_of(&variant);
        let strategies = strategies.iter().map(|strategy| strategy.name()).collect::<Vec<_>>();
        let wants = move |files: &[String]| {
            let may_have = |file: &&String| {
                let name = file.rsplit('/').next().unwrap_or(file);
                is_shard(name) && released::may_have(name, &study.images.classes, &strategies)
            };
            files.iter().filter(may_have).cloned().collect()
        };
        all.push((key, folder, Box::new(wants)));
    }
    all
}

/// Everything but what a repository says of itself.
fn pictures(files: &[String]) -> Vec<String> {
    let said = |file: &&String| file.ends_with(".md") || file.ends_with(".gitattributes");
    files.iter().filter(|file| !said(file)).cloned().collect()
}

/// The keys of [`paths`].
#[cfg(test)]
pub(super) fn keys(loaded: &LoadedStudy) -> Vec<String> {
    paths(loaded).into_iter().map(|(key, ..)| key).collect()
}
