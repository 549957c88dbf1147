//! Which images an arm trains on, whether they come as pixels or as features.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::StepError;
use crate::data::Item;
use crate::data::webdataset::{Record, Sample, ShardError};

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

/// Whether dose and repeats are for images of a class.
pub fn is_added(added_to: &Option<String>, label: &str) -> bool {
    added_to.as_ref().is_none_or(|only| only == label)
}

/// The synthetic images of an arm: of each real image those whose number is below the dose.
pub struct Wanted {
    sources: BTreeSet<String>,
    dose: usize,
}

/// The synthetic images made from `reals`.
pub fn wanted<'a>(reals: impl Iterator<Item = Entry<'a>>, dose: usize) -> Wanted {
    Wanted { sources: reals.map(|entry| entry.id.into_owned()).collect(), dose }
}

impl Wanted {
    /// Whether the arm trains on it.
    pub fn takes(&self, entry: &Entry<'_>) -> bool {
        let made = entry.made_from.as_ref();
        made.is_some_and(|(source, number)| {
            self.sources.contains(source.as_ref()) && (*number as usize) < self.dose
        })
    }

    /// Whether `found` is how many there are to be.
    pub fn check(&self, found: usize) -> Result<(), StepError> {
        let expected = self.sources.len() * self.dose;
        if found == expected {
            return Ok(());
        }
        Err(format!("{expected} synthetic images expected in the shards, {found} found").into())
    }
}
