//! Study files as dotted keys with values, and the keys whose change made a task stale.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::plan::{Change, Freshness, Reason};
use crate::store::{Runs, Store};
use crate::study::LoadedStudy;

/// A key that two studies have not got alike.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Changed {
    pub key: String,
    /// None: it was not there.
    pub before: Option<String>,
    /// None: it is no longer there.
    pub after: Option<String>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |value: &Option<String>| value.clone().unwrap_or_else(|| "not there".into());
        write!(f, "{}: {} -> {}", self.key, or(&self.before), or(&self.after))
    }
}

/// The keys that changed since a task last ran: those that have the changed values where any has, as
/// a parameter is called as the last part of its key, otherwise all; each with the place where it is
/// written now. None where no run on record made the task's last result.
///
/// # Errors
/// If the store or the record of a run can't be read.
pub(super) fn behind(
    label: &str,
    freshness: &Freshness,
    study: &LoadedStudy,
    store: &Store,
    root: &Path,
) -> Result<Vec<String>> {
    let Freshness::Stale(Reason::Changed(changes)) = freshness else { return Ok(Vec::new()) };
    let last = store.history(label)?.last().copied();
    let Some(receipt) = last.map(|key| store.receipt(&key)).transpose()?.flatten() else {
        return Ok(Vec::new());
    };
    let Some(before) = study_of_run(root, receipt.cost.started_unix_ms)? else {
        return Ok(Vec::new());
    };
    let all = changed(&flat(&before)?, &flat(&study.resolved)?);
    let (own, others) = all.into_iter().partition::<Vec<_>, _>(|key| key.is_behind_one_of(changes));
    let keys = if own.is_empty() { others } else { own };
    Ok(keys.iter().map(|key| format!("{key} ({})", study.place(&key.key))).collect())
}

/// The resolved study of the run that went at a time.
fn study_of_run(root: &Path, unix_ms: u64) -> Result<Option<String>> {
    let runs = Runs::at(root);
    let ids = runs.ids().unwrap_or_default();
    let begun = |id: &&String| {
        id.split('-')
            .next()
            .and_then(|digits| digits.parse::<u64>().ok())
            .is_some_and(|at| at <= unix_ms)
    };
    let Some(id) = ids.iter().rev().find(begun) else { return Ok(None) };
    let head: Option<Value> = runs.read(id)?;
    Ok(head.and_then(|head| head["study"].as_str().map(str::to_owned)))
}

/// The keys that differ, in their order.
pub(super) fn changed(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<Changed> {
    let keys = before.keys().chain(after.keys()).collect::<BTreeSet<_>>();
    let of = |key: &String| Changed {
        key: key.clone(),
        before: before.get(key).cloned(),
        after: after.get(key).cloned(),
    };
    keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).map(of).collect()
}

impl Changed {
    fn is_behind_one_of(&self, changes: &[Change]) -> bool {
        let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
        changes.iter().any(|change| {
            last(&change.name) == last(&self.key)
                && change.before == self.before
                && change.after == self.after
        })
    }
}

/// The keys of a resolved study and their values, lists as a whole.
///
/// # Errors
/// If it is no TOML.
pub(super) fn flat(study: &str) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    flatten("", &toml_edit::de::from_str(study).context("the resolved study")?, &mut all);
    Ok(all)
}

fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&format!("{name}{dot}{field}"), value, into);
            }
        }
        leaf => drop(into.insert(name.to_owned(), leaf.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, before: &str, after: &str) -> Change {
        Change { name: name.into(), before: Some(before.into()), after: Some(after.into()) }
    }

    #[test]
    fn a_parameter_is_called_as_the_last_part_of_its_key() {
        let of = |key: &str| Changed {
            key: key.into(),
            before: Some("15".into()),
            after: Some("20".into()),
        };
        let changes = [change("params.training.epochs", "15", "20"), change("version", "1", "2")];
        assert!(of("classifier.epochs").is_behind_one_of(&changes));
        assert!(!of("classifier.batch").is_behind_one_of(&changes));
        assert!(!of("epochs").is_behind_one_of(&[change("params.epochs", "15", "30")]));
        assert_eq!(of("classifier.epochs").to_string(), "classifier.epochs: 15 -> 20");
    }
}
