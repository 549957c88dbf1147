//! Pictures as researchers have them, to upright 8-bit RGB: JPEG, PNG, WebP, GIF, BMP.
//!
//! Grey is repeated over the channels, palettes are looked up, CMYK is turned into RGB without a
//! colour profile, of 16 bits the upper 8 are kept, what is transparent is laid over white, an
//! animation gives its first frame, and the orientation in EXIF or XMP data is applied. Everything
//! else, and what a decoder is known to get wrong, is a [`PictureError`] that names the file.

mod alpha;
mod bmp;
mod cause;
mod exif;
mod format;
mod jpeg;
mod memory;
#[cfg(test)]
mod tests;
mod xmp;

use super::RgbImage;
use cause::{Cause, UnreadKind};
pub use format::Format;
pub use memory::Memory;

/// Pixels that a picture may have: Pillow's limit, twice its `MAX_IMAGE_PIXELS`. 13,377 px square.
pub const MOST_PIXELS: usize = 178_956_970;
/// Bytes that a picture's file may have: it is held in memory.
pub const MOST_BYTES: u64 = 1 << 28;
/// The least side of a picture: a file of fewer pixels stands in for one.
pub const LEAST_SIDE: usize = 4;

/// A picture that can't be used; `name` is the file's as its set gives it.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file is empty.
    #[error("picture `{name}` is empty: its file has no byte")]
    Empty {
        /// The file's name.
        name: String,
    },
    /// The file has none of the formats that are read.
    #[error("picture `{name}` is {what}: JPEG, PNG, WebP, GIF and BMP are read")]
    Format {
        /// The file's name.
        name: String,
        /// What the file looks like, with its article, such as "a PDF".
        what: &'static str,
    },
    /// The file has more than [`MOST_BYTES`] bytes.
    #[error("picture `{name}` has {bytes} bytes: {MOST_BYTES} at most")]
    LargeFile {
        /// The file's name.
        name: String,
        /// The size of the file.
        bytes: u64,
    },
    /// The picture has more than [`MOST_PIXELS`] pixels.
    #[error(
        "picture `{name}` has {width} x {height} pixels: {MOST_PIXELS} at most (decompression bombs have more)"
    )]
    TooLarge {
        /// The file's name.
        name: String,
        /// The width in pixels, as stored.
        width: usize,
        /// The height in pixels, as stored.
        height: usize,
    },
    /// A side of the picture is shorter than [`LEAST_SIDE`].
    #[error(
        "picture `{name}` has {width} x {height} pixels: a side of {LEAST_SIDE} at least (smaller files stand in for pictures)"
    )]
    TooSmall {
        /// The file's name.
        name: String,
        /// The width in pixels, as stored.
        width: usize,
        /// The height in pixels, as stored.
        height: usize,
    },
    /// The picture's format is read, but not this kind of it.
    #[error(
        "picture `{name}` is a {} of a kind that is not read: {kind}. Save it again as an ordinary one or as PNG", .format.name()
    )]
    Kind {
        /// The file's name.
        name: String,
        /// The picture's format.
        format: Format,
        /// The kind, as a clause such as "it is lossless".
        kind: String,
    },
    /// The picture's bytes can't be decoded.
    #[error("picture `{name}` is a damaged {}: {cause}", .format.name())]
    Damaged {
        /// The file's name.
        name: String,
        /// The picture's format.
        format: Format,
        /// The decoder's error.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What a picture's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format, by the first bytes.
    pub format: Format,
    /// As stored, before it is put upright.
    pub width: usize,
    /// As stored, before it is put upright.
    pub height: usize,
}

impl Header {
    /// Bytes that decoding takes, about: the pixels twice, once as stored and once upright; of a
    /// JPEG before that its planes, and the coefficients of one in several scans.
    pub fn memory(&self) -> usize {
        let each = if self.format == Format::Jpeg { 15 } else { 6 };
        each * self.width * self.height
    }
}

/// The format and the size of a picture that is neither too small nor too large.
pub fn header(bytes: &[u8], name: &str) -> Result<Header, PictureError> {
    let own = || name.to_owned();
    if bytes.is_empty() {
        return Err(PictureError::Empty { name: own() });
    }
    let format = Format::of(bytes)
        .ok_or_else(|| PictureError::Format { name: own(), what: looks_like(bytes) })?;
    let size = guarded(|| format.size(bytes));
    let (width, height) = size.map_err(|cause| faulty(name, format, cause))?;
    if width.min(height) < LEAST_SIDE {
        return Err(PictureError::TooSmall { name: own(), width, height });
    }
    if width.checked_mul(height).is_none_or(|pixels| pixels > MOST_PIXELS) {
        return Err(PictureError::TooLarge { name: own(), width, height });
    }
    Ok(Header { format, width, height })
}

/// The picture in a file's bytes, upright.
pub fn decode(bytes: &[u8], name: &str) -> Result<RgbImage, PictureError> {
    let Header { format, .. } = header(bytes, name)?;
    let damaged = |cause| faulty(name, format, cause);
    let (image, orientation) = guarded(|| format.decode(bytes)).map_err(damaged)?;
    if image.pixels.len() != 3 * image.width * image.height {
        return Err(damaged(
            format!("{} bytes for {} x {} pixels", image.pixels.len(), image.width, image.height)
                .into(),
        ));
    }
    Ok(exif::upright(image, orientation))
}

fn faulty(name: &str, format: Format, cause: Cause) -> PictureError {
    let name = name.to_owned();
    match cause.downcast::<UnreadKind>() {
        Ok(kind) => PictureError::Kind { name, format, kind: kind.0 },
        Err(cause) => PictureError::Damaged { name, format, cause },
    }
}

/// A decoder's panic over bytes from outside is a fault of the file, not of the task.
fn guarded<T>(decode: impl FnOnce() -> Result<T, Cause>) -> Result<T, Cause> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode));
    caught.unwrap_or_else(|_| Err("its decoder gave up".into()))
}

/// Whether the bytes are one line that is a path, and nothing else.
fn is_path(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes.trim_ascii_end()).unwrap_or_default();
    text.len() < 4096 && text.contains('/') && !text.contains(char::is_control)
}

/// What lies in a picture's place, with its article.
fn looks_like(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start().to_ascii_lowercase();
    match bytes {
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => "a TIFF or a camera's raw file",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "an HEIC, an AVIF or a video",
        _ if text.starts_with(b"<svg") => "an SVG drawing",
        _ if text.starts_with(b"<") => {
            "a web page or another text of tags (a download that failed leaves such)"
        }
        _ if bytes.starts_with(b"%PDF") => "a PDF",
        _ if bytes.starts_with(b"version https://git-lfs") => {
            "a Git LFS pointer, whose picture is not fetched (git lfs pull fetches it)"
        }
        _ if is_path(bytes) => {
            "the path of another file, as a link that was saved as text has (git annex get or dvc pull fetch what it stands for)"
        }
        _ => "no picture of a known format",
    }
}
