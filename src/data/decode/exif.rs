//! How a camera was held: the orientation in a picture's EXIF data, and the picture put upright.

use crate::data::RgbImage;

/// The tag of the orientation in TIFF 6.0 and EXIF.
const ORIENTATION: u16 = 0x0112;
/// Entries of a directory that are looked at, at most: far more than cameras write.
const ENTRIES: usize = 1000;

/// The orientation in EXIF data (a TIFF header with directories); none where they say nothing of it.
pub(super) fn orientation(exif: &[u8]) -> Option<u8> {
    find(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)).map(|value| value.min(255) as u8)
}

/// EXIF data that ImageMagick has written as text: a line each for name and length, then
/// hexadecimal digits.
pub(super) fn from_raw_profile(text: &str) -> Option<Vec<u8>> {
    let digits = text.lines().skip(3).collect::<String>();
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The value of the orientation in the first directory.
fn find(exif: &[u8]) -> Option<u16> {
    let little = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = exif.get(at..at + 2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = exif.get(at..at + 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?).min(ENTRIES);
    let entry = (0..entries)
        .map(|entry| directory + 2 + 12 * entry)
        .find(|entry| short(*entry) == Some(ORIENTATION))?;
    // SHORT or LONG; Pillow takes nothing else for an orientation.
    match short(entry + 2)? {
        3 => short(entry + 8),
        4 => u16::try_from(long(entry + 8)?).ok(),
        _ => None,
    }
}

/// The picture as it was seen, from one stored in this orientation.
pub(super) fn upright(image: RgbImage, orientation: u8) -> RgbImage {
    let RgbImage { width, height, .. } = image;
    let turned = orientation >= 5;
    let (across, down) = if turned { (height, width) } else { (width, height) };
    let from = |x: usize, y: usize| match orientation {
        2 => (width - 1 - x, y),
        3 => (width - 1 - x, height - 1 - y),
        4 => (x, height - 1 - y),
        5 => (y, x),
        6 => (y, height - 1 - x),
        7 => (width - 1 - y, height - 1 - x),
        8 => (width - 1 - y, x),
        _ => (x, y),
    };
    if !(2..=8).contains(&orientation) {
        return image;
    }
    let mut seen = RgbImage::new(across, down);
    for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
        let (column, row) = from(x, y);
        seen.set_pixel(x, y, image.pixel(column, row));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_makes_no_sense_leaves_a_picture_as_it_is() {
        let exif = |orientation: u16| {
            let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
            bytes.extend(orientation.to_le_bytes());
            bytes
        };
        assert_eq!(orientation(&exif(6)), Some(6));
        assert_eq!(orientation(&[b"Exif\0\0".to_vec(), exif(3)].concat()), Some(3));
        for nonsense in
            [vec![], b"II*\0".to_vec(), b"II*\0\xff\xff\xff\xff".to_vec(), exif(6)[..18].to_vec()]
        {
            assert_eq!(orientation(&nonsense), None, "{nonsense:?}");
        }
    }
}
