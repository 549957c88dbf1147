//! Shards of pictures: tar files in which each picture has its record beside it.

use super::set::{Contents, Pictures};
use crate::data::catalogue::{Catalogue, CatalogueError};

/// The set of study files that say `webdataset`.
pub struct Shards;

impl Pictures for Shards {
    fn title(&self) -> &'static str {
        "shards of pictures"
    }

    fn is_packed(&self) -> bool {
        true
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        Ok(Catalogue::new(contents.packed, Vec::new()))
    }
}
