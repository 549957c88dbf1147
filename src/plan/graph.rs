//! Tasks and the acyclic graph they form.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::plan::kinds::{Kind, Lineage, Spec};
use crate::plan::memory::Memory;
use crate::plan::numerics::Numerics;
use crate::plan::work::Work;
use crate::seed::Seed;
use crate::store::Artifact;

/// A task in its [`Graph`]: the order of ids is a topological order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u32);

impl TaskId {
    /// The position in the graph's list of tasks.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One step of a study: a pure description, without any of its inputs' contents.
#[derive(Clone, Debug)]
pub struct Task {
    /// Unique in its graph and free to change: it never enters the key. Example:
    /// `dreambooth/psoriasis/text-to-image`.
    pub label: String,
    /// The kind of task.
    pub kind: &'static Kind,
    /// The parameters that the step reads and no others: a JSON object without null.
    pub params: serde_json::Value,
    /// Inputs by role; roles are unique within the task.
    pub inputs: Vec<(String, Input)>,
    /// The stream that all the step's randomness comes from.
    pub seed: Option<Seed>,
    /// Amount of work, which orders the queue (longest first) and weighs the ETA. Not in the key.
    pub work: Work,
    /// What it may need of memory, which keeps tasks from running beside each other. Not in the key.
    pub memory: Memory,
}

/// An input of a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The artifact of an earlier task of the graph.
    Task(TaskId),
    /// Files outside the store, read where they lie.
    Files(Vec<InputFile>),
    /// An artifact whose objects are in the store already.
    Imported(Artifact),
    /// Something outside the store that is not there: such a task can be planned and not run.
    Absent(String),
}

/// A file outside the store. Its name and digest enter the key; its path does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InputFile {
    /// Name of the file among the task's inputs.
    pub name: String,
    /// Where the file is.
    pub path: PathBuf,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// A task that cannot stand in the graph.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum PlanError {
    /// Two tasks have the same label.
    #[error("two tasks are called `{0}`: labels are unique")]
    DuplicateLabel(String),
    /// A task has two inputs of the same role.
    #[error("task `{label}` has two inputs called `{role}`")]
    DuplicateRole { label: String, role: String },
    /// A task has two files of the same role.
    #[error("task `{label}` reads two files of one name as `{role}`")]
    DuplicateFile { label: String, role: String },
    /// An input is no task of the graph.
    #[error(
        "task `{label}` reads task number {input}, which is not in the graph yet: add inputs first"
    )]
    UnknownInput { label: String, input: usize },
    /// A parameter is null.
    #[error(
        "task `{label}`: {place} is null (a number that is not finite, or an absent value): leave the key out or give it a value"
    )]
    Null { label: String, place: String },
    /// The parameters are no JSON object.
    #[error("task `{label}`: params are not an object")]
    NotAnObject { label: String },
    /// No task has this label.
    #[error("no task is called `{label}`{hint}")]
    NoSuchLabel { label: String, hint: String },
}

/// Tasks in topological order, by construction: a task is added after its inputs.
#[derive(Clone, Debug)]
pub struct Graph {
    numerics: Numerics,
    tasks: Vec<Task>,
    dependants: Vec<Vec<TaskId>>,
    by_label: HashMap<String, TaskId>,
}

impl Graph {
    /// A graph without tasks, for tasks that compute with `numerics`.
    pub fn new(numerics: Numerics) -> Self {
        Self { numerics, tasks: Vec::new(), dependants: Vec::new(), by_label: HashMap::new() }
    }

    /// Adds a task whose inputs are in the graph.
    ///
    /// # Errors
    /// If the task's label, roles, parameters or inputs are not allowed.
    pub fn add(&mut self, task: Task) -> Result<TaskId, PlanError> {
        self.check(&task)?;
        let id = TaskId(u32::try_from(self.tasks.len()).expect("fewer than 2^32 tasks"));
        for input in distinct_task_inputs(&task) {
            self.dependants[input.index()].push(id);
        }
        self.by_label.insert(task.label.clone(), id);
        self.tasks.push(task);
        self.dependants.push(Vec::new());
        Ok(id)
    }

    fn check(&self, task: &Task) -> Result<(), PlanError> {
        let label = || task.label.clone();
        if self.by_label.contains_key(&task.label) {
            return Err(PlanError::DuplicateLabel(label()));
        }
        let mut roles = BTreeSet::new();
        for (role, input) in &task.inputs {
            if !roles.insert(role) {
                return Err(PlanError::DuplicateRole { label: label(), role: role.clone() });
            }
            if let Input::Task(id) = input
                && id.index() >= self.tasks.len()
            {
                return Err(PlanError::UnknownInput { label: label(), input: id.index() });
            }
            if let Input::Files(files) = input {
                let names: BTreeSet<_> = files.iter().map(|file| &file.name).collect();
                if names.len() < files.len() {
                    return Err(PlanError::DuplicateFile { label: label(), role: role.clone() });
                }
            }
        }
        if !task.params.is_object() {
            return Err(PlanError::NotAnObject { label: label() });
        }
        if let Some(place) = null_in(&task.params) {
            return Err(PlanError::Null { label: label(), place: format!("params{place}") });
        }
        Ok(())
    }

    /// The same tasks on another device, those at least whose kind can be there.
    pub fn on(self, device: &str) -> Self {
        Self { numerics: Numerics { device: device.to_owned(), ..self.numerics }, ..self }
    }

    /// The numerics that enter the keys of its tasks.
    pub fn numerics(&self) -> &Numerics {
        &self.numerics
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// All ids, inputs before the tasks that read them.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = TaskId> + use<> {
        (0..self.tasks.len() as u32).map(TaskId)
    }

    /// The task with this number.
    pub fn task(&self, id: TaskId) -> &Task {
        &self.tasks[id.index()]
    }

    /// The tasks that read this one's artifact, each once.
    pub fn dependants(&self, id: TaskId) -> &[TaskId] {
        &self.dependants[id.index()]
    }

    /// The task with this label.
    pub fn by_label(&self, label: &str) -> Option<TaskId> {
        self.by_label.get(label).copied()
    }

    /// As [`Graph::by_label`], with an error that names the nearest label.
    ///
    /// # Errors
    /// If no task has this label.
    pub fn find(&self, label: &str) -> Result<TaskId, PlanError> {
        self.by_label(label).ok_or_else(|| {
            let near =
                self.tasks.iter().map(|task| (strsim::jaro(label, &task.label), &task.label));
            let best = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|best| best.0 > 0.7);
            let hint =
                best.map(|(_, near)| format!("; the nearest is `{near}`")).unwrap_or_default();
            PlanError::NoSuchLabel { label: label.to_owned(), hint }
        })
    }

    /// The task called `label` and everything it is made from, as a graph of its own.
    ///
    /// # Errors
    /// If no task has this label.
    pub fn restricted_to(&self, label: &str) -> Result<Graph, PlanError> {
        let mut wanted = vec![false; self.tasks.len()];
        wanted[self.find(label)?.index()] = true;
        for index in (0..self.tasks.len()).rev() {
            if wanted[index] {
                distinct_task_inputs(&self.tasks[index])
                    .into_iter()
                    .for_each(|input| wanted[input.index()] = true);
            }
        }
        let mut graph = Graph::new(self.numerics.clone());
        let mut renamed: HashMap<TaskId, TaskId> = HashMap::new();
        for id in self.ids().filter(|id| wanted[id.index()]) {
            let mut task = self.task(id).clone();
            for (_, input) in &mut task.inputs {
                if let Input::Task(old) = input {
                    *old = renamed[old];
                }
            }
            renamed.insert(id, graph.add(task)?);
        }
        Ok(graph)
    }
}

/// The tasks that `task` reads, each once.
pub(crate) fn distinct_task_inputs(task: &Task) -> BTreeSet<TaskId> {
    let of = |input: &Input| if let Input::Task(id) = input { Some(*id) } else { None };
    task.inputs.iter().filter_map(|(_, input)| of(input)).collect()
}

/// The tasks whose outputs `task` reads. A lineage says what all others gave and reads none of it.
pub(crate) fn read_task_inputs(task: &Task) -> BTreeSet<TaskId> {
    match *task.kind == Lineage::KIND {
        true => BTreeSet::new(),
        false => distinct_task_inputs(task),
    }
}

fn null_in(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::Null => Some(String::new()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| null_in(item).map(|rest| format!("[{index}]{rest}"))),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, item)| null_in(item).map(|rest| format!(".{name}{rest}"))),
        _ => None,
    }
}
