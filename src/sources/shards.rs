//! Folders of shards, a block each: those of an image set, and those of a released synthetic set.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::absent::absent;
use crate::data::catalogue::value::visible;
use crate::data::released;
use crate::data::sets::Packed;
use crate::data::webdataset::{self, Sample, ShardError};
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

/// Bytes of gzipped shards that are read for what they have before anything runs: there is no way
/// to it but through all of a file.
const GZIPPED: u64 = 1 << 30;

/// What is said where they are not.
pub(super) const UNCOUNTED: &str = "the gzipped shards have more than 1 GiB: whether they have what the \
     sets ask for, the tasks that unpack them say";

/// The pictures of an image set's shards as their records have them, in the order of the blocks;
/// none where gzipped ones are too large to be read for it.
///
/// # Errors
/// If a shard can't be read, or is not one.
pub(super) fn records(blocks: &[Block]) -> Result<Option<Vec<Packed>>> {
    let (mut shards, mut gzipped) = (Vec::new(), 0);
    for block in blocks {
        let Input::Files(files) = &block.files else { return Ok(None) };
        for file in files {
            let reading = || format!("read {}", file.path.display());
            let mut opened = File::open(&file.path).with_context(reading)?;
            let mut first = [0; 2];
            let read = opened.read(&mut first).with_context(reading)?;
            opened.rewind().with_context(reading)?;
            let is_gzipped = webdataset::is_gzipped(&first[..read]);
            if is_gzipped {
                gzipped += opened.metadata().with_context(reading)?.len();
            }
            shards.push((&block.name, file, opened, is_gzipped));
        }
    }
    if gzipped > GZIPPED {
        return Ok(None);
    }
    let (mut all, mut counts) = (Vec::new(), HashMap::<String, usize>::new());
    for (name, file, opened, is_gzipped) in shards {
        let shard = &file.name;
        let mut of_shard = Vec::new();
        let enter = |sample: Sample| -> Result<(), ShardError> {
            let id = webdataset::plain(&sample.id());
            let file = format!("{shard}/{}", sample.member);
            of_shard.push(Packed { id, file, fields: sample.fields.cells() });
            Ok(())
        };
        match is_gzipped {
            true => webdataset::for_each_sample(BufReader::new(opened), shard, enter).map(drop)?,
            false => webdataset::for_each_record(opened, shard, enter)?,
        }
        let ids = of_shard.iter().map(|packed| packed.id.clone()).collect::<HashSet<_>>();
        ids.into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
        all.extend(of_shard.into_iter().map(|packed| (name, packed)));
    }
    let apart = |(name, packed): (&String, Packed)| match counts[&packed.id] {
        1 => packed,
        _ => Packed { id: webdataset::apart(name, &packed.id), ..packed },
    };
    Ok(Some(all.into_iter().map(apart).collect()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;
    use crate::plan::InputFile;

    #[test]
    fn gzipped_shards_are_read_up_to_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        std::fs::write(&path, [0x1f, 0x8b]).unwrap();
        // All but its first bytes are a hole.
        File::options().write(true).open(&path).unwrap().set_len(GZIPPED + 1).unwrap();
        let file = InputFile { name: "a.tar.gz".to_owned(), digest: Digest::of(b""), path };
        let block = |files| Block { name: "a".to_owned(), files, pictures: 1 };
        assert_eq!(records(&[block(Input::Files(vec![file]))]).unwrap(), None);
        assert_eq!(records(&[block(Input::Absent("a".to_owned()))]).unwrap(), None);
    }
}
