//! Contact sheets: images in a grid, enlarged by a whole factor, without text.

use super::{RgbImage, fit};

/// Pixels between images and around the sheet.
const GAP: usize = 2;
const PAPER: [u8; 3] = [255; 3];

/// Lays `images` out row by row, `columns` to a row, each pixel enlarged `scale` times. Cells are
/// as large as the largest image.
///
/// Panics when `columns` or `scale` is 0. No images give a sheet of nothing but its margin.
pub fn contact_sheet(images: &[&RgbImage], columns: usize, scale: usize) -> RgbImage {
    assert!(columns > 0 && scale > 0, "a contact sheet of {columns} columns at scale {scale}");
    let cell_width = scale * images.iter().map(|image| image.width).max().unwrap_or(0) + GAP;
    let cell_height = scale * images.iter().map(|image| image.height).max().unwrap_or(0) + GAP;
    let rows = images.len().div_ceil(columns);
    let mut sheet =
        RgbImage::new(columns.min(images.len()) * cell_width + GAP, rows * cell_height + GAP);
    sheet.pixels.as_chunks_mut::<3>().0.fill(PAPER);
    for (place, image) in images.iter().enumerate() {
        let (left, top) = (GAP + place % columns * cell_width, GAP + place / columns * cell_height);
        for y in 0..scale * image.height {
            for x in 0..scale * image.width {
                sheet.set_pixel(left + x, top + y, image.pixel(x / scale, y / scale));
            }
        }
    }
    sheet
}

/// Screen pixels for one image pixel where images are small.
const SCALE: usize = 2;
/// Shorter sides of shown images in pixels, at most: a page of photographs is to be looked at, not
/// searched.
const SIDE: usize = 128;

/// A sheet to be looked at: where any image is too large for that, all get sides of one length,
/// otherwise all are enlarged.
pub fn laid_out(images: &[RgbImage], columns: usize) -> RgbImage {
    let large = images.iter().any(|image| image.width.min(image.height) > SIDE);
    let smaller = images.iter().filter(|_| large).map(|image| fit::frame(image, SIDE));
    let smaller = smaller.collect::<Vec<_>>();
    let (images, scale) = if large { (smaller.as_slice(), 1) } else { (images, SCALE) };
    contact_sheet(&images.iter().collect::<Vec<_>>(), columns, scale)
}

/// The first images of each row of a sheet of `columns` columns of square images at scale 1.
pub fn first_column(sheet: &RgbImage, columns: usize) -> Vec<RgbImage> {
    let cell = (sheet.width - GAP) / columns;
    let size = cell - GAP;
    let cut = |row: usize| {
        let mut image = RgbImage::new(size, size);
        for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
            image.set_pixel(x, y, sheet.pixel(GAP + x, GAP + row * cell + y));
        }
        image
    };
    (0..(sheet.height - GAP) / cell).map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_is_cut_out_as_it_was_put_in() {
        let square =
            |level: u8| RgbImage { width: 3, height: 3, pixels: (level..level + 27).collect() };
        let images = [0, 30, 60, 90, 120, 150].map(square);
        let sheet = contact_sheet(&images.iter().collect::<Vec<_>>(), 2, 1);
        assert_eq!(first_column(&sheet, 2), [0, 2, 4].map(|at| images[at].clone()));
    }

    #[test]
    fn images_are_enlarged_and_placed_row_by_row() {
        let dot = |level| RgbImage { width: 1, height: 1, pixels: vec![level; 3] };
        let sheet = contact_sheet(&[&dot(10), &dot(20), &dot(30)], 2, 3);
        assert_eq!((sheet.width, sheet.height), (12, 12));
        assert_eq!(sheet.pixel(2, 2), [10; 3]);
        assert_eq!(sheet.pixel(9, 4), [20; 3]);
        assert_eq!(sheet.pixel(4, 9), [30; 3]);
        assert_eq!(sheet.pixel(9, 9), PAPER);
    }
}
