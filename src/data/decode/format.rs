//! The formats of pictures: each to 8-bit RGB as it is stored, with the orientation that its EXIF
//! data gives.

use std::io::Cursor;

use libjpeg_turbo_rs::{Decoder, PixelFormat};

use super::alpha::{blend, over_white};
use super::cause::Cause;
use super::{bmp, exif, jpeg, xmp};
use crate::data::RgbImage;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// GIF.
    Gif,
    /// BMP, the bitmap of Windows.
    Bmp,
}

impl Format {
    /// By the file's first bytes; what its name ends in does not count.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'B', b'M', ..] => Some(Self::Bmp),
            _ => None,
        }
    }

    /// The format's usual spelling, such as "WebP".
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
        }
    }

    /// Width and height, from the header; of a JPEG also that its end is there.
    pub(super) fn size(self, bytes: &[u8]) -> Result<(usize, usize), Cause> {
        match self {
            Self::Jpeg => {
                let markers = jpeg::Markers::of(bytes)?;
                jpeg::refuse_unverified(&markers)?;
                Ok(markers.size)
            }
            Self::Png => {
                let reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
                Ok((reader.info().width as usize, reader.info().height as usize))
            }
            Self::WebP => {
                let (width, height) =
                    image_webp::WebPDecoder::new(Cursor::new(bytes))?.dimensions();
                Ok((width as usize, height as usize))
            }
            Self::Gif => {
                let decoder = gif::DecodeOptions::new().read_info(bytes)?;
                Ok((decoder.width().into(), decoder.height().into()))
            }
            Self::Bmp => bmp::size(bytes),
        }
    }

    /// The picture as it is stored, and its orientation. Of an animation the first frame.
    pub(super) fn decode(self, bytes: &[u8]) -> Result<(RgbImage, u8), Cause> {
        match self {
            Self::Jpeg => decode_jpeg(bytes),
            Self::Png => decode_png(bytes),
            Self::WebP => decode_webp(bytes),
            Self::Gif => decode_gif(bytes).map(|image| (image, 1)),
            Self::Bmp => bmp::decode(bytes).map(|image| (image, 1)),
        }
    }
}

/// As Pillow's decoder, libjpeg-turbo, to the last bit; what that one reads with a warning only is an
/// error, but for bytes between segments.
fn decode_jpeg(bytes: &[u8]) -> Result<(RgbImage, u8), Cause> {
    let markers = jpeg::Markers::of(bytes)?;
    let mut decoder = Decoder::new(bytes)?;
    let is_cmyk = decoder.header().components.len() == 4;
    decoder.set_output_format(if is_cmyk { PixelFormat::Cmyk } else { PixelFormat::Rgb });
    let image = decoder.decode_image()?;
    let orientation = oriented(image.exif_data.as_deref(), markers.xmp);
    let (width, height) = (image.width, image.height);
    let pixels = if is_cmyk {
        image.data.as_chunks().0.iter().flat_map(|inks| jpeg::of_inks(*inks)).collect()
    } else {
        image.data
    };
    Ok((RgbImage { width, height, pixels }, orientation))
}

/// The orientation by EXIF data, or by XMP where those say nothing of it.
fn oriented(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> u8 {
    let of_exif = exif.and_then(exif::orientation);
    of_exif
        .or_else(|| xmp.and_then(xmp::orientation))
        .filter(|way| (1..=8).contains(way))
        .unwrap_or(1)
}

fn decode_png(bytes: &[u8]) -> Result<(RgbImage, u8), Cause> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // 16 bits become 8 by their upper byte, as in Pillow; palettes and fewer bits become bytes.
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    decoder.ignore_checksums(false);
    let mut reader = decoder.read_info()?;
    let mut raw = vec![0; reader.output_buffer_size().ok_or("larger than memory")?];
    let info = reader.next_frame(&mut raw)?;
    raw.truncate(info.buffer_size());
    // What stands behind the pixels counts too; the pixels are whole if it is damaged.
    let _ = reader.finish();
    let orientation = png_orientation(reader.info());
    let pixels = match info.color_type {
        png::ColorType::Rgb => raw,
        png::ColorType::Rgba => over_white(&raw),
        png::ColorType::Grayscale => raw.iter().flat_map(|&grey| [grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => {
            raw.as_chunks().0.iter().flat_map(|&[grey, alpha]| [blend(grey, alpha); 3]).collect()
        }
        png::ColorType::Indexed => return Err("its palette is not expanded".into()),
    };
    Ok((RgbImage { width: info.width as usize, height: info.height as usize, pixels }, orientation))
}

/// By an eXIf chunk, EXIF data as ImageMagick writes it in a text, or XMP.
fn png_orientation(info: &png::Info<'_>) -> u8 {
    const RAW_EXIF: &str = "Raw profile type exif";
    let text = |keyword: &str| {
        let latin = info.uncompressed_latin1_text.iter().find(|text| text.keyword == keyword);
        let zipped = info.compressed_latin1_text.iter().find(|text| text.keyword == keyword);
        let utf8 = info.utf8_text.iter().find(|text| text.keyword == keyword);
        latin
            .map(|text| text.text.clone())
            .or_else(|| zipped.and_then(|text| text.get_text().ok()))
            .or_else(|| utf8.and_then(|text| text.get_text().ok()))
    };
    let raw = || text(RAW_EXIF).and_then(|text| exif::from_raw_profile(&text));
    let exif = info.exif_metadata.as_deref().map(<[u8]>::to_vec).or_else(raw);
    oriented(exif.as_deref(), text("XML:com.adobe.xmp").as_deref().map(str::as_bytes))
}

fn decode_webp(bytes: &[u8]) -> Result<(RgbImage, u8), Cause> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes))?;
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    let orientation = oriented(exif.as_deref(), xmp.as_deref());
    let (width, height) = decoder.dimensions();
    let mut raw = vec![0; decoder.output_buffer_size().ok_or("larger than memory")?];
    decoder.read_image(&mut raw)?;
    let pixels = if decoder.has_alpha() { over_white(&raw) } else { raw };
    Ok((RgbImage { width: width as usize, height: height as usize, pixels }, orientation))
}

fn decode_gif(bytes: &[u8]) -> Result<RgbImage, Cause> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(bytes)?;
    let mut image = RgbImage::new(decoder.width().into(), decoder.height().into());
    image.pixels.fill(255);
    let frame = decoder.read_next_frame()?.ok_or("there is no frame in it")?;
    let (left, top, width) =
        (usize::from(frame.left), usize::from(frame.top), usize::from(frame.width));
    let texels = over_white(&frame.buffer);
    for (at, texel) in texels.as_chunks::<3>().0.iter().enumerate() {
        let (x, y) = (left + at % width, top + at / width);
        if x < image.width && y < image.height {
            image.set_pixel(x, y, *texel);
        }
    }
    Ok(image)
}
