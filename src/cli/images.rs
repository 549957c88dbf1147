//! `titrate images`: the images of a task's output on a sheet.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use crate::cli::args::Images;
use crate::cli::common::{Pipeline, open_to_read, print, workspace};
use crate::cli::exit::Exit;
use crate::cli::export;
use crate::cli::results::{key_of, last_receipt};
use crate::data::sheet;
use crate::data::webdataset::{self, Sample, ShardError};
use crate::store::StoreError;
use crate::wording::quoted;

/// Why a shard could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Shard(#[from] ShardError),
}

pub(super) fn images(pipeline: &Pipeline, arguments: &Images) -> Result<Exit> {
    let Images { label, file, which, most, columns } = arguments;
    let opened = open_to_read(pipeline, which)?;
    let receipt = last_receipt(&opened, label, key_of(&opened, label)?)?;
    let shards = receipt.output.entries().iter().filter(|entry| entry.name.ends_with(".tar"));
    let (mut items, mut count) = (Vec::new(), 0);
    for entry in shards {
        let name = format!("{label}/{}", entry.name);
        let mut each = |sample: Sample| -> Result<(), ReadError> {
            count += 1;
            if *most == 0 || count <= *most {
                items.push(sample.into_item(&name)?);
            }
            Ok(())
        };
        let objects = opened.store.objects();
        objects
            .stream(&entry.digest, |shard| webdataset::for_each_sample(shard, &name, &mut each))?;
    }
    if items.is_empty() {
        bail!(
            "the output of {label} has no images in shards; `titrate show {}` lists what it has",
            quoted(label)
        );
    }
    let columns = usize::from(*columns);
    let path = workspace().join(file);
    let images = items.iter().map(|item| item.image.clone()).collect::<Vec<_>>();
    export::bytes(&path, &sheet::laid_out(&images, columns).to_png(label)?)
        .with_context(|| format!("write {}", path.display()))?;
    let mut text = format!("{}: {} of {count} images of {label}\n", file.display(), items.len());
    for (number, row) in items.chunks(columns).enumerate() {
        let ids = row.iter().map(|item| item.id.as_str()).collect::<Vec<_>>().join("  ");
        writeln!(text, "  row {}: {ids}", number + 1)?;
    }
    print(&text)?;
    Ok(Exit::Done)
}
