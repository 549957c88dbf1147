//! A study of as many tiny tasks as one likes, in the shape of a real one: chains of a source, a
//! model of it and a judgement, which are gathered by the hundred for the report.

use anyhow::Context;
use serde_json::json;
use titrate::exec::{Outputs, StepError};
use titrate::plan::kinds::Kind;
use titrate::plan::{Graph, Input, Job, Memory, Numerics, Progress, Task, TaskId, Work};
use titrate::store::{Objects, Store};
use titrate::study::LoadedStudy;

/// The variable that says how many tasks there are.
pub const TASKS: &str = "GRAPHS_TASKS";

/// Chains that one task gathers.
pub const GATHERED: usize = 100;

/// How many chains make about `tasks` tasks.
pub fn chains(tasks: usize) -> usize {
    (tasks.saturating_sub(1) * GATHERED / (3 * GATHERED + 1)).max(1)
}

/// How many tasks `chains` chains have, with what gathers them and the report.
pub fn tasks_of(chains: usize) -> usize {
    3 * chains + chains.div_ceil(GATHERED) + 1
}

static EMIT: Kind = Kind { name: "emit", version: 1, noun: "source", on_device: false };
static JOIN: Kind = Kind { name: "join", version: 1, noun: "text", on_device: false };

fn task(
    graph: &mut Graph,
    label: String,
    kind: &'static Kind,
    inputs: &[TaskId],
) -> anyhow::Result<TaskId> {
    let inputs = inputs.iter().enumerate();
    Ok(graph.add(Task {
        params: json!({ "text": label }),
        label,
        kind,
        inputs: inputs.map(|(at, id)| (format!("input/{at}"), Input::Task(*id))).collect(),
        seed: None,
        work: Work::about(0.01),
        memory: Memory::PLAIN,
    })?)
}

/// The graph of about as many tasks as the environment says.
pub fn tasks(_: &LoadedStudy, _: &Store) -> anyhow::Result<Graph> {
    graph(std::env::var(TASKS).context(TASKS)?.parse().context(TASKS)?)
}

/// The graph of about `count` tasks.
pub fn graph(count: usize) -> anyhow::Result<Graph> {
    let mut graph = Graph::new(Numerics::on("cpu"));
    let (mut gathered, mut judged) = (Vec::new(), Vec::new());
    let chains = chains(count);
    for chain in 0..chains {
        let source = task(&mut graph, format!("source/{chain}"), &EMIT, &[])?;
        let model = task(&mut graph, format!("model/{chain}"), &JOIN, &[source])?;
        judged.push(task(&mut graph, format!("judged/{chain}"), &JOIN, &[source, model])?);
        if judged.len() == GATHERED || chain + 1 == chains {
            let label = format!("gathered/{}", gathered.len());
            gathered.push(task(&mut graph, label, &JOIN, &judged)?);
            judged.clear();
        }
    }
    task(&mut graph, "report".into(), &JOIN, &gathered)?;
    Ok(graph)
}

/// Joins what a task reads.
pub fn run(
    job: &Job,
    objects: &Objects,
    _: &mut dyn FnMut(Progress),
) -> Result<Outputs, StepError> {
    let mut text = job.params["text"].to_string();
    for entry in job.inputs.values().flat_map(|artifact| artifact.entries()) {
        text.push_str(std::str::from_utf8(&objects.read(&entry.digest)?)?);
    }
    // A report is as long as a report, however much it is made of.
    text.truncate(10_000);
    Ok(vec![("index.html".into(), text.into_bytes())])
}
