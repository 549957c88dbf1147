//! What the cells of a study take of its generators, so that no image is planned that nothing
//! reads.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;
use crate::study::{Cell, Study};
use crate::vocabulary::{Conditioning, Strategy};

/// The synthetic images that cells take.
pub struct Demand<'a> {
    study: &'a Study,
    /// By the generator's variant.
    variants: BTreeMap<String, Variant>,
}

/// What is taken of a variant's images.
#[derive(Default)]
struct Variant {
    /// By replicate.
    taken: BTreeMap<usize, Vec<Taken>>,
    most_sources: usize,
    most_dose: usize,
}

/// Synthetic images that some cells of a replicate take, or choose from.
struct Taken {
    strategy: Strategy,
    /// Real images of a class that they are made from.
    n: usize,
    /// The only class that they are of; none: all.
    class: Option<String>,
    /// The most of each real image.
    dose: usize,
}

/// What a cell takes of each real image, or chooses from, by class; no class: of all alike.
fn made(study: &Study, cell: &Cell) -> Vec<(Option<String>, usize)> {
    let usage = study.usage_of(&cell.arm);
    let candidates = usage.map_or(0, |usage| usage.candidates);
    if cell.rare.is_none() && usage.is_none_or(|usage| usage.doses.is_empty()) {
        return vec![(None, cell.dose.max(candidates))];
    }
    let of_class = |class: &String| match study.dose_of(cell, class) {
        0 => None,
        dose => Some((Some(class.clone()), dose.max(candidates))),
    };
    study.images.classes.iter().filter_map(of_class).collect()
}

impl<'a> Demand<'a> {
    /// Of all experiments of `study` together.
    pub fn of(study: &'a Study) -> Self {
        let mut doses = BTreeMap::new();
        for cell in study.cells().into_iter().filter(|cell| cell.arm.synthetic().is_some()) {
            for (class, dose) in made(study, &cell) {
                let n = class.as_ref().map_or(cell.n, |class| cell.reals_of(class));
                let most = doses.entry((cell.arm.plain(), cell.replicate, n, class)).or_insert(0);
                *most = dose.max(*most);
            }
        }
        let mut variants = BTreeMap::<String, Variant>::new();
        for ((arm, replicate, n, class), dose) in doses {
            let Some(synthetic) = arm.synthetic() else { continue };
            let variant = variants.entry(synthetic.variant.clone()).or_default();
            variant.most_sources = variant.most_sources.max(n);
            variant.most_dose = variant.most_dose.max(dose);
            let strategy = synthetic.strategy;
            let taken = variant.taken.entry(replicate).or_default();
            taken.push(Taken { strategy, n, class, dose });
        }
        Self { study, variants }
    }

    /// What is taken of a variant's images, with the replicate.
    fn of_variant(&self, variant: &str) -> impl Iterator<Item = (usize, &Taken)> {
        let taken = self.variants.get(variant).into_iter().flat_map(|it| &it.taken);
        taken.flat_map(|(replicate, all)| all.iter().map(|taken| (*replicate, taken)))
    }

    /// The most real images of a class that images of the variant are made from.
    pub fn most_sources(&self, variant: &str) -> usize {
        self.variants.get(variant).map_or(0, |it| it.most_sources)
    }

    /// The largest dose of the variant's images.
    pub fn most_dose(&self, variant: &str) -> usize {
        self.variants.get(variant).map_or(0, |it| it.most_dose)
    }

    /// The numbers of real images that the variant's arms have.
    pub fn sizes(&self, variant: &str) -> BTreeSet<usize> {
        self.of_variant(variant).map(|(_, taken)| taken.n).collect()
    }

    /// The replicates that the variant's arms have.
    pub fn replicates(&self, variant: &str) -> BTreeSet<usize> {
        self.variants.get(variant).into_iter().flat_map(|it| it.taken.keys().copied()).collect()
    }

    /// The samples of real images, a replicate and an n each, that the variant's models of a
    /// conditioning make images from.
    pub fn samples(&self, variant: &str, of: Conditioning) -> BTreeSet<(usize, usize)> {
        self.of_variant(variant)
            .filter(|(_, taken)| taken.strategy.conditioning() == of)
            .map(|(replicate, taken)| (replicate, taken.n))
            .collect()
    }

    /// Whether a cell takes images of the arm at a place.
    pub fn takes(&self, strategy: Strategy, variant: &str, place: &Place) -> bool {
        let Some(variant) = self.variants.get(variant) else { return false };
        let replicates = match place.replicate {
            Some(only) => variant.taken.range(only..=only),
            None => variant.taken.range(..),
        };
        let mut all = replicates.flat_map(|(at, all)| all.iter().map(|taken| (*at, taken)));
        all.any(|(replicate, taken)| {
            let Taken { strategy: of, n, class, dose } = taken;
            *of == strategy
                && place.first < *dose
                && class.as_ref().is_none_or(|class| class == place.class)
                && place.n.is_none_or(|only| only == *n)
                && self.samples_of(place, replicate, *n)
        })
    }

    /// Whether the n images that a replicate samples have one of the place's sources.
    fn samples_of(&self, place: &Place, replicate: usize, n: usize) -> bool {
        let order = self.study.sample_order(place.class, replicate);
        order[..n].iter().any(|source| place.sources.contains(source))
    }
}
