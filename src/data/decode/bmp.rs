//! BMP files: 1, 4 and 8 bits by a palette, 16, 24 and 32 bits, runs of 4 and 8 bits.
//!
//! Layout: Microsoft's BITMAPFILEHEADER with BITMAPCOREHEADER or BITMAPINFOHEADER and its later
//! versions. Levels of fewer than 8 bits are widened as Pillow widens them. Every pixel is accounted
//! for: what the file does not have is an error, not black.

use super::alpha::blend;
use super::cause::{Cause, UnreadKind};
use crate::data::RgbImage;

/// `biCompression`.
const RAW: u32 = 0;
const RUNS_8: u32 = 1;
const RUNS_4: u32 = 2;
const MASKS: u32 = 3;
const MASKS_WITH_ALPHA: u32 = 6;

/// Bytes of the file's header, before that of the picture.
const FILE_HEADER: usize = 14;
/// Bytes of BITMAPCOREHEADER, and of BITMAPINFOHEADER.
const CORE: usize = 12;
const INFO: usize = 40;

/// What the header says.
struct Header {
    /// Bytes of the picture's header.
    length: usize,
    width: usize,
    height: usize,
    /// Whether the first row is the top one.
    is_downward: bool,
    bits: usize,
    compression: u32,
    /// Colours of the palette; 0: all that the bits can name.
    colours: usize,
    /// Where the pixels begin.
    pixels: usize,
}

/// Width and height.
pub(super) fn size(bytes: &[u8]) -> Result<(usize, usize), Cause> {
    header(bytes).map(|header| (header.width, header.height))
}

/// The picture, with what an alpha channel lets through laid over white.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, Cause> {
    let header = header(bytes)?;
    let unread = || {
        let Header { bits, compression, .. } = header;
        let kind = format!("it has {bits} bits a pixel in compression {compression}");
        Err(UnreadKind(kind).into())
    };
    match (header.bits, header.compression) {
        (1 | 4 | 8, RAW) => by_palette(bytes, &header, &indices(bytes, &header)?),
        (8, RUNS_8) | (4, RUNS_4) => by_palette(bytes, &header, &runs(bytes, &header)?),
        (24, RAW) => by_pixel(bytes, &header, |pixel| Ok([pixel[2], pixel[1], pixel[0]])),
        (32, RAW) => by_pixel(bytes, &header, |pixel| Ok([pixel[2], pixel[1], pixel[0]])),
        (16, RAW) => by_masks(bytes, &header, [0x7c00, 0x03e0, 0x001f, 0]),
        (16 | 32, MASKS | MASKS_WITH_ALPHA) => by_masks(bytes, &header, masks(bytes, &header)?),
        _ => unread(),
    }
}

fn short(bytes: &[u8], at: usize) -> Result<usize, Cause> {
    let found = bytes.get(at..at + 2).ok_or("its header is cut off")?;
    Ok(u16::from_le_bytes([found[0], found[1]]).into())
}

fn long(bytes: &[u8], at: usize) -> Result<u32, Cause> {
    let found = bytes.get(at..at + 4).ok_or("its header is cut off")?;
    Ok(u32::from_le_bytes([found[0], found[1], found[2], found[3]]))
}

fn header(bytes: &[u8]) -> Result<Header, Cause> {
    let (pixels, length) = (long(bytes, 10)? as usize, long(bytes, FILE_HEADER)? as usize);
    if length == CORE {
        return Ok(Header {
            length,
            width: short(bytes, 18)?,
            height: short(bytes, 20)?,
            is_downward: false,
            bits: short(bytes, 24)?,
            compression: RAW,
            colours: 0,
            pixels,
        });
    }
    if length < INFO {
        return Err(
            format!("its header has {length} bytes, where 12 or 40 and more are known").into()
        );
    }
    let (width, height) = (long(bytes, 18)? as i32, long(bytes, 22)? as i32);
    Ok(Header {
        length,
        width: usize::try_from(width).map_err(|_| "its width is negative")?,
        height: height.unsigned_abs() as usize,
        is_downward: height < 0,
        bits: short(bytes, 28)?,
        compression: long(bytes, 30)?,
        colours: long(bytes, 46)? as usize,
        pixels,
    })
}

impl Header {
    /// Where a row of the file stands in the picture.
    fn place(&self, row: usize) -> usize {
        if self.is_downward { row } else { self.height - 1 - row }
    }

    /// The rows of the file, each of a multiple of four bytes.
    fn rows<'a>(&self, bytes: &'a [u8]) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, Cause> {
        let stride = (self.width * self.bits).div_ceil(32) * 4;
        let all = stride
            .checked_mul(self.height)
            .and_then(|length| bytes.get(self.pixels..)?.get(..length));
        Ok(all.ok_or("it is cut off: rows are missing")?.chunks_exact(stride.max(1)))
    }
}

/// The palette's indices, from the top, of pixels of 1, 4 or 8 bits.
fn indices(bytes: &[u8], header: &Header) -> Result<Vec<u8>, Cause> {
    let Header { width, height, bits, .. } = *header;
    let mut indices = vec![0; width * height];
    for (row, line) in header.rows(bytes)?.enumerate() {
        let to = &mut indices[header.place(row) * width..][..width];
        for (x, index) in to.iter_mut().enumerate() {
            let at = x * bits;
            *index = line[at / 8] >> (8 - bits - at % 8) & (0xff >> (8 - bits));
        }
    }
    Ok(indices)
}

/// The palette's indices of pixels that are coded as runs; those that are skipped are 0.
fn runs(bytes: &[u8], header: &Header) -> Result<Vec<u8>, Cause> {
    let Header { width, height, .. } = *header;
    let is_nibbles = header.bits == 4;
    let mut indices = vec![0; width * height];
    let mut codes = bytes.get(header.pixels..).unwrap_or_default().iter().copied();
    let mut next = || codes.next().ok_or("it is cut off: runs are missing");
    let (mut x, mut row) = (0, 0);
    let mut set = |x: usize, row: usize, index: u8| {
        if x < width && row < height {
            indices[header.place(row) * width + x] = index;
        }
    };
    let nibble = |byte: u8, at: usize| if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
    loop {
        let (count, value) = (usize::from(next()?), next()?);
        match (count, value) {
            (0, 0) => (x, row) = (0, row + 1),
            (0, 1) => return Ok(indices),
            (0, 2) => (x, row) = (x + usize::from(next()?), row + usize::from(next()?)),
            (0, literal) => {
                let length = usize::from(literal);
                let stored = if is_nibbles { length.div_ceil(2) } else { length };
                let mut byte = 0;
                for at in 0..length {
                    if !is_nibbles || at.is_multiple_of(2) {
                        byte = next()?;
                    }
                    set(x + at, row, if is_nibbles { nibble(byte, at) } else { byte });
                }
                if !stored.is_multiple_of(2) {
                    next()?;
                }
                x += length;
            }
            (count, value) => {
                for at in 0..count {
                    set(x + at, row, if is_nibbles { nibble(value, at) } else { value });
                }
                x += count;
            }
        }
    }
}

fn by_palette(bytes: &[u8], header: &Header, indices: &[u8]) -> Result<RgbImage, Cause> {
    let Header { length, width, height, bits, colours, .. } = *header;
    let entry = if length == CORE { 3 } else { 4 };
    let count = if colours == 0 { 1 << bits } else { colours.min(1 << bits) };
    let start = FILE_HEADER + length;
    let palette = bytes.get(start..start + entry * count).ok_or("its palette is cut off")?;
    let mut pixels = Vec::with_capacity(3 * width * height);
    for &index in indices {
        let colour = palette.chunks_exact(entry).nth(index.into());
        let colour = colour.ok_or("a pixel has no colour in its palette")?;
        pixels.extend([colour[2], colour[1], colour[0]]);
    }
    Ok(RgbImage { width, height, pixels })
}

/// Pixels of whole bytes.
fn by_pixel(
    bytes: &[u8],
    header: &Header,
    colour: impl Fn(&[u8]) -> Result<[u8; 3], Cause>,
) -> Result<RgbImage, Cause> {
    let Header { width, height, bits, .. } = *header;
    let mut image = RgbImage::new(width, height);
    for (row, line) in header.rows(bytes)?.enumerate() {
        for (x, pixel) in line.chunks_exact(bits / 8).take(width).enumerate() {
            image.set_pixel(x, header.place(row), colour(pixel)?);
        }
    }
    Ok(image)
}

/// The masks of red, green, blue and alpha.
fn masks(bytes: &[u8], header: &Header) -> Result<[u32; 4], Cause> {
    let at = FILE_HEADER + INFO;
    let has_alpha = header.length >= INFO + 16 || header.compression == MASKS_WITH_ALPHA;
    let alpha = if has_alpha { long(bytes, at + 12)? } else { 0 };
    Ok([long(bytes, at)?, long(bytes, at + 4)?, long(bytes, at + 8)?, alpha])
}

fn by_masks(bytes: &[u8], header: &Header, masks: [u32; 4]) -> Result<RgbImage, Cause> {
    let contiguous = |mask: u32| {
        let shifted = u64::from(mask) >> mask.trailing_zeros().min(31);
        (shifted + 1).is_power_of_two() && shifted < 256
    };
    if !masks.into_iter().all(contiguous) || masks[..3].contains(&0) {
        return Err(UnreadKind(format!("the masks of its colours are {masks:x?}")).into());
    }
    let level = |value: u32, mask: u32| {
        let most = mask >> mask.trailing_zeros();
        ((value & mask) >> mask.trailing_zeros()) * 255 / most
    };
    by_pixel(bytes, header, |pixel| {
        let value = pixel.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte));
        let [red, green, blue] = [0, 1, 2].map(|channel| level(value, masks[channel]) as u8);
        let alpha = if masks[3] == 0 { 255 } else { level(value, masks[3]) as u8 };
        Ok([red, green, blue].map(|level| blend(level, alpha)))
    })
}
