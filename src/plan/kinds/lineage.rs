//! How a study's results came about: which task was made from which, with the digest of each.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;
use crate::study::Cell;

/// The parameters of a lineage. Its inputs are the tasks themselves, under their labels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lineage {
    /// The tasks, in the order of the plan.
    pub tasks: Vec<Planned>,
    /// The classifiers of each experiment.
    pub experiments: Vec<Classifiers>,
}

/// A task of the plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// The task's label, and its role.
    pub label: String,
    /// What one of its kind is called.
    pub kind: String,
    /// The seed of its draws; empty: it draws nothing.
    pub seed: String,
    /// The places of the tasks that it is made from, ascending, as "0 3-7 12".
    pub from: String,
    /// What it reads from outside the plan, such as "files: 60 files".
    pub outside: Vec<String>,
}

/// The classifiers of an experiment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Classifiers {
    /// The experiment's name.
    pub experiment: String,
    /// What each was trained on, with the place of the task that trained it.
    pub cells: Vec<(Cell, usize)>,
}

impl Spec for Lineage {
    const KIND: Kind = Kind { name: "lineage", version: 1, noun: "lineage", on_device: false };
}

impl Lineage {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(0.02)
    }
}

impl Planned {
    /// `places`, ascending, as they stand in `from`.
    pub fn write_places(places: &[usize]) -> String {
        let stretches = places.chunk_by(|one, next| one + 1 == *next);
        let text = stretches.map(|stretch| match stretch {
            [only] => only.to_string(),
            more => format!("{}-{}", more[0], more[more.len() - 1]),
        });
        text.collect::<Vec<_>>().join(" ")
    }

    /// The places in `from`; none where it is not written as above.
    pub fn places(&self) -> Option<Vec<usize>> {
        let stretch = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
        };
        let stretches = self.from.split_whitespace().map(stretch).collect::<Option<Vec<_>>>();
        Some(stretches?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_stretches_and_read_again() {
        for (places, text) in
            [(vec![], ""), (vec![0], "0"), (vec![0, 3, 4, 5, 12], "0 3-5 12"), (vec![7, 8], "7-8")]
        {
            let from = Planned::write_places(&places);
            assert_eq!(from, text);
            let (label, kind, seed) = (String::new(), String::new(), String::new());
            let planned = Planned { label, kind, seed, from, outside: Vec::new() };
            assert_eq!(planned.places(), Some(places));
        }
    }
}
