//! 8-bit RGB images and their PNG form.

use std::io::Cursor;

/// A PNG that can't be read or an image that can't be written; `name` is the item, the file or the
/// shard member.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The bytes are not a whole PNG.
    #[error("image `{name}` is not a readable PNG ({bytes} bytes): {cause}")]
    Decode {
        /// The item, the file or the shard member.
        name: String,
        /// How many bytes there are.
        bytes: usize,
        /// The decoder's error.
        cause: png::DecodingError,
    },
    /// The PNG has more than 8 bits a channel, or its palette is not expanded.
    #[error(
        "image `{name}` is a PNG of {colour:?} at {depth:?}: 8-bit RGB, RGBA or greyscale expected"
    )]
    Format {
        /// The item, the file or the shard member.
        name: String,
        /// The PNG's colour type, once palettes are looked up.
        colour: png::ColorType,
        /// Bits of a channel.
        depth: png::BitDepth,
    },
    /// The image does not hold three bytes for each pixel.
    #[error(
        "image `{name}` holds {found} bytes where {width} x {height} RGB pixels take {expected}"
    )]
    Size {
        /// The item, the file or the shard member.
        name: String,
        /// The width in pixels.
        width: usize,
        /// The height in pixels.
        height: usize,
        /// Bytes that the image holds.
        found: usize,
        /// Bytes that it should hold.
        expected: usize,
    },
    /// The encoder refuses the image, such as one without a pixel.
    #[error("image `{name}` can't be encoded as PNG: {cause}")]
    Encode {
        /// The item, the file or the shard member.
        name: String,
        /// The encoder's error.
        cause: png::EncodingError,
    },
}

/// Rows from the top, pixels from the left, red, green and blue bytes in sRGB: `pixels.len() == 3 *
/// width * height`.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// The bytes of all pixels, row by row.
    pub pixels: Vec<u8>,
}

impl RgbImage {
    /// A black image.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; 3 * width * height] }
    }

    /// The pixel in column `x` of row `y`; panics outside the image.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// Sets the pixel in column `x` of row `y`; panics outside the image.
    pub fn set_pixel(&mut self, x: usize, y: usize, rgb: [u8; 3]) {
        let at = 3 * (y * self.width + x);
        self.pixels[at..at + 3].copy_from_slice(&rgb);
    }

    /// The image as an 8-bit RGB PNG without metadata; the same image gives the same bytes. `name`
    /// is used in errors.
    pub fn to_png(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let expected = 3 * self.width * self.height;
        if self.pixels.len() != expected {
            let (width, height, found) = (self.width, self.height, self.pixels.len());
            return Err(ImageError::Size { name: name.to_owned(), width, height, found, expected });
        }
        let encode = || -> Result<Vec<u8>, png::EncodingError> {
            let mut bytes = Vec::with_capacity(expected / 2 + 128);
            let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_depth(png::BitDepth::Eight);
            encoder.set_compression(png::Compression::Balanced);
            encoder.set_filter(png::Filter::Paeth);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.pixels)?;
            writer.finish()?;
            Ok(bytes)
        };
        encode().map_err(|cause| ImageError::Encode { name: name.to_owned(), cause })
    }

    /// Reads an 8-bit PNG. Greyscale is repeated over the channels, alpha is dropped. `name` is
    /// used in errors.
    pub fn from_png(bytes: &[u8], name: &str) -> Result<Self, ImageError> {
        let (info, raw) = read_png(bytes).map_err(|cause| ImageError::Decode {
            name: name.to_owned(),
            bytes: bytes.len(),
            cause,
        })?;
        let format = || ImageError::Format {
            name: name.to_owned(),
            colour: info.color_type,
            depth: info.bit_depth,
        };
        if info.bit_depth != png::BitDepth::Eight {
            return Err(format());
        }
        let pixels = match info.color_type {
            png::ColorType::Rgb => raw,
            png::ColorType::Rgba => {
                raw.chunks_exact(4).flat_map(|texel| [texel[0], texel[1], texel[2]]).collect()
            }
            png::ColorType::Grayscale => raw.iter().flat_map(|&grey| [grey; 3]).collect(),
            png::ColorType::GrayscaleAlpha => {
                raw.chunks_exact(2).flat_map(|texel| [texel[0]; 3]).collect()
            }
            png::ColorType::Indexed => return Err(format()),
        };
        Ok(Self { width: info.width as usize, height: info.height as usize, pixels })
    }
}

impl std::fmt::Debug for RgbImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbImage({} x {})", self.width, self.height)
    }
}

fn read_png(bytes: &[u8]) -> Result<(png::OutputInfo, Vec<u8>), png::DecodingError> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info()?;
    let mut raw = vec![0; reader.output_buffer_size().ok_or(png::DecodingError::LimitsExceeded)?];
    let info = reader.next_frame(&mut raw)?;
    reader.finish()?;
    raw.truncate(info.buffer_size());
    Ok((info, raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> RgbImage {
        let mut image = RgbImage::new(7, 5);
        for (at, byte) in image.pixels.iter_mut().enumerate() {
            *byte = (at * 37 % 251) as u8;
        }
        image
    }

    #[test]
    fn an_image_survives_its_png() {
        let png = gradient().to_png("gradient").unwrap();
        assert_eq!(RgbImage::from_png(&png, "gradient").unwrap(), gradient());
        assert_eq!(png, gradient().to_png("other").unwrap());
    }

    #[test]
    fn a_damaged_png_is_refused_by_name() {
        let png = gradient().to_png("gradient").unwrap();
        for cut in [0, 4, 20, png.len() / 2, png.len() - 13] {
            let error = RgbImage::from_png(&png[..cut], "psoriasis-00007").unwrap_err().to_string();
            assert!(error.contains("psoriasis-00007"), "cut at {cut}: {error}");
        }
        let mut flipped = png.clone();
        flipped[png.len() / 2] ^= 0x10;
        RgbImage::from_png(&flipped, "flipped").unwrap_err();
    }

    #[test]
    fn a_wrong_pixel_count_is_refused() {
        let image = RgbImage { width: 4, height: 4, pixels: vec![0; 47] };
        assert!(image.to_png("short").unwrap_err().to_string().contains("47 bytes where 4 x 4"));
    }
}
