//! Which images an arm trains on, whether they come as pixels or as features.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::StepError;
use super::context::Context;
use crate::data::Item;
use crate::data::webdataset::{Record, Sample, ShardError};
use crate::plan::kinds::TrainingImages;

/// What is known of an image besides its pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    pub id: std::borrow::Cow<'a, str>,
    pub label: std::borrow::Cow<'a, str>,
    /// Fitzpatrick skin type 1 to 6; 0 is unknown.
    pub fst: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malignant: Option<bool>,
    /// Whose picture it is; empty: unknown.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub patient: std::borrow::Cow<'a, str>,
    /// The set that it comes from.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub source: std::borrow::Cow<'a, str>,
    /// The real image that a synthetic one was made from, and its number among those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<(std::borrow::Cow<'a, str>, u32)>,
}

impl<'a> From<&'a Item> for Entry<'a> {
    fn from(item: &'a Item) -> Self {
        let made_from =
            item.synthetic.as_ref().map(|made| (made.md5hash.as_str().into(), made.generation_num));
        let [id, label, patient, source] =
            [&item.id, &item.label, &item.patient, &item.source].map(|text| text.as_str().into());
        Self { id, label, fst: item.fst, malignant: item.malignant, patient, source, made_from }
    }
}

impl Entry<'_> {
    /// Of a sample whose picture is still packed; `shard` names where it is in errors.
    pub fn of_sample(sample: &Sample, shard: &str) -> Result<Entry<'static>, ShardError> {
        let Record { label, fst, malignant, patient, source, .. } = sample.record(shard)?;
        let made = sample.synthetic(shard)?;
        let made_from = made.map(|made| (made.md5hash.into(), made.generation_num));
        let [id, label, patient, source] =
            [sample.id(), label, patient, source].map(std::borrow::Cow::from);
        Ok(Entry { id, label, fst, malignant, patient, source, made_from })
    }

    /// The same without anything borrowed.
    pub fn into_owned(self) -> Entry<'static> {
        let owned = |text: std::borrow::Cow<'_, str>| text.into_owned().into();
        Entry {
            id: owned(self.id),
            label: owned(self.label),
            fst: self.fst,
            malignant: self.malignant,
            patient: owned(self.patient),
            source: owned(self.source),
            made_from: self.made_from.map(|(source, number)| (owned(source), number)),
        }
    }

    /// The position of its class in `classes`.
    pub fn label_in(&self, classes: &[String]) -> Result<u32, StepError> {
        let position = classes.iter().position(|class| *class == self.label);
        position.map(|at| at as u32).ok_or_else(|| {
            format!("image `{}` is of the unknown class `{}`", self.id, self.label).into()
        })
    }
}

/// Where in the pool the sampled images are: class by class those that `sources` names among the
/// class's own.
pub fn reals(
    pool: &[Entry<'_>],
    classes: &[String],
    sources: &BTreeMap<String, Vec<usize>>,
) -> Result<Vec<usize>, StepError> {
    let mut chosen = Vec::new();
    for class in classes {
        let of_class = (0..pool.len()).filter(|&at| pool[at].label == *class).collect::<Vec<_>>();
        for &position in &sources[class] {
            let lacks = || {
                format!("the pool has {} images of `{class}`, not {}", of_class.len(), position + 1)
            };
            chosen.push(*of_class.get(position).ok_or_else(lacks)?);
        }
    }
    Ok(chosen)
}

/// The images of one pass of a training that shows each `times`, or once; `added` says of which
/// images that is.
pub fn repeated<T: Clone>(
    images: Vec<T>,
    times: Option<usize>,
    added: impl Fn(&T) -> bool,
) -> Vec<T> {
    let further = times.unwrap_or(1).saturating_sub(1);
    let repeats = images.iter().filter(|image| added(image)).cloned().collect::<Vec<_>>();
    let repeats = std::iter::repeat_n(repeats, further).flatten();
    images.into_iter().chain(repeats).collect()
}

/// The file of scores in the output of `scores`.
pub const SCORES: &str = "scores.json";

/// The score of a synthetic image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The real image that it was made from.
    pub source: String,
    /// Its number among those.
    pub generation: u32,
    /// The higher, the sooner it is taken: the probability of its class by the probe, 0 to 1, or a
    /// distance of features, negative where near ones are wanted.
    pub score: f64,
}

/// The synthetic images of an arm, by the real image that they are made from.
pub struct Wanted(BTreeMap<String, Made>);

/// Which of the images made from a real one.
enum Made {
    /// Those whose number is below.
    First(usize),
    /// Those of these numbers.
    Chosen(BTreeSet<u32>),
}

/// The synthetic images made from `reals`: of each the first, so many as `dose` says of its class.
pub fn wanted<'a>(reals: impl Iterator<Item = Entry<'a>>, dose: impl Fn(&str) -> usize) -> Wanted {
    let made = |entry: Entry<'a>| {
        let dose = dose(&entry.label);
        (entry.id.into_owned(), Made::First(dose))
    };
    Wanted(reals.map(made).collect())
}

/// The synthetic images that a classifier adds to its `reals`.
pub fn added<'a>(
    context: &Context,
    images: &TrainingImages,
    reals: impl Iterator<Item = Entry<'a>>,
) -> Result<Wanted, StepError> {
    let wanted = wanted(reals, |class| images.dose_of(class));
    let Some(candidates) = images.candidates else { return Ok(wanted) };
    let mut scores = Vec::new();
    for role in context.roles("scores/") {
        scores.extend(context.json::<Vec<Score>>(role, SCORES)?);
    }
    wanted.chosen(&scores, candidates)
}

impl Wanted {
    /// As many of each real image, but those with the highest scores among its first `candidates`;
    /// of equal scores the first.
    fn chosen(self, scores: &[Score], candidates: usize) -> Result<Self, StepError> {
        let mut by_source = BTreeMap::<&str, Vec<&Score>>::new();
        for score in scores.iter().filter(|score| (score.generation as usize) < candidates) {
            by_source.entry(&score.source).or_default().push(score);
        }
        let choose = |(source, made): (String, Made)| {
            let Made::First(dose) = made else { return Ok((source, made)) };
            let mut known = by_source.remove(source.as_str()).unwrap_or_default();
            if dose > 0 && known.len() != candidates {
                return Err(StepError::from(format!(
                    "{candidates} scores expected of the images made from `{source}`, {} found",
                    known.len()
                )));
            }
            known.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.generation.cmp(&b.generation)));
            let taken = known.iter().take(dose).map(|score| score.generation);
            Ok((source, Made::Chosen(taken.collect())))
        };
        Ok(Self(self.0.into_iter().map(choose).collect::<Result<_, _>>()?))
    }

    /// Whether the arm trains on it.
    pub fn takes(&self, entry: &Entry<'_>) -> bool {
        let made = entry.made_from.as_ref();
        made.is_some_and(|(source, number)| match self.0.get(source.as_ref()) {
            Some(Made::First(dose)) => (*number as usize) < *dose,
            Some(Made::Chosen(numbers)) => numbers.contains(number),
            None => false,
        })
    }

    /// Whether there are any at all.
    pub fn any(&self) -> bool {
        self.expected() > 0
    }

    fn expected(&self) -> usize {
        let count = |made: &Made| match made {
            Made::First(dose) => *dose,
            Made::Chosen(numbers) => numbers.len(),
        };
        self.0.values().map(count).sum()
    }

    /// Whether `found` is how many there are to be.
    pub fn check(&self, found: usize) -> Result<(), StepError> {
        let expected = self.expected();
        if found == expected {
            return Ok(());
        }
        Err(format!("{expected} synthetic images expected in the shards, {found} found").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, made_from: Option<(&str, u32)>) -> Entry<'static> {
        let made_from = made_from.map(|(source, number)| (source.to_owned().into(), number));
        let id = id.to_owned().into();
        let (label, patient, source) = ("psoriasis".into(), "".into(), "".into());
        Entry { id, label, fst: 0, malignant: None, patient, source, made_from }
    }

    #[test]
    fn of_each_real_image_the_highest_scores_are_taken() {
        let scores = [("a", 0, 0.2), ("a", 1, 0.9), ("a", 2, 0.2), ("a", 3, 1.0), ("b", 0, 0.1)];
        let score = |(source, generation, score): (&str, u32, f64)| Score {
            source: source.to_owned(),
            generation,
            score,
        };
        let scores = scores.map(score);
        let reals = || [entry("a", None)].into_iter();
        // The fourth is no candidate, and of equal ones the first is taken.
        let chosen = wanted(reals(), |_| 2).chosen(&scores, 3).unwrap();
        let taken = (0..4).filter(|&number| chosen.takes(&entry("x", Some(("a", number)))));
        assert_eq!(taken.collect::<Vec<_>>(), [0, 1]);
        assert!(!chosen.takes(&entry("x", Some(("b", 0)))) && !chosen.takes(&entry("a", None)));
        assert!(chosen.check(2).is_ok() && chosen.check(3).is_err());
        let error = wanted(reals(), |_| 2).chosen(&scores, 5).err().unwrap().to_string();
        assert!(
            error.contains("5 scores expected of the images made from `a`, 4 found"),
            "{error}"
        );
        let first = wanted(reals(), |class| class.len());
        assert!(first.takes(&entry("x", Some(("a", 8)))) && first.any());
        assert!(!wanted(reals(), |_| 0).any());
    }
}
