//! How the synthetic images of an arm are used in the training of a classifier.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A use of synthetic images. Arms name one after a `+`, as in `text-to-image+light`; without one,
/// the first images of each real one are trained on like real ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Weight of a synthetic image in the training loss, more than 0; that of a real one is 1.
    pub weight: f64,
    /// Share of each batch that is synthetic, 0 or more and less than 1. 0: as many as the images
    /// that a pass shows happen to bring.
    pub share: f64,
    /// Share of the steps that come first and train on synthetic images alone, 0 or more and less
    /// than 1; the others train on real ones alone, on the schedule of the learning rate from its
    /// beginning. 0: all steps train on both.
    pub pretraining: f64,
    /// Which synthetic images of each real one are taken: the `first`, or of the first `candidates`
    /// those that the probe is surest of (`confident`), or those that are `nearest` to or
    /// `farthest` from the images of the pool.
    pub choose: Choice,
    /// Synthetic images of each real one that are chosen from, more than every dose. 0: none are
    /// chosen, the first are taken.
    pub candidates: usize,
    /// By class, the dose of classes that have another one than the arm, 0 or more.
    pub doses: BTreeMap<String, usize>,
}

impl Usage {
    /// What the training of a classifier reads of it; none: images come as they are, all alike.
    pub fn mixture(&self) -> Option<Mixture> {
        let Self { weight, share, pretraining, .. } = *self;
        let mixture = Mixture { weight, share, pretraining };
        (mixture != Mixture::PLAIN).then_some(mixture)
    }

    /// What is different from the plain use, in words.
    pub fn meaning(&self) -> String {
        let mut parts = Vec::new();
        if self.weight != 1.0 {
            parts.push(format!("each with {} of a real one's weight in the loss", self.weight));
        }
        if self.share > 0.0 {
            parts.push(format!("{} % of each batch", round(100.0 * self.share)));
        }
        if self.pretraining > 0.0 {
            parts.push(format!(
                "alone for the first {} % of the steps, real ones alone after that",
                round(100.0 * self.pretraining)
            ));
        }
        let of = |which: &str| format!("{which} of {} made from each real one", self.candidates);
        parts.extend(match self.choose {
            Choice::First => None,
            Choice::Confident => Some(of("those that the probe is surest of,")),
            Choice::Nearest => Some(of("those nearest to the pool's images,")),
            Choice::Farthest => Some(of("those farthest from the pool's images,")),
        });
        if !self.doses.is_empty() {
            let dose = |(class, dose): (&String, &usize)| format!("{dose} of each {class}");
            parts.push(self.doses.iter().map(dose).collect::<Vec<_>>().join(", "));
        }
        parts.join("; ")
    }
}

/// A number of percent without the noise of its last bits.
fn round(percent: f64) -> f64 {
    (percent * 1e6).round() / 1e6
}

/// Which of the synthetic images of a real one an arm takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Those that were made first.
    First,
    /// Those whose class the probe is surest of.
    Confident,
    /// Those whose features are nearest to those of an image of the pool of their class.
    Nearest,
    /// Those whose features are farthest from those of every image of the pool of their class.
    Farthest,
}

impl Choice {
    /// The name in study files and labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Confident => "confident",
            Self::Nearest => "nearest",
            Self::Farthest => "farthest",
        }
    }
}

/// How the batches of a training are made of synthetic and real images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// Weight of a synthetic image in the loss; that of a real one is 1.
    pub weight: f64,
    /// Share of each batch that is synthetic; 0: as the images come.
    pub share: f64,
    /// Share of the steps that come first and train on synthetic images alone.
    pub pretraining: f64,
}

impl Mixture {
    /// Synthetic images like real ones.
    pub const PLAIN: Self = Self { weight: 1.0, share: 0.0, pretraining: 0.0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_says_what_is_not_plain() {
        let plain = Usage {
            weight: 1.0,
            share: 0.0,
            pretraining: 0.0,
            choose: Choice::First,
            candidates: 0,
            doses: BTreeMap::new(),
        };
        assert_eq!((plain.mixture(), plain.meaning().as_str()), (None, ""));
        let all = Usage {
            weight: 0.5,
            share: 0.07,
            choose: Choice::Farthest,
            candidates: 20,
            doses: BTreeMap::from([("psoriasis".to_owned(), 3)]),
            ..plain
        };
        assert_eq!(all.mixture(), Some(Mixture { weight: 0.5, share: 0.07, pretraining: 0.0 }));
        assert_eq!(
            all.meaning(),
            "each with 0.5 of a real one's weight in the loss; 7 % of each batch; those farthest \
             from the pool's images, of 20 made from each real one; 3 of each psoriasis"
        );
    }
}
