//! Cohorts: fixed, disjoint sets of real images, drawn class by class from seeded permutations.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use crate::seed::Seed;

/// A class with fewer images than the cohorts ask for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SplitError {
    #[error(
        "class `{class}` has {available} images where pool {}, validation {}, held-out {} and plentiful {} need {}",
        .asked.pool, .asked.validation, .asked.held_out, .asked.plentiful, .asked.total()
    )]
    TooFew { class: String, available: usize, asked: CohortSizes },
    #[error("class `{class}` has a pool of {available} images where n = {asked} real images a class are asked for")]
    SampleTooLarge { class: String, available: usize, asked: usize },
}

/// Images a class in each cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CohortSizes {
    pub pool: usize,
    pub validation: usize,
    pub held_out: usize,
    pub plentiful: usize,
}

impl CohortSizes {
    /// Images a class that all cohorts take together.
    pub fn total(&self) -> usize {
        self.pool + self.validation + self.held_out + self.plentiful
    }
}

/// One class's share of every cohort, as indices into the labels that were split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassCohorts {
    /// What training samples are drawn from.
    pub pool: Vec<usize>,
    /// What early stopping looks at.
    pub validation: Vec<usize>,
    /// What every score is measured on.
    pub held_out: Vec<usize>,
    /// What the generator check's classifier is trained on.
    pub plentiful: Vec<usize>,
}

/// Splits items with these labels into cohorts of the given sizes a class, disjoint, keyed by class.
///
/// A class's permutation depends on the seed, the class's name and its number of items, not on other classes. Held-out and
/// validation come first in it, so that a larger pool leaves them as they are.
pub fn cohorts<'a>(
    labels: impl IntoIterator<Item = &'a str>,
    sizes: CohortSizes,
    seed: Seed,
) -> Result<BTreeMap<String, ClassCohorts>, SplitError> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, label) in labels.into_iter().enumerate() {
        members.entry(label).or_default().push(index);
    }
    members
        .into_iter()
        .map(|(class, mut indices)| {
            if indices.len() < sizes.total() {
                return Err(SplitError::TooFew { class: class.to_owned(), available: indices.len(), asked: sizes });
            }
            indices.shuffle(&mut seed.child("cohorts").child(class).rng());
            let mut rest = indices.into_iter();
            let mut take = |count| rest.by_ref().take(count).collect::<Vec<_>>();
            let (held_out, validation) = (take(sizes.held_out), take(sizes.validation));
            let (pool, plentiful) = (take(sizes.pool), take(sizes.plentiful));
            Ok((class.to_owned(), ClassCohorts { pool, validation, held_out, plentiful }))
        })
        .collect()
}

/// `n` of `pool_size` positions: the prefix of the replicate's permutation, so samples are nested in `n`.
pub fn sample(class: &str, pool_size: usize, n: usize, replicate: Seed) -> Result<Vec<usize>, SplitError> {
    if n > pool_size {
        return Err(SplitError::SampleTooLarge { class: class.to_owned(), available: pool_size, asked: n });
    }
    let mut positions: Vec<usize> = (0..pool_size).collect();
    positions.shuffle(&mut replicate.child("sample").child(class).rng());
    positions.truncate(n);
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: CohortSizes = CohortSizes { pool: 5, validation: 3, held_out: 4, plentiful: 6 };

    fn labels(each: usize) -> Vec<&'static str> {
        (0..2 * each).map(|index| if index % 2 == 0 { "even" } else { "odd" }).collect()
    }

    #[test]
    fn cohorts_are_disjoint_and_of_the_sizes_asked() {
        let split = cohorts(labels(20), SIZES, Seed::of_study(1)).unwrap();
        for (class, parity) in [("even", 0), ("odd", 1)] {
            let cohort = &split[class];
            let mut all = [&cohort.pool[..], &cohort.validation, &cohort.held_out, &cohort.plentiful].concat();
            assert_eq!([cohort.pool.len(), cohort.validation.len(), cohort.held_out.len(), cohort.plentiful.len()], [5, 3, 4, 6]);
            assert!(all.iter().all(|index| index % 2 == parity));
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), SIZES.total(), "an image is in two cohorts");
        }
    }

    #[test]
    fn a_split_depends_on_its_seed_and_a_larger_pool_keeps_the_held_out_images() {
        let split = |sizes, seed| cohorts(labels(20), sizes, Seed::of_study(seed)).unwrap();
        assert_eq!(split(SIZES, 1), split(SIZES, 1));
        assert_ne!(split(SIZES, 1), split(SIZES, 2));
        let larger = CohortSizes { pool: 7, ..SIZES };
        assert_eq!(split(SIZES, 1)["odd"].held_out, split(larger, 1)["odd"].held_out);
        assert_eq!(split(SIZES, 1)["odd"].pool[..], split(larger, 1)["odd"].pool[..5]);
    }

    #[test]
    fn too_few_images_are_named_with_their_class_and_counts() {
        let error = cohorts(labels(17), SIZES, Seed::of_study(1)).unwrap_err().to_string();
        assert_eq!(error, "class `even` has 17 images where pool 5, validation 3, held-out 4 and plentiful 6 need 18");
        let error = sample("odd", 5, 6, Seed::of_study(1)).unwrap_err().to_string();
        assert_eq!(error, "class `odd` has a pool of 5 images where n = 6 real images a class are asked for");
    }

    #[test]
    fn samples_are_nested_in_n_and_differ_between_replicates() {
        let drawn = |n, replicate| sample("odd", 100, n, Seed::of_study(9).nth(replicate)).unwrap();
        let largest = drawn(64, 0);
        for n in [0, 1, 2, 16] {
            assert_eq!(drawn(n, 0), largest[..n]);
        }
        assert_ne!(drawn(64, 1), largest);
    }
}
