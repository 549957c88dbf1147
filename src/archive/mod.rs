//! Archives: the results of a study in one file, for a journal or a repository of data, to be read
//! without titrate and checked with it.
//!
//! May import `date`, `id`, `regular`, `remote`, `replace`, `store` and `wording`. An archive is a
//! zip file without compression and an RO-Crate:
//!
//! ```text
//! ro-crate-metadata.json  what is in it and how it was made, for readers of RO-Crates
//! titrate.json            the same for titrate: tasks with their keys, objects with their digests
//! study.toml              the study as it was resolved
//! Cargo.lock              the versions of all that the program was built from
//! receipts/<key>.json     the receipt of each task, signed where a key was given
//! report/...              the report's files, as they are called
//! objects/<digest>        all other outputs that were not left out
//! ```

mod contents;
mod error;
mod export;
mod metadata;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use contents::{Contents, Included, LeftOut, Named};
pub use error::ArchiveError;
pub use export::{Export, Exported};
pub use read::Archive;
