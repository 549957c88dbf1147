//! How much there is to do, in units that mean the same on every machine.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A unit of work: something that a task does many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Unit {
    /// Images in the training of an autoencoder, repeats included.
    AutoencoderTraining,
    /// Images in the training of a classifier, repeats included.
    ClassifierTraining,
    /// Images encoded to latents.
    Encodings,
    /// Evaluations of a UNet, one image each.
    Evaluations,
    /// Images whose features are computed.
    Features,
    /// Images in the training of a head, repeats included.
    HeadTraining,
    /// Images that are read or made, with little work each.
    Images,
    /// Pictures decoded.
    Pictures,
    /// Images in the training of a UNet, repeats included.
    #[serde(rename = "unet-training")]
    UNetTraining,
}

impl Unit {
    /// The name in files of rates, and in JSON.
    pub fn key(self) -> String {
        let name = serde_json::to_value(self).ok();
        name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The plural, as `titrate plan` prints it.
    fn name(self) -> &'static str {
        match self {
            Self::AutoencoderTraining => "images through an autoencoder, forward and back",
            Self::ClassifierTraining => "images through a classifier, forward and back, at most",
            Self::Encodings => "images through an autoencoder",
            Self::Evaluations => "evaluations of a UNet",
            Self::Features => "images through a classifier",
            Self::HeadTraining => "features through a head, forward and back, at most",
            Self::Images => "images",
            Self::Pictures => "pictures",
            Self::UNetTraining => "images through a UNet, forward and back",
        }
    }

    /// Rough time of one unit on one core with the base models at 32 pixels, in seconds. It orders
    /// the queue and weighs the ETA.
    fn seconds(self) -> f64 {
        match self {
            Self::AutoencoderTraining => 0.02,
            Self::ClassifierTraining => 0.0006,
            Self::Encodings => 0.001,
            Self::Evaluations => 0.002,
            Self::Features => 0.0003,
            Self::HeadTraining => 0.000_006,
            Self::Images => 0.0005,
            Self::Pictures => 0.01,
            Self::UNetTraining => 0.01,
        }
    }
}

/// Rough seconds that a task of no work takes: its process, its inputs and the syncs of its outputs.
const OVERHEAD: f64 = 0.03;

/// The work of a task, or of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    tasks: u64,
    units: BTreeMap<Unit, u64>,
    /// Seconds beside the units', see [`Unit::seconds`].
    rest: f64,
}

impl Work {
    /// Of counted units, each given once.
    pub fn of<const N: usize>(counts: [(Unit, usize); N]) -> Self {
        let units = counts.map(|(unit, count)| (unit, count as u64)).into();
        Self { tasks: 1, units, rest: 0.0 }
    }

    /// Work of about `seconds` seconds, with nothing to count.
    pub fn about(seconds: f64) -> Self {
        Self { tasks: 1, units: BTreeMap::new(), rest: seconds }
    }

    /// Rough seconds of one core.
    pub fn seconds(&self) -> f64 {
        let of = |(unit, count): (&Unit, &u64)| *count as f64 * unit.seconds();
        self.uncounted_seconds() + self.units.iter().map(of).sum::<f64>()
    }

    /// How much of each unit.
    pub fn units(&self) -> impl Iterator<Item = (Unit, u64)> {
        self.units.iter().map(|(unit, count)| (*unit, *count))
    }

    /// Rough seconds of one core that no unit counts.
    pub fn uncounted_seconds(&self) -> f64 {
        self.tasks as f64 * OVERHEAD + self.rest
    }

    /// Adds the work of `other`, unit by unit.
    pub fn add(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.rest += other.rest;
        for (unit, count) in &other.units {
            *self.units.entry(*unit).or_default() += count;
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |(unit, count): (&Unit, &u64)| format!("{} {}", group(*count), unit.name());
        write!(f, "{}", self.units.iter().map(name).collect::<Vec<_>>().join(", "))
    }
}

/// `1,234,567`.
fn group(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let groups = digits.as_bytes()[first..]
        .chunks(3)
        .map(|group| String::from_utf8_lossy(group).into_owned());
    let head = (first > 0).then(|| digits[..first].to_owned());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_adds_up_by_unit() {
        let mut work = Work::of([(Unit::Images, 10), (Unit::Evaluations, 1_000)]);
        work.add(&Work::of([(Unit::Evaluations, 2_234_567)]));
        work.add(&Work::about(2.0));
        assert_eq!(work.to_string(), "2,235,567 evaluations of a UNet, 10 images");
        let expected = 3.0 * 0.03 + 2_235_567.0 * 0.002 + 0.005 + 2.0;
        assert!((work.seconds() - expected).abs() < 1e-6);
    }
}
