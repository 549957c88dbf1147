//! How a camera was held: the orientation in a picture's EXIF data, and the picture put upright.

use crate::data::RgbImage;

/// The tag of the orientation in TIFF 6.0 and EXIF.
const ORIENTATION: u16 = 0x0112;
/// Entries of a directory that are looked at, at most: far more than cameras write.
const ENTRIES: usize = 1000;

/// The orientation, 1 to 8, of EXIF data (a TIFF header with directories); 1, upright, where it
/// says nothing that makes sense.
pub(super) fn orientation(exif: &[u8]) -> u8 {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    match find(exif) {
        Some(value @ 1..=8) => value as u8,
        _ => 1,
    }
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
    let bytes = exif.get(4..8)?.try_into().ok()?;
    let directory =
        (if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }) as usize;
    let entries = usize::from(short(directory)?).min(ENTRIES);
    let entry = (0..entries)
        .map(|entry| directory + 2 + 12 * entry)
        .find(|entry| short(*entry) == Some(ORIENTATION))?;
    short(entry + 8)
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
        assert_eq!(orientation(&exif(6)), 6);
        assert_eq!(orientation(&[b"Exif\0\0".to_vec(), exif(3)].concat()), 3);
        for nonsense in [
            vec![],
            b"II*\0".to_vec(),
            b"II*\0\xff\xff\xff\xff".to_vec(),
            exif(0),
            exif(9),
            exif(6)[..18].to_vec(),
        ] {
            assert_eq!(orientation(&nonsense), 1, "{nonsense:?}");
        }
    }
}
