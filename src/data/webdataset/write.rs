//! Writing shards.

use std::io::{self, Write};

use super::error::ShardError;
use super::record::record_json;
use crate::data::Item;

/// Writes one item at a time; the same items give the same bytes (mtime 0, mode 0644, no owner).
pub struct ShardWriter<W: Write> {
    tar: tar::Builder<W>,
}

impl<W: Write> ShardWriter<W> {
    /// A writer of one shard, to `sink`.
    pub fn new(sink: W) -> Self {
        Self { tar: tar::Builder::new(sink) }
    }

    /// Writes the item's picture and record.
    ///
    /// # Errors
    /// If the id can't name members, the image can't be encoded, or writing fails.
    pub fn append(&mut self, item: &Item) -> Result<(), ShardError> {
        if item.id.is_empty() || item.id.contains(['.', '/']) {
            return Err(ShardError::Id { id: item.id.clone() });
        }
        let png = item
            .image
            .to_png(&item.id)
            .map_err(|cause| ShardError::Encode { id: item.id.clone(), cause })?;
        let json = record_json(item)
            .map_err(|cause| ShardError::Write { id: item.id.clone(), cause: cause.into() })?;
        for (extension, bytes) in [("png", &png[..]), ("json", &json[..])] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            let member = format!("{}.{extension}", item.id);
            let written = self.tar.append_data(&mut header, member, bytes);
            written.map_err(|cause| ShardError::Write { id: item.id.clone(), cause })?;
        }
        Ok(())
    }

    /// Writes the end-of-archive mark and hands the sink back.
    pub fn finish(self) -> io::Result<W> {
        self.tar.into_inner()
    }
}

/// `items` as the bytes of one shard.
pub fn write_shard<'a>(items: impl IntoIterator<Item = &'a Item>) -> Result<Vec<u8>, ShardError> {
    let mut writer = ShardWriter::new(Vec::new());
    for item in items {
        writer.append(item)?;
    }
    writer.finish().map_err(|cause| ShardError::Write { id: "end of archive".to_owned(), cause })
}

/// An id as one word, which can name members: others' records may have any.
pub fn plain(id: &str) -> String {
    id.replace(['/', '.'], "-")
}

/// The id of a picture of `shard` whose own id other shards have too.
pub fn apart(shard: &str, id: &str) -> String {
    format!("{}-{id}", plain(shard))
}
