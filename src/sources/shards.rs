//! Folders of shards, a block each: those of an image set, and those of a released synthetic set.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::absent::absent;
use crate::data::catalogue::value::visible;
use crate::data::released;
use crate::plan::pipeline::Block;
use crate::plan::{Input, InputFile};
use crate::store::Store;
use crate::study::Study;

/// Pictures of a shard, about: what it costs is not known before it is read.
const PICTURES: usize = 1000;

/// The shards of a released synthetic set that may have images for the study, a block each.
pub(super) fn released(
    study: &Study,
    variant: &str,
    key: &str,
    folder: &Path,
    store: &Store,
) -> Result<Vec<Block>> {
    if !folder.is_dir() {
        let files = Input::Absent(absent(key, folder));
        return Ok(vec![Block { name: "shards".to_owned(), files, pictures: PICTURES }]);
    }
    let strategies = study.strategies_of(variant);
    let strategies = strategies.iter().map(|strategy| strategy.name()).collect::<Vec<_>>();
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

/// The tar files of the folder that `key` names, by their names, as far as `takes` them.
pub(super) fn shards(
    root: &Path,
    key: &str,
    takes: impl Fn(&str) -> bool,
    store: &Store,
) -> Result<Vec<Block>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root).with_context(|| format!("{key}: {}", root.display()))? {
        let path = entry?.path();
        if path.to_str().is_some_and(is_shard) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    if paths.is_empty() {
        bail!(
            "{key}: {} has no tar file: shards are called something.tar or something.tar.gz",
            root.display()
        );
    }
    paths.retain(|path| path.file_name().and_then(|name| name.to_str()).is_none_or(&takes));
    let block = |path: PathBuf| -> Result<Block> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name =
            name.with_context(|| format!("{}: the name is not UTF-8", path.display()))?.to_owned();
        let digest = store.file_digest(&path)?;
        let (stem, files) =
            (visible(stem(&name)), Input::Files(vec![InputFile { name, digest, path }]));
        Ok(Block { name: stem, files, pictures: PICTURES })
    };
    paths.into_iter().map(block).collect()
}

/// Ends of the names of shards, in small letters.
const ENDS: [&str; 3] = [".tar", ".tar.gz", ".tgz"];

/// Whether a file is a shard by its name.
pub(super) fn is_shard(name: &str) -> bool {
    stem(name).len() < name.len()
}

/// A shard's name without its end.
fn stem(name: &str) -> &str {
    let small = name.to_ascii_lowercase();
    let end = ENDS.iter().filter(|end| small.ends_with(*end)).map(|end| end.len()).max();
    &name[..name.len() - end.unwrap_or(0)]
}
