//! Which images the batches of a training have, where some are synthetic.

use std::ops::Range;

use crate::ml::training::Batches;
use crate::seed::Seed;
use crate::vocabulary::Mixture;

/// The images of each step's batch.
pub enum Mixing {
    /// Real and synthetic ones as they come.
    Together(Batches),
    /// So many places of each batch for synthetic ones, after the real ones.
    Shares {
        /// Of real images.
        real: Batches,
        /// Of synthetic ones, numbered after the real ones.
        synthetic: Batches,
        /// Real images in all.
        reals: usize,
    },
    /// Synthetic ones alone, and from a step on real ones alone.
    InTurn {
        /// Of real images.
        real: Batches,
        /// Of synthetic ones, numbered after the real ones.
        synthetic: Batches,
        /// Real images in all.
        reals: usize,
        /// The first step with real images.
        from: usize,
    },
}

impl Mixing {
    /// The batches of `batch` images of a training of `steps` steps on `count` images, of which the
    /// first `reals` are real and the others synthetic; if `whole`, each pass over a kind leaves out
    /// what does not fill a batch. Without synthetic or without real images there is nothing to mix.
    pub fn new(
        mixture: Option<Mixture>,
        (count, reals): (usize, usize),
        (batch, whole): (usize, bool),
        steps: usize,
        seed: &Seed,
    ) -> Self {
        let Mixture { share, pretraining, .. } = mixture.unwrap_or(Mixture::PLAIN);
        let synthetic = count - reals;
        // A batch has both kinds, whatever the share is rounded to.
        let places = ((batch as f64 * share).round() as usize).clamp(1, batch.max(2) - 1);
        // Where one kind does not fill its places once, nothing of it is left out.
        let of = |count: usize, places: usize, seed: Seed| {
            let batches = Batches::new(count, places, seed);
            if whole && count >= places { batches.whole() } else { batches }
        };
        if synthetic == 0 || reals == 0 || (share == 0.0 && pretraining == 0.0) {
            return Self::Together(of(count, batch, *seed));
        }
        let apart = |real: usize, made: usize| {
            let made = of(synthetic, made, seed.child("synthetic"));
            (of(reals, real, seed.child("real")), made)
        };
        if share > 0.0 {
            let (real, synthetic) = apart(batch - places, places);
            return Self::Shares { real, synthetic, reals };
        }
        let (real, synthetic) = apart(batch, batch);
        let from = (steps as f64 * pretraining).round() as usize;
        Self::InTurn { real, synthetic, reals, from }
    }

    /// The images of batch `step`, and the pass over all of its kind that each belongs to.
    pub fn at(&mut self, step: usize) -> (Vec<usize>, Vec<usize>) {
        let after = |reals: usize, made: &mut Batches, step: usize| {
            let items = made.at(step).into_iter().map(|item| reals + item);
            (items.collect::<Vec<_>>(), made.passes(step))
        };
        match self {
            Self::Together(all) => (all.at(step), all.passes(step)),
            Self::Shares { real, synthetic, reals } => {
                let (mut items, mut passes) = (real.at(step), real.passes(step));
                let (made, of_made) = after(*reals, synthetic, step);
                items.extend(made);
                passes.extend(of_made);
                (items, passes)
            }
            Self::InTurn { synthetic, reals, from, .. } if step < *from => {
                after(*reals, synthetic, step)
            }
            Self::InTurn { real, from, .. } => (real.at(step - *from), real.passes(step - *from)),
        }
    }

    /// The steps of the part of a training of `total` steps that `step` belongs to; each part goes
    /// through the schedule of the learning rate from its beginning.
    pub fn part(&self, step: usize, total: usize) -> Range<usize> {
        match self {
            Self::InTurn { from, .. } if step < *from => 0..*from,
            Self::InTurn { from, .. } => *from..total,
            Self::Together(_) | Self::Shares { .. } => 0..total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixing(share: f64, pretraining: f64) -> Mixing {
        let mixture = Mixture { weight: 1.0, share, pretraining };
        Mixing::new(Some(mixture), (13, 3), (8, false), 10, &Seed::of_study(4))
    }

    fn count_made(items: &[usize]) -> usize {
        items.iter().filter(|&&item| item >= 3).count()
    }

    #[test]
    fn a_share_of_every_batch_is_synthetic_and_each_kind_is_shown_equally_often() {
        for (share, expected) in [(0.25, 2), (0.5, 4), (0.01, 1), (0.99, 7)] {
            let mut mixing = mixing(share, 0.0);
            let mut shown = [0; 13];
            for step in 0..30 {
                let (items, passes) = mixing.at(step);
                assert_eq!((items.len(), passes.len()), (8, 8));
                assert_eq!(count_made(&items), expected, "share {share}");
                items.iter().for_each(|&item| shown[item] += 1);
                assert_eq!(mixing.part(step, 30), 0..30);
            }
            for kind in [&shown[..3], &shown[3..]] {
                let (least, most) = (kind.iter().min().unwrap(), kind.iter().max().unwrap());
                assert!(most - least <= 1, "share {share}: {shown:?}");
            }
        }
    }

    #[test]
    fn pretraining_comes_first_and_each_part_has_its_own_schedule() {
        let mut mixing = mixing(0.0, 0.4);
        for step in 0..10 {
            let (items, _) = mixing.at(step);
            assert_eq!(count_made(&items), if step < 4 { 8 } else { 0 }, "step {step}");
            assert_eq!(mixing.part(step, 10), if step < 4 { 0..4 } else { 4..10 });
        }
    }

    #[test]
    fn what_has_nothing_to_mix_comes_as_ever() {
        let seed = Seed::of_study(4);
        let mut plain = Batches::new(13, 8, seed);
        let half = Some(Mixture { weight: 1.0, share: 0.5, pretraining: 0.0 });
        let light = Some(Mixture { weight: 0.5, ..Mixture::PLAIN });
        for (mixture, reals) in [(None, 3), (half, 13), (half, 0), (light, 3)] {
            let mut mixing = Mixing::new(mixture, (13, reals), (8, false), 10, &seed);
            for step in 0..4 {
                assert_eq!(mixing.at(step), (plain.at(step), plain.passes(step)));
            }
        }
    }
}
