//! The examples that classifiers are trained and tested on: photographs, or features of them that
//! were computed before. How photographs are shown in training is in [`frames`](super::frames).

use candle_core::{Device, Result, Tensor};

use crate::ml::pixels::Pixels;
use crate::seed::Seed;

/// The inputs of a network, one an item.
pub trait Inputs: Sync {
    /// Items.
    fn count(&self) -> usize;

    /// Items as they are tested.
    ///
    /// # Errors
    /// If candle fails.
    fn plain(&self, items: &[usize]) -> Result<Tensor>;

    /// Items as they are shown in training: each for the time after `passes` over all. What is
    /// drawn for the item at a place of the batch is drawn below `seed` for this place.
    ///
    /// # Errors
    /// If candle fails.
    fn shown(&self, items: &[usize], passes: &[usize], seed: &Seed) -> Result<Tensor>;

    /// Items that a forward pass outside training takes at once.
    fn chunk(&self) -> usize;
}

/// Images to train or test on, with a class each.
#[derive(Clone, Copy)]
pub struct Examples<'a> {
    /// The images.
    pub inputs: &'a dyn Inputs,
    /// The class of each, as an index.
    pub labels: &'a [u32],
}

/// Images [B, H, W, 3] in [0, 1], the same each time.
impl Inputs for Pixels {
    fn count(&self) -> usize {
        self.count()
    }

    fn plain(&self, items: &[usize]) -> Result<Tensor> {
        self.unit_batch(items)
    }

    fn shown(&self, items: &[usize], _: &[usize], _: &Seed) -> Result<Tensor> {
        self.unit_batch(items)
    }

    fn chunk(&self) -> usize {
        chunk(self.size())
    }
}

/// Images of `side` pixels each way that a forward pass outside training takes at once.
pub fn chunk(side: usize) -> usize {
    (CHUNK_PIXELS / side.pow(2)).clamp(1, MOST)
}

/// Pixels that are judged at once: what bounds the memory of their feature maps.
const CHUNK_PIXELS: usize = 1 << 19;
/// And as many images, however small.
const MOST: usize = 128;

/// Features that a frozen body gave for a number of views of each item; pass `p` shows view `p`
/// modulo their number.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    width: usize,
    views: usize,
    /// Item by item its views, each of `width`.
    values: Vec<f32>,
}

impl Features {
    /// No items yet, with `views` views of `width` values each.
    pub fn new(views: usize, width: usize) -> Self {
        assert!(views > 0 && width > 0, "features of nothing");
        Self { width, views, values: Vec::new() }
    }

    /// Adds an item of `views * width` values; another length is a programming error.
    pub fn push(&mut self, item: &[f32]) {
        assert_eq!(item.len(), self.views * self.width, "an item of another size");
        self.values.extend_from_slice(item);
    }

    /// Values of an item's views, one view after the other.
    pub fn item(&self, item: usize) -> &[f32] {
        &self.values[item * self.views * self.width..][..self.views * self.width]
    }

    /// [items, views, width].
    pub fn tensor(&self) -> Result<Tensor> {
        Tensor::from_slice(&self.values, (self.count(), self.views, self.width), &Device::Cpu)
    }

    /// The features of [`Features::tensor`].
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let (_, views, width) = tensor.dims3()?;
        Ok(Self { width, views, values: tensor.flatten_all()?.to_vec1()? })
    }

    /// Views an item.
    pub fn views(&self) -> usize {
        self.views
    }

    /// Values a view.
    pub fn width(&self) -> usize {
        self.width
    }

    fn rows<'a>(
        &'a self,
        items: &'a [usize],
        view: impl Fn(usize) -> usize + 'a,
    ) -> Result<Tensor> {
        let row = |(place, &item): (usize, &usize)| {
            &self.item(item)[view(place) * self.width..][..self.width]
        };
        let values = items.iter().enumerate().flat_map(row).copied().collect::<Vec<_>>();
        Tensor::from_vec(values, (items.len(), self.width), &Device::Cpu)
    }
}

impl Inputs for Features {
    fn count(&self) -> usize {
        self.values.len() / (self.views * self.width)
    }

    fn plain(&self, items: &[usize]) -> Result<Tensor> {
        self.rows(items, |_| 0)
    }

    fn shown(&self, items: &[usize], passes: &[usize], _: &Seed) -> Result<Tensor> {
        self.rows(items, |place| passes[place] % self.views)
    }

    fn chunk(&self) -> usize {
        1 << 12
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pass_shows_the_next_view() {
        let mut features = Features::new(3, 2);
        (0..4u8).for_each(|item| {
            features.push(&(0..6).map(|at| f32::from(10 * item + at)).collect::<Vec<_>>())
        });
        let shown = features.shown(&[2, 0], &[4, 3], &Seed::of_study(1)).unwrap();
        assert_eq!(shown.to_vec2::<f32>().unwrap(), [[22.0, 23.0], [0.0, 1.0]]);
        assert_eq!(features.plain(&[3]).unwrap().to_vec2::<f32>().unwrap(), [[30.0, 31.0]]);
        assert_eq!(Features::from_tensor(&features.tensor().unwrap()).unwrap(), features);
    }
}
