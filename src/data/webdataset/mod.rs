//! WebDataset shards: a tar file with two members an item, `<id>.png` and `<id>.json`.
//!
//! The JSON holds `id, label, fst, malignant, patient, caption, source` (`malignant` and `patient`
//! where they are known), and for a generated image also the keys of the released synthetic-derm
//! shards (`name, md5hash, label, method, submethod, generation_num, tag`). Shards that others
//! wrote are read as [`Sample`]s, gzipped or not: pictures of any format that
//! [`decode`](super::decode) reads, with their classes in a JSON member or one that ends in `.cls`.
//! Extensions count in small and capital letters alike.

mod error;
mod read;
mod record;
mod tail;
#[cfg(test)]
mod tests;
mod write;

pub use error::ShardError;
pub use read::{Sample, Unused, for_each_record, for_each_sample, is_gzipped, read_shard};
pub use record::{Fields, Record};
pub use write::{ShardWriter, apart, plain, write_shard};
