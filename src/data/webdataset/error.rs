//! What can be wrong with a shard.

use std::io;

use crate::data::image::ImageError;

/// What is wrong with a shard, and where in it.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// Reading fails: the shard is cut off, damaged or not a tar file.
    #[error("shard `{shard}` is cut off or not a tar file, after member `{after}`: {cause}")]
    Tar {
        /// The shard's name.
        shard: String,
        /// The last member that was read whole; "(none)" before the first.
        after: String,
        /// The error of reading.
        cause: io::Error,
    },
    /// The shard ends without the end-of-archive mark.
    #[error(
        "shard `{shard}` ends after member `{after}` without the end-of-archive mark: it is cut off"
    )]
    CutOff {
        /// The shard's name.
        shard: String,
        /// The last member that was read whole.
        after: String,
    },
    /// The shard ends before a member does.
    #[error(
        "shard `{shard}`, member `{member}`: {found} of {expected} bytes, the shard is cut off"
    )]
    ShortMember {
        /// The shard's name.
        shard: String,
        /// The member's name.
        member: String,
        /// Bytes that were found.
        found: usize,
        /// Bytes that the member's header says.
        expected: u64,
    },
    /// A member is too large to be held in memory.
    #[error("shard `{shard}`, member `{member}` has {bytes} bytes: {most} at most")]
    LargeMember {
        /// The shard's name.
        shard: String,
        /// The member's name.
        member: String,
        /// The member's size.
        bytes: u64,
        /// Bytes that a member may have.
        most: u64,
    },
    /// The members of a sample are together too large to be held in memory.
    #[error("shard `{shard}`, sample `{sample}`: its members have more than {most} bytes together")]
    LargeSample {
        /// The shard's name.
        shard: String,
        /// The key of the sample.
        sample: String,
        /// Bytes that the members may have together.
        most: u64,
    },
    /// A member can't be read as an image.
    #[error("shard `{shard}`, member `{member}`: {cause}")]
    Image {
        /// The shard's name.
        shard: String,
        /// The member's name.
        member: String,
        /// What is wrong with the image.
        cause: ImageError,
    },
    /// A record is not JSON, or not of the form that is expected.
    #[error("shard `{shard}`, member `{member}`: the record can't be read: {cause}")]
    Record {
        /// The shard's name.
        shard: String,
        /// The member's name.
        member: String,
        /// The parser's error.
        cause: serde_json::Error,
    },
    /// A sample has no picture, or nothing that says its class.
    #[error("shard `{shard}`: sample `{sample}` has no {missing} member")]
    Incomplete {
        /// The shard's name.
        shard: String,
        /// The key of the sample.
        sample: String,
        /// The kind of member that is missing.
        missing: &'static str,
    },
    /// The shard has members, but no sample.
    #[error(
        "shard `{shard}` has no picture: its members are called as `{member}`, and WebDataset takes `{extension}`, all after the first \
         dot, for what the member is; png, jpg, jpeg, webp, gif and bmp are pictures, json and cls say what they show"
    )]
    NoSample {
        /// The shard's name.
        shard: String,
        /// The last member of the shard.
        member: String,
        /// All of its name after the first dot.
        extension: String,
    },
    /// An item's id can't name members.
    #[error(
        "item `{id}` can't name the members of a shard: an id is not empty and has no `.` or `/`"
    )]
    Id {
        /// The item's id.
        id: String,
    },
    /// An item's members, or the end of the archive, can't be written.
    #[error("item `{id}` can't be written to a shard: {cause}")]
    Write {
        /// The item's id, or "end of archive".
        id: String,
        /// The error of writing.
        cause: io::Error,
    },
    /// An item's image can't be encoded.
    #[error("item `{id}` can't be written to a shard: {cause}")]
    Encode {
        /// The item's id.
        id: String,
        /// What is wrong with the image.
        cause: ImageError,
    },
}
