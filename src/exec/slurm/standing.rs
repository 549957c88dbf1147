//! What the queue has of a store's tasks, for people.

use std::collections::BTreeMap;
use std::path::Path;

use crate::exec::slurm::array::Array;
use crate::exec::slurm::client;
use crate::exec::slurm::state::word;

/// A line on the jobs that runs on the store at `root` have submitted and not taken in; `None` where
/// there are none.
pub fn standing(root: &Path) -> Option<String> {
    let arrays = Array::left(root);
    if arrays.is_empty() {
        return None;
    }
    let names: Vec<String> = arrays.into_iter().map(|array| array.record.name).collect();
    let rows = match client::query(&names) {
        Ok(rows) => rows,
        Err(words) => return Some(format!("in the queue: it cannot be asked: {words}")),
    };
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *states.entry(word(&row.state)).or_default() += 1;
    }
    let states: Vec<String> =
        states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
    let shown = if states.is_empty() { "nothing any more".to_owned() } else { states.join(", ") };
    Some(format!(
        "in the queue: {shown} (submitted by a run that was killed; the same command takes it up again)"
    ))
}
