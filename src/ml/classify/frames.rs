//! Photographs that are not square: each time one is shown in training, another square of it may
//! be.

use candle_core::{Result, Tensor};
use rand::Rng;

use super::batches;
use super::examples::{Inputs, chunk};
use super::transforms::{self, Transform};
use crate::seed::Seed;

/// RGB images whose shorter sides have one length, row by row, three bytes a pixel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    side: usize,
    /// Width, height and bytes.
    frames: Vec<(usize, usize, Vec<u8>)>,
}

impl Frames {
    /// No images yet, their shorter sides of `side` pixels.
    pub fn new(side: usize) -> Self {
        Self { side, frames: Vec::new() }
    }

    /// Adds an image of `width * height * 3` bytes; another length or shorter side is a programming
    /// error.
    pub fn push(&mut self, width: usize, height: usize, image: &[u8]) {
        assert_eq!(
            (width.min(height), image.len()),
            (self.side, width * height * 3),
            "a frame of another size"
        );
        self.frames.push((width, height, image.to_vec()));
    }

    fn count(&self) -> usize {
        self.frames.len()
    }

    /// Writes the square of an image at `place` of the way along its longer side, 0 to 1, as values
    /// in [0, 1]. It begins at a whole pixel, the last one before the place, as fastai's `Resize`
    /// has it.
    fn square(&self, index: usize, place: f64, square: &mut [f32]) {
        let (width, height, ref bytes) = self.frames[index];
        let begin = |length: usize| (place * (length - self.side) as f64) as usize;
        let (left, top) = (begin(width), begin(height));
        let lines = bytes.chunks_exact(3 * width).skip(top);
        for (row, line) in square.chunks_exact_mut(3 * self.side).zip(lines) {
            row.iter_mut()
                .zip(&line[3 * left..])
                .for_each(|(value, &byte)| *value = f32::from(byte) / 255.0);
        }
    }
}

/// Photographs as training shows them: each time a square somewhere on their longer side,
/// transformed or as it is. Tested on is the centre.
pub struct Photographs<'a> {
    /// The images or frames.
    pub frames: &'a Frames,
    /// Their transforms; `None`: they are shown as they are.
    pub transforms: Option<&'a transforms::Config>,
}

impl Inputs for Photographs<'_> {
    fn count(&self) -> usize {
        self.frames.count()
    }

    fn plain(&self, items: &[usize]) -> Result<Tensor> {
        batches::fill_batch(items.len(), self.frames.side, |at, image| {
            self.frames.square(items[at], 0.5, image)
        })
    }

    fn shown(&self, items: &[usize], _: &[usize], seed: &Seed) -> Result<Tensor> {
        let (crops, views) = (seed.child("crop"), seed.child("transform"));
        let side = self.frames.side;
        batches::fill_batch(items.len(), self.frames.side, |at, image| {
            let place = crops.nth(at as u64).rng().random();
            let Some(config) = self.transforms else {
                return self.frames.square(items[at], place, image);
            };
            let mut square = vec![0.0; image.len()];
            self.frames.square(items[at], place, &mut square);
            Transform::draw(config, &views.nth(at as u64)).apply(&square, side, side, image);
        })
    }

    fn chunk(&self) -> usize {
        chunk(self.frames.side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::pixels::Pixels;

    /// Of `width x height` pixels, each with its column and row for red and green.
    fn frame(width: usize, height: usize) -> Vec<u8> {
        (0..width * height).flat_map(|at| [(at % width) as u8, (at / width) as u8, 9]).collect()
    }

    /// The columns and rows that the squares of a batch begin at.
    fn corners(batch: &Tensor) -> Vec<[u8; 2]> {
        let values = batch.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        values
            .iter()
            .map(|image| [image[0], image[1]].map(|value| (value * 255.0).round() as u8))
            .collect()
    }

    #[test]
    fn squares_lie_everywhere_along_the_longer_side_and_in_the_centre_for_tests() {
        let mut frames = Frames::new(8);
        [(8, 8), (13, 8), (8, 28)]
            .into_iter()
            .for_each(|(width, height)| frames.push(width, height, &frame(width, height)));
        let cropped = Photographs { frames: &frames, transforms: None };
        assert_eq!(corners(&cropped.plain(&[0, 1, 2]).unwrap()), [[0, 0], [2, 0], [0, 10]]);
        let seed = Seed::of_study(2);
        let items = (0..3).flat_map(|item| [item; 200]).collect::<Vec<_>>();
        let shown = corners(&cropped.shown(&items, &[0; 600], &seed).unwrap());
        assert!(shown[..200].iter().all(|corner| *corner == [0, 0]));
        let mut columns = shown[200..400].to_vec();
        columns.sort_unstable();
        columns.dedup();
        assert_eq!(columns, (0..5).map(|column| [column, 0]).collect::<Vec<_>>());
        let mean = shown[400..].iter().map(|[_, row]| f64::from(*row)).sum::<f64>() / 200.0;
        assert!((8.0..12.0).contains(&mean), "{mean}");
        assert_eq!(corners(&cropped.shown(&[1, 2], &[0, 0], &seed).unwrap()).len(), 2);
    }

    fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    #[test]
    fn images_do_not_depend_on_threads_or_on_the_others_of_their_batch() {
        let mut frames = Frames::new(9);
        (9..14).for_each(|width| frames.push(width, 9, &frame(width, 9)));
        let photographs =
            Photographs { frames: &frames, transforms: Some(&transforms::Config::FASTAI) };
        let made = |items: &[usize]| {
            let batch =
                photographs.shown(items, &vec![0; items.len()], &Seed::of_study(3)).unwrap();
            batch.flatten_from(1).unwrap().to_vec2::<f32>().unwrap()
        };
        let one = on(1, || made(&[4, 0, 1, 1]));
        assert_eq!(one, on(3, || made(&[4, 0, 1, 1])));
        assert_eq!(one[..2], made(&[4, 0]));
        assert_ne!(one[2], one[3], "the same image is transformed anew");
    }

    /// Transforms are drawn apart from places, so that pictures that are square are shown alike in
    /// both.
    #[test]
    fn where_a_square_lies_moves_no_transform() {
        let (seed, config, items) = (Seed::of_study(5), transforms::Config::FASTAI, [1, 0, 0, 1]);
        let mut pixels = Pixels::new(9);
        let mut frames = Frames::new(9);
        for image in 0..2u8 {
            let bytes =
                frame(9, 9).iter().map(|byte| byte.wrapping_mul(image + 7)).collect::<Vec<_>>();
            pixels.push(&bytes);
            frames.push(9, 9, &bytes);
        }
        let views = seed.child("transform");
        let expected = batches::transformed(&pixels, &items, |place| {
            Transform::draw(&config, &views.nth(place as u64))
        });
        let shown = Photographs { frames: &frames, transforms: Some(&config) }
            .shown(&items, &[0; 4], &seed);
        let values =
            |batch: Result<Tensor>| batch.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(shown), values(expected));
        assert_eq!(
            values(Photographs { frames: &frames, transforms: None }.shown(&items, &[0; 4], &seed)),
            values(pixels.unit_batch(&items))
        );
    }
}
