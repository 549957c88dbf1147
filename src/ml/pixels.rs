//! Photographs as tensors: 8-bit RGB in memory, channels-last floats at the models' doors.

use candle_core::{DType, Device, Result, Tensor};

/// Square RGB images of one size, row by row, three bytes a pixel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pixels {
    size: usize,
    bytes: Vec<u8>,
}

impl Pixels {
    /// No images yet, of `size` x `size` pixels each.
    pub fn new(size: usize) -> Self {
        Self { size, bytes: Vec::new() }
    }

    /// Adds an image of `size * size * 3` bytes; another length is a programming error.
    pub fn push(&mut self, image: &[u8]) {
        assert_eq!(image.len(), self.image_len(), "an image of another size");
        self.bytes.extend_from_slice(image);
    }

    /// Side of the images in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of images.
    pub fn count(&self) -> usize {
        self.bytes.len() / self.image_len().max(1)
    }

    /// The bytes of one image, [H, W, 3] row by row.
    pub fn image(&self, index: usize) -> &[u8] {
        let len = self.image_len();
        &self.bytes[index * len..(index + 1) * len]
    }

    /// The image in [0, 1].
    pub fn unit(&self, index: usize) -> Vec<f32> {
        self.image(index).iter().map(|&byte| f32::from(byte) / 255.0).collect()
    }

    /// Images `indices` as [B, H, W, 3] in [0, 1] (classifiers).
    pub fn unit_batch(&self, indices: &[usize]) -> Result<Tensor> {
        self.batch(indices, |byte| f32::from(byte) / 255.0)
    }

    /// Images `indices` as [B, H, W, 3] in [-1, 1] (diffusion).
    pub fn signed_batch(&self, indices: &[usize]) -> Result<Tensor> {
        self.batch(indices, |byte| f32::from(byte) / 127.5 - 1.0)
    }

    fn batch(&self, indices: &[usize], value: impl Fn(u8) -> f32) -> Result<Tensor> {
        let values = indices
            .iter()
            .flat_map(|&index| self.image(index))
            .map(|&byte| value(byte))
            .collect::<Vec<_>>();
        Tensor::from_vec(values, (indices.len(), self.size, self.size, 3), &Device::Cpu)
    }

    fn image_len(&self) -> usize {
        self.size * self.size * 3
    }
}

/// Images with a class each.
#[derive(Clone, Debug, Default)]
pub struct Labelled {
    /// The images.
    pub pixels: Pixels,
    /// The class of each, as an index.
    pub labels: Vec<u32>,
}

/// The images of a [B, H, W, 3] tensor in [-1, 1], clamped and rounded to 8 bits. NaN is no colour,
/// and an error.
pub fn from_signed(images: &Tensor) -> Result<Pixels> {
    let (count, height, width, _) = images.dims4()?;
    assert_eq!(height, width, "images are square");
    let values = images.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    if let Some(at) = values.iter().position(|value| value.is_nan()) {
        let image = at / (height * width * 3);
        candle_core::bail!(
            "image {image} of {count} came out as NaN: a model's answers overflow; where it computes in half precision, let it in f32"
        )
    }
    let bytes = values
        .iter()
        .map(|value| ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8)
        .collect::<Vec<_>>();
    debug_assert_eq!(bytes.len(), count * height * width * 3);
    Ok(Pixels { size: height, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_no_image() {
        let images = Tensor::from_vec(
            vec![0.5, f32::INFINITY, -3.0, 0.0, f32::NAN, 0.0],
            (2, 1, 1, 3),
            &Device::Cpu,
        )
        .unwrap();
        assert_eq!(from_signed(&images.narrow(0, 0, 1).unwrap()).unwrap().image(0), [191, 255, 0]);
        let error = from_signed(&images).unwrap_err().to_string();
        assert!(error.contains("image 1 of 2 came out as NaN"), "{error}");
    }

    #[test]
    fn every_byte_survives_the_way_through_a_tensor() {
        let mut pixels = Pixels::new(16);
        pixels.push(&(0..768).map(|at| (at % 256) as u8).collect::<Vec<_>>());
        assert_eq!(from_signed(&pixels.signed_batch(&[0]).unwrap()).unwrap(), pixels);
    }
}
