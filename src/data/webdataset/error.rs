//! What can be wrong with a shard.

use std::io;

use crate::data::image::ImageError;

/// What is wrong with a shard, and where in it.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    #[error("shard `{shard}` is cut off or not a tar file, after member `{after}`: {cause}")]
    Tar { shard: String, after: String, cause: io::Error },
    #[error(
        "shard `{shard}` ends after member `{after}` without the end-of-archive mark: it is cut off"
    )]
    CutOff { shard: String, after: String },
    #[error(
        "shard `{shard}`, member `{member}`: {found} of {expected} bytes, the shard is cut off"
    )]
    ShortMember { shard: String, member: String, found: usize, expected: u64 },
    #[error("shard `{shard}`, member `{member}` has {bytes} bytes: {most} at most")]
    LargeMember { shard: String, member: String, bytes: u64, most: u64 },
    #[error("shard `{shard}`, sample `{sample}`: its members have more than {most} bytes together")]
    LargeSample { shard: String, sample: String, most: u64 },
    #[error("shard `{shard}`, member `{member}`: {cause}")]
    Image { shard: String, member: String, cause: ImageError },
    #[error("shard `{shard}`, member `{member}`: the record can't be read: {cause}")]
    Record { shard: String, member: String, cause: serde_json::Error },
    #[error("shard `{shard}`: sample `{sample}` has no {missing} member")]
    Incomplete { shard: String, sample: String, missing: &'static str },
    #[error(
        "shard `{shard}` has no picture: its members are called as `{member}`, and WebDataset takes `{extension}`, all after the first \
         dot, for what the member is; png, jpg, jpeg, webp, gif and bmp are pictures, json and cls say what they show"
    )]
    NoSample { shard: String, member: String, extension: String },
    #[error(
        "item `{id}` can't name the members of a shard: an id is not empty and has no `.` or `/`"
    )]
    Id { id: String },
    #[error("item `{id}` can't be written to a shard: {cause}")]
    Write { id: String, cause: io::Error },
    #[error("item `{id}` can't be written to a shard: {cause}")]
    Encode { id: String, cause: ImageError },
}
