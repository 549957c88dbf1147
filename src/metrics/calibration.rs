//! Whether probabilities are as high as predictions are often right: reliability bins and the expected calibration error.

use super::predictions::Predictions;

/// The images whose highest probability lies in one stretch of 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    pub images: usize,
    /// Mean highest probability.
    pub confidence: f64,
    /// Share of images whose most probable class is the true one.
    pub accuracy: f64,
}

impl Predictions {
    /// The images by their highest probability in `bins` stretches of equal width, each without its lower end and with its upper one,
    /// as Guo et al. 2017 (arXiv 1706.04599) have them; empty bins are left out.
    pub fn reliability(&self, bins: usize) -> Vec<Bin> {
        assert!(bins > 0, "no bins");
        let mut sums = vec![(0usize, 0.0f64, 0usize); bins];
        for image in self.images() {
            let (images, confidences, correct) = &mut sums[image.bin(bins)];
            *images += 1;
            *confidences += f64::from(image.confidence());
            *correct += usize::from(image.correct());
        }
        let filled = sums.into_iter().filter(|(images, _, _)| *images > 0);
        let bin = |(images, confidences, correct)| Bin {
            images,
            confidence: confidences / images as f64,
            accuracy: correct as f64 / images as f64,
        };
        filled.map(bin).collect()
    }

    /// Expected calibration error with `bins` bins, 0 to 1: the mean over images of the distance between accuracy and confidence of
    /// their bin (Guo et al. 2017, equation 3; they use 15 bins).
    pub fn expected_calibration_error(&self, bins: usize) -> f64 {
        let gap = |bin: Bin| bin.images as f64 * (bin.accuracy - bin.confidence).abs();
        self.reliability(bins).into_iter().map(gap).sum::<f64>() / self.images().len() as f64
    }
}
