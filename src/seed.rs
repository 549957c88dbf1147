//! Randomness as named streams: every draw comes from a ChaCha stream whose seed is a path of names
//! from the study's seed.
//!
//! A stream belongs to an item (a class, a source image, a generation index, a step), never to a
//! job, so that batching, order and thread count cannot change what is drawn.

use std::fmt;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::id::Digest;

/// The root of a family of independent streams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(Digest);

impl Seed {
    /// The seed that a study's `seed` key stands for.
    pub fn of_study(seed: u64) -> Self {
        Self(Digest::from_bytes(blake3::derive_key("titrate 2026 study seed", &seed.to_le_bytes())))
    }

    /// The stream called `name` below this one.
    pub fn child(&self, name: &str) -> Self {
        Self(Digest::from_bytes(*blake3::keyed_hash(self.0.as_bytes(), name.as_bytes()).as_bytes()))
    }

    /// The stream numbered `index` below this one.
    pub fn nth(&self, index: u64) -> Self {
        self.child(&format!("#{index}"))
    }

    /// The generator at the start of this stream.
    pub fn rng(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(*self.0.as_bytes())
    }

    /// `count` draws of the standard normal distribution.
    pub fn normals(&self, count: usize) -> Vec<f32> {
        StandardNormal.sample_iter(self.rng()).take(count).collect()
    }

    /// Draws of the standard normal distribution, without end.
    pub fn normal_draws(&self) -> impl Iterator<Item = f64> + use<> {
        StandardNormal.sample_iter(self.rng())
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed({})", self.0.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_pinned_and_apart() {
        let root = Seed::of_study(1);
        let drawn = root.child("noise").nth(3).normals(3);
        assert_eq!(drawn, root.child("noise").nth(3).normals(3));
        assert_eq!(
            drawn[..2],
            root.child("noise").nth(3).normals(2)[..],
            "a longer draw extends a shorter one"
        );
        assert_ne!(drawn, root.child("noise").nth(4).normals(3));
        assert_ne!(root.child("a").child("b"), root.child("ab"));
    }
}
