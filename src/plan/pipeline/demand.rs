//! What the cells of a study take of its generators, so that no image is planned that nothing
//! reads.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;
use crate::study::{Cell, Study};
use crate::vocabulary::{Arm, Conditioning, Strategy};

/// The synthetic images that cells take.
pub struct Demand<'a> {
    study: &'a Study,
    taken: Vec<Taken>,
}

/// Synthetic images that some cells take, or choose from.
struct Taken {
    /// In its plain use.
    arm: Arm,
    replicate: usize,
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
        let taken = doses.into_iter().map(|((arm, replicate, n, class), dose)| Taken {
            arm,
            replicate,
            n,
            class,
            dose,
        });
        Self { study, taken: taken.collect() }
    }

    /// What is taken of a variant's images, with the strategy.
    fn of_variant(&self, variant: &str) -> impl Iterator<Item = (Strategy, &Taken)> + use<'_> {
        let variant = variant.to_owned();
        self.taken.iter().filter_map(move |taken| {
            let synthetic = taken.arm.synthetic().filter(|it| it.variant == variant)?;
            Some((synthetic.strategy, taken))
        })
    }

    /// The most real images of a class that images of the variant are made from.
    pub fn most_sources(&self, variant: &str) -> usize {
        self.of_variant(variant).map(|(_, taken)| taken.n).max().unwrap_or(0)
    }

    /// The largest dose of the variant's images.
    pub fn most_dose(&self, variant: &str) -> usize {
        self.of_variant(variant).map(|(_, taken)| taken.dose).max().unwrap_or(0)
    }

    /// The numbers of real images that the variant's arms have.
    pub fn sizes(&self, variant: &str) -> BTreeSet<usize> {
        self.of_variant(variant).map(|(_, taken)| taken.n).collect()
    }

    /// The replicates that the variant's arms have.
    pub fn replicates(&self, variant: &str) -> BTreeSet<usize> {
        self.of_variant(variant).map(|(_, taken)| taken.replicate).collect()
    }

    /// The samples of real images, a replicate and an n each, that the variant's models of a
    /// conditioning make images from.
    pub fn samples(&self, variant: &str, of: Conditioning) -> BTreeSet<(usize, usize)> {
        self.of_variant(variant)
            .filter(|(strategy, ..)| strategy.conditioning() == of)
            .map(|(_, taken)| (taken.replicate, taken.n))
            .collect()
    }

    /// Whether a cell takes images of the arm at a place.
    pub fn takes(&self, strategy: Strategy, variant: &str, place: &Place) -> bool {
        self.of_variant(variant).any(|(of, taken)| {
            let Taken { replicate, n, class, dose, .. } = taken;
            of == strategy
                && place.first < *dose
                && class.as_ref().is_none_or(|class| class == place.class)
                && place.n.is_none_or(|only| only == *n)
                && place.replicate.is_none_or(|only| only == *replicate)
                && self.samples_of(place, *replicate, *n)
        })
    }

    /// Whether the n images that a replicate samples have one of the place's sources.
    fn samples_of(&self, place: &Place, replicate: usize, n: usize) -> bool {
        let order = self.study.sample_order(place.class, replicate);
        order[..n].iter().any(|source| place.sources.contains(source))
    }
}
