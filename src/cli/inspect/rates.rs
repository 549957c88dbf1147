//! How long the tasks of a plan would take, and how much they would keep: from those of their kind
//! that have run here, else at rates that a file states.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cli::units::{duration, size};
use crate::plan::{Assessment, Freshness, Graph, Unit, Work, kinds};
use crate::regular;
use crate::store::Store;
use crate::wording::some_of;

/// So many receipts of a kind are read.
const OF_A_KIND: usize = 50;

/// A file of rates has at most so many bytes.
const MOST_BYTES: u64 = 1 << 20;

/// How many kinds are named that nothing is known of.
const NAMED: usize = 6;

/// Rates that a person states for a machine: a file of TOML. They decide no result.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// The file.
    #[serde(skip)]
    path: PathBuf,
    /// The machine, and where the figures are from.
    about: String,
    /// Tasks that run there at once.
    at_once: Option<f64>,
    /// Seconds that a unit of work takes.
    #[serde(default)]
    seconds: BTreeMap<Unit, f64>,
    /// Bytes that a task of a kind keeps.
    #[serde(default)]
    bytes: BTreeMap<String, f64>,
}

impl Stated {
    /// The rates in a file.
    ///
    /// # Errors
    /// If it can't be read, or is not such a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = regular::read_text(path, MOST_BYTES);
        let text = text.with_context(|| format!("read the rates in {}", path.display()))?;
        let stated: Self =
            toml_edit::de::from_str(&text).with_context(|| format!("rates {}", path.display()))?;
        if let Some(kind) =
            stated.bytes.keys().find(|kind| kinds::ALL.iter().all(|it| it.name != *kind))
        {
            anyhow::bail!("rates {}: bytes.{kind} is about no kind of task", path.display());
        }
        for (name, rate) in stated.named_rates() {
            if !(rate.is_finite() && rate >= 0.0) {
                anyhow::bail!("rates {}: {name} is {rate}; 0 or more expected", path.display());
            }
        }
        Ok(Self { path: path.to_owned(), ..stated })
    }

    fn named_rates(&self) -> impl Iterator<Item = (String, f64)> {
        let seconds =
            self.seconds.iter().map(|(unit, rate)| (format!("seconds.{}", unit.key()), *rate));
        let bytes = self.bytes.iter().map(|(kind, rate)| (format!("bytes.{kind}"), *rate));
        seconds.chain(bytes).chain(self.at_once.map(|rate| ("at_once".to_owned(), rate)))
    }

    /// None where a unit has no rate, and of work that no unit counts.
    fn seconds(&self, work: &Work) -> Option<f64> {
        work.units().next()?;
        let units =
            work.units().map(|(unit, count)| Some(*self.seconds.get(&unit)? * count as f64));
        Some(work.uncounted_seconds() + units.sum::<Option<f64>>()?)
    }
}

/// What is to do of a kind.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ToDo {
    kind: &'static str,
    tasks: usize,
    /// How much of each unit of work.
    work: BTreeMap<Unit, u64>,
    /// One task after another; none where no rate is known.
    seconds: Option<f64>,
    /// That the results take in the store; none where it is not known.
    bytes: Option<f64>,
    /// What the seconds are from.
    basis: Basis,
    #[serde(skip)]
    words: String,
}

/// What a forecast is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum Basis {
    /// Tasks of the plan of this kind that have run in this store.
    Measured,
    /// The file of rates.
    Stated,
    /// Nothing.
    Unknown,
}

/// What is to do of all kinds, if nothing of it turns out to be there.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Forecast {
    kinds: Vec<ToDo>,
    /// The file of stated rates, where it was needed.
    rates: Option<PathBuf>,
    /// What the file says of itself.
    rates_about: Option<String>,
    /// Tasks at once, where the file says how many.
    at_once: Option<f64>,
}

/// Tasks of a kind that have run.
#[derive(Default)]
struct Measured {
    tasks: usize,
    /// What the plan expected of them, in seconds of one core.
    cost: f64,
    /// Wall time over all attempts.
    seconds: f64,
    /// Of their outputs.
    bytes: u64,
}

/// The kinds that have run: from the receipts of the plan's tasks that are done, the first 50 of
/// each kind.
fn measured(
    graph: &Graph,
    assessed: &[Assessment],
    store: &Store,
) -> Result<BTreeMap<&'static str, Measured>> {
    let mut kinds = BTreeMap::<_, Measured>::new();
    for id in graph.ids() {
        let task = graph.task(id);
        let assessment = &assessed[id.index()];
        let Freshness::Fresh(artifact) = &assessment.freshness else { continue };
        let rate = kinds.entry(task.kind.name).or_default();
        if rate.tasks == OF_A_KIND {
            continue;
        }
        let key = assessment.key().expect("a fresh task has a key");
        if let Some(receipt) = store.receipt(&key)? {
            rate.tasks += 1;
            rate.cost += task.work.seconds();
            rate.seconds += receipt.cost.wall_s;
            rate.bytes += artifact.size();
        }
    }
    Ok(kinds)
}

impl Forecast {
    /// # Errors
    /// If the store cannot be read.
    pub fn of(
        graph: &Graph,
        assessed: &[Assessment],
        store: &Store,
        stated: Option<&Stated>,
    ) -> Result<Self> {
        let measured = measured(graph, assessed, store)?;
        let mut works = BTreeMap::<&'static str, (usize, Work)>::new();
        for id in graph.ids() {
            if !matches!(assessed[id.index()].freshness, Freshness::Fresh(_)) {
                let task = graph.task(id);
                let (tasks, work) = works.entry(task.kind.name).or_default();
                *tasks += 1;
                work.add(&task.work);
            }
        }
        let kinds = works.into_iter().map(|(kind, (tasks, work))| {
            let known = measured.get(kind).filter(|rate| rate.cost > 0.0);
            let at_rate = stated.and_then(|stated| stated.seconds(&work));
            let (seconds, basis) = match (known, at_rate) {
                (Some(rate), _) => {
                    (Some(work.seconds() * rate.seconds / rate.cost), Basis::Measured)
                }
                (None, Some(seconds)) => (Some(seconds), Basis::Stated),
                (None, None) => (None, Basis::Unknown),
            };
            let each = known.map(|rate| rate.bytes as f64 / rate.tasks as f64);
            let each = each.or_else(|| stated?.bytes.get(kind).copied());
            ToDo {
                kind,
                tasks,
                seconds,
                bytes: each.map(|each| each * tasks as f64),
                basis,
                words: work.to_string(),
                work: work.units().collect(),
            }
        });
        let kinds = kinds.collect::<Vec<_>>();
        let used = stated.filter(|_| kinds.iter().any(|kind| kind.basis == Basis::Stated));
        Ok(Self {
            kinds,
            rates: used.map(|stated| stated.path.clone()),
            rates_about: used.map(|stated| stated.about.clone()),
            at_once: used.and_then(|stated| stated.at_once),
        })
    }

    /// The kinds whose time is from `basis`.
    fn from(&self, basis: Basis) -> impl Iterator<Item = &ToDo> {
        self.kinds.iter().filter(move |kind| kind.basis == basis)
    }
}

/// A table of the kinds, and what is known of all. Empty where nothing is to do.
impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kinds.is_empty() {
            return Ok(());
        }
        writeln!(f, "to do, if nothing of it turns out to be there:")?;
        let width = self.kinds.iter().map(|kind| kind.kind.len()).max().unwrap_or(0).max(4);
        writeln!(f, "  {:width$}   tasks         time    to keep  work", "kind")?;
        for ToDo { kind, tasks, seconds, bytes, words, .. } in &self.kinds {
            let time = seconds.map_or("?".to_owned(), duration);
            let kept = bytes.map_or("?".to_owned(), |bytes| size(bytes as u64));
            let line = format!("  {kind:width$}  {tasks:>6}  {time:>11}  {kept:>9}  {words}");
            writeln!(f, "{}", line.trim_end())?;
        }
        let measured = self.from(Basis::Measured).count();
        if measured > 0 {
            let (seconds, bytes) = sum(self.from(Basis::Measured));
            let tasks = self.from(Basis::Measured).map(|kind| kind.tasks).sum::<usize>();
            let noun = if tasks == 1 { "task" } else { "tasks" };
            writeln!(
                f,
                "as the tasks of their kinds went that have run here: {tasks} {noun}, {} one after \
                 another, about {} to keep",
                duration(seconds),
                size(bytes as u64)
            )?;
        }
        if let (Some(path), Some(about)) = (&self.rates, &self.rates_about) {
            let (seconds, bytes) = sum(self.from(Basis::Stated));
            let tasks = self.from(Basis::Stated).map(|kind| kind.tasks).sum::<usize>();
            let at_once = match self.at_once.filter(|at_once| *at_once > 1.0) {
                Some(at_once) => format!("{}, {at_once} at once", duration(seconds / at_once)),
                None => format!("{}, one after another", duration(seconds)),
            };
            writeln!(
                f,
                "at the rates that {} states ({}): {tasks} tasks, {at_once}, {} to keep",
                path.display(),
                about.trim(),
                size(bytes as u64)
            )?;
        }
        let unknown = self.from(Basis::Unknown).map(|kind| kind.tasks).sum::<usize>();
        if unknown > 0 {
            let named = self.from(Basis::Unknown).map(|it| format!("{} ({})", it.kind, it.tasks));
            let tasks = if unknown == 1 { "task" } else { "tasks" };
            writeln!(
                f,
                "of unknown length, as none of their kind has run here: {unknown} {tasks}: {}; \
                 `titrate reproduce --only LABEL` runs one, `--rates FILE` states rates",
                some_of(&named.collect::<Vec<_>>(), NAMED, ", ")
            )?;
        }
        Ok(())
    }
}

fn sum<'a>(kinds: impl Iterator<Item = &'a ToDo>) -> (f64, f64) {
    kinds.fold((0.0, 0.0), |(seconds, bytes), kind| {
        (seconds + kind.seconds.unwrap_or(0.0), bytes + kind.bytes.unwrap_or(0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_stated_a_unit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rates.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Stated::read(&path).map_err(|error| format!("{error:#}"))
        };
        let stated = read(
            "about = \"a machine\"\n[seconds]\nunet-training = 0.5\nevaluations = 2\n[bytes]\nimport = 1e9\n",
        );
        let stated = stated.unwrap();
        let work = Work::of([(Unit::UNetTraining, 10), (Unit::Evaluations, 3)]);
        assert!((stated.seconds(&work).unwrap() - 11.03).abs() < 1e-9);
        assert_eq!(stated.seconds(&Work::of([(Unit::Pictures, 1)])), None);
        assert_eq!(stated.seconds(&Work::about(1.0)), None);
        let refused = read("about = \"a\"\n[seconds]\nunets = 1\n").unwrap_err();
        assert!(refused.contains("unknown variant `unets`"), "{refused}");
        let refused = read("about = \"a\"\n[seconds]\nunet-training = -1\n").unwrap_err();
        assert!(refused.contains("seconds.unet-training is -1; 0 or more expected"), "{refused}");
        let refused = read("about = \"a\"\n[bytes]\nimprot = 1\n").unwrap_err();
        assert!(refused.contains("bytes.improt is about no kind of task"), "{refused}");
    }
}
