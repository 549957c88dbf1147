//! Results that others computed: taken in instead of running their tasks, their outputs fetched
//! when a task reads them.

use std::fmt::Debug;
use std::sync::Arc;

use crate::id::Key;
use crate::plan::{Graph, Task, TaskId, read_task_inputs};
use crate::store::{Artifact, Store, StoreError};

/// A place that has results of tasks, such as a shared store. It answers for what it hands over:
/// whatever it refuses or cannot reach, it has told by itself, and the task runs here.
pub trait Elsewhere: Debug + Send + Sync {
    /// Takes the receipt of `key` into the store, if there is one that can be trusted, and returns
    /// the output, of which nothing need be here.
    ///
    /// # Errors
    /// If the store fails.
    fn obtain(&self, store: &Store, label: &str, key: &Key)
    -> Result<Option<Artifact>, StoreError>;

    /// Brings what is missing of an output into the store, as far as it can be had.
    ///
    /// # Errors
    /// If the store fails.
    fn fetch(&self, store: &Store, label: &str, output: &Artifact) -> Result<(), StoreError>;
}

/// The output of a stale task whose result can be had.
pub(super) fn output(
    from: &Option<Arc<dyn Elsewhere>>,
    store: &Store,
    task: &Task,
    key: &Key,
) -> Result<Option<Artifact>, StoreError> {
    let Some(from) = from else { return Ok(None) };
    from.obtain(store, &task.label, key)
}

/// Fetches what `task` reads and is noted as lying elsewhere. What can't be had is found missing
/// by the worker, and made again.
pub(super) fn inputs<'a>(
    from: &Option<Arc<dyn Elsewhere>>,
    store: &Store,
    graph: &Graph,
    task: &Task,
    artifact_of: impl Fn(TaskId) -> &'a Artifact,
) -> Result<(), StoreError> {
    let Some(from) = from else { return Ok(()) };
    for input in read_task_inputs(task) {
        let artifact = artifact_of(input);
        if store.elsewhere(artifact).is_some() {
            from.fetch(store, &graph.task(input).label, artifact)?;
        }
    }
    Ok(())
}
