//! How much memory a task may need, before any of its kind has run.

use crate::store::Artifact;

/// What a process of this program takes before its step does anything, with room for small things.
const PROCESS: f64 = 0.2e9;

/// A kind's statement of memory, from its parameters. It is rough: it keeps a machine from starting
/// more than it can hold until tasks of the kind have shown what they take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Bytes whatever the inputs are.
    own: f64,
    /// The folder of the model that is trained, among the files of the inputs; empty: none is.
    trained: &'static str,
    /// Bytes for each square root of its weights' bytes, which is how activations grow with a
    /// network: its width enters weights twice and activations once.
    activations: f64,
}

/// Copies of the weights of a model in training: they, their gradients, two moments of AdamW, and
/// what is written.
const TRAINED: f64 = 5.0;
/// Copies of the weights of a model that is applied: they, and what of them is read at a time.
const APPLIED: f64 = 1.5;

impl Memory {
    /// Of what reads its inputs, applies models in small batches and writes.
    pub const PLAIN: Self = Self { own: PROCESS, trained: "", activations: 0.0 };

    /// Of the training of a classifier on so many images of `side` pixels in a batch. 0.32 bytes per
    /// pixel and root: 8.2 and 15.7 GB at 32 and 64 images of 224 pixels with EfficientNet-V2-M.
    pub fn of_classifier(batch: usize, side: usize) -> Self {
        let pixels = batch as f64 * (side * side) as f64;
        Self { own: PROCESS, trained: "backbone/", activations: 0.32 * pixels }
    }

    /// Of the training of a UNet on so many images of `side` pixels in a batch. 1.5 bytes per pixel
    /// and root: 18.7 GiB at one image of 256 pixels with Stable Diffusion 2.1-base.
    pub fn of_unet(batch: usize, side: usize) -> Self {
        let pixels = batch as f64 * (side * side) as f64;
        Self { own: PROCESS, trained: "unet/", activations: 1.5 * pixels }
    }

    /// The same with so many pictures of `side` pixels held as well.
    pub fn holding(self, pictures: usize, side: usize) -> Self {
        // As they were decoded, and as the network is shown them.
        Self { own: self.own + 2.0 * (pictures * 3 * side * side) as f64, ..self }
    }

    /// Bytes that a task on these inputs may need.
    pub fn bytes<'a>(&self, inputs: impl Iterator<Item = &'a Artifact>) -> u64 {
        let (mut trained, mut applied, mut rest) = (0.0, 0.0, 0.0);
        for entry in inputs.flat_map(Artifact::entries) {
            let file = entry.name.rsplit('/').next().unwrap_or_default();
            let is_model = file.contains("model") && file.ends_with(".safetensors");
            let is_trained = !self.trained.is_empty() && entry.name.starts_with(self.trained);
            let sum = match (is_model, is_trained) {
                (true, true) => &mut trained,
                (true, false) => &mut applied,
                (false, _) => &mut rest,
            };
            *sum += entry.size as f64;
        }
        let models = TRAINED * trained + APPLIED * applied;
        (self.own + models + self.activations * f64::sqrt(trained) + rest) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;
    use crate::store::Entry;

    /// The figures that the constants come from.
    #[test]
    fn what_large_models_were_measured_to_take() {
        let weights = |name: &str, size| {
            let (name, digest) = (name.to_owned(), Digest::of(name.as_bytes()));
            Artifact::new(vec![Entry { name, digest, size }]).unwrap()
        };
        let v2_m = weights("backbone/model.safetensors", 216_000_000);
        let stable_diffusion = weights("unet/diffusion_pytorch_model.safetensors", 3_460_000_000);
        for (memory, model, measured) in [
            (Memory::of_classifier(32, 224), &v2_m, 8.2e9),
            (Memory::of_classifier(64, 224), &v2_m, 15.7e9),
            (Memory::of_unet(1, 256), &stable_diffusion, 18.7 * 1.074e9),
        ] {
            let stated = memory.bytes([model].into_iter()) as f64;
            assert!((0.85..1.2).contains(&(stated / measured)), "{stated} of {measured}");
        }
    }
}
