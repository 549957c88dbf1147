//! A pipeline of tiny steps with the shape of the real one, described by JSON.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use titrate::exec::{Outputs, StepError};
use titrate::id::Digest;
use titrate::plan::kinds::Kind;
use titrate::plan::{Graph, Input, InputFile, Job, Memory, Numerics, Progress, Task, Work};
use titrate::seed::Seed;
use titrate::store::{Objects, Store};
use titrate::study::LoadedStudy;

/// Where the pipeline finds its description when it runs through the command line.
pub const DESCRIPTION: &str = "TOY_PIPELINE";

/// The tasks of a toy, in topological order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Toy(pub Vec<ToyTask>);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToyTask {
    pub label: String,
    pub kind: String,
    pub params: Map<String, Value>,
    /// Role -> label of the task that is read.
    pub inputs: BTreeMap<String, String>,
    /// Role -> path of a file that is read.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    pub seed: Option<u64>,
    pub cost: f64,
}

impl ToyTask {
    pub fn new(label: &str, kind: &str, params: Value, inputs: &[&str]) -> Self {
        let Value::Object(params) = params else { panic!("params are an object") };
        let inputs =
            inputs.iter().map(|input| (input.replace('/', "-"), input.to_string())).collect();
        Self {
            label: label.into(),
            kind: kind.into(),
            params,
            inputs,
            files: BTreeMap::new(),
            seed: None,
            cost: 1.0,
        }
    }
}

impl Toy {
    pub fn task(&mut self, label: &str) -> &mut ToyTask {
        self.0.iter_mut().find(|task| task.label == label).expect(label)
    }

    /// The graph; files are hashed through the store's cache. Of the toy's kinds, `generate` alone
    /// belongs on the GPU, where it does what `emit` does.
    pub fn graph(&self, store: &Store) -> anyhow::Result<Graph> {
        let mut graph = Graph::new(Numerics::on("cuda"));
        for toy in &self.0 {
            let mut inputs = Vec::new();
            for (role, label) in &toy.inputs {
                inputs.push((role.clone(), Input::Task(graph.find(label)?)));
            }
            for (role, path) in &toy.files {
                let digest: Digest = store.file_digest(path).context("a toy's file")?;
                let file = InputFile { name: role.clone(), path: path.into(), digest };
                inputs.push((role.clone(), Input::Files(vec![file])));
            }
            graph.add(Task {
                label: toy.label.clone(),
                kind: KINDS.iter().find(|kind| kind.name == toy.kind).context("an unknown kind")?,
                params: toy.params.clone().into(),
                inputs,
                seed: toy.seed.map(Seed::of_study),
                work: Work::about(toy.cost),
                memory: Memory::PLAIN,
            })?;
        }
        Ok(graph)
    }
}

const fn kind(name: &'static str, on_device: bool) -> Kind {
    Kind { name, version: 1, noun: name, on_device }
}

static KINDS: [Kind; 10] = [
    kind("emit", false),
    kind("generate", true),
    kind("join", false),
    kind("shorten", false),
    kind("draw", false),
    kind("page", false),
    kind("wait", false),
    kind("count", false),
    kind("fail", false),
    kind("panic", false),
];

/// The graph whose description's path is in the environment.
pub fn tasks(_: &LoadedStudy, store: &Store) -> anyhow::Result<Graph> {
    let path = std::env::var(DESCRIPTION)?;
    let text = std::fs::read_to_string(&path).context(path)?;
    serde_json::from_str::<Toy>(&text)?.graph(store)
}

/// Runs a toy task.
pub fn run(
    job: &Job,
    objects: &Objects,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outputs, StepError> {
    let mut read = String::new();
    for artifact in job.inputs.values() {
        for entry in artifact.entries() {
            read.push_str(&String::from_utf8(objects.read(&entry.digest)?)?);
        }
    }
    for file in job.files.values().flatten() {
        read.push_str(&String::from_utf8(file.read()?)?);
    }
    let tell =
        |message: String| Progress { done: 1, total: 2, unit: "parts".into(), rate: 0.0, message };
    progress(tell(format!("{}", std::process::id())));
    let output = match job.kind.as_str() {
        // The GPU that it sees.
        "generate" if job.params["gpu"] == true => std::env::var("CUDA_VISIBLE_DEVICES")?,
        "emit" | "generate" => job.params["text"].to_string(),
        "join" => {
            format!("({read}{})", Value::from(job.params.as_object().expect("an object").clone()))
        }
        "shorten" => read.lines().filter(|line| !line.starts_with('#')).collect(),
        "draw" => format!("{read}{:?}", job.seed.expect("a drawing task has a seed").normals(8)),
        "page" => {
            return Ok(vec![
                ("index.html".into(), read.clone().into()),
                ("figures/one.svg".into(), read.into()),
            ]);
        }
        "wait" => {
            // Until the file is there, or for good.
            let path = job.params["until"].as_str().expect("a path");
            while !std::path::Path::new(path).exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            // The attempt's folder is no task's business: this one differs with each.
            if job.params["odd"] == true { job.work.display().to_string() } else { read }
        }
        "count" => count(job)?,
        "fail" => {
            eprintln!("about to fail");
            return Err(json!({ "reason": "the toy is broken" }).to_string().into());
        }
        "panic" => panic!("the toy fell over"),
        other => unreachable!("kind {other}"),
    };
    Ok(vec![("text".into(), output.into_bytes())])
}

/// Counts slowly, and keeps how far it is when it is asked to end.
fn count(job: &Job) -> Result<String, StepError> {
    let (path, to) = (job.work.join("checkpoint"), job.params["to"].as_u64().expect("a number"));
    let kept = std::fs::read_to_string(&path).ok().and_then(|text| text.parse::<u64>().ok());
    let from = kept.unwrap_or(0);
    eprintln!("counts from {from}");
    for number in from..to {
        if number > from && job.halt.is_asked() {
            std::fs::write(path, number.to_string())?;
            job.halt.note_kept();
            return Err("asked to end".into());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(to.to_string())
}

/// A task of each kind that the study below has, one after the other.
pub fn chain(source: &str) -> Toy {
    let Toy(tasks) = study(source);
    let labels = ["images", "weights/a", "shards/a"];
    let tasks = tasks.into_iter().filter(|task| labels.contains(&task.label.as_str()));
    let report = ToyTask::new("report", "page", json!({}), &["shards/a"]);
    Toy(tasks.chain([report]).collect())
}

/// Images, two fine-tuned models, their shards, four classifiers, analysis and report: the shape of
/// a study.
pub fn study(source: &str) -> Toy {
    let mut images = ToyTask::new("images", "shorten", json!({}), &[]);
    images.files.insert("source".into(), source.into());
    let classifier = |arm: &str, params: Value, shards: &[&str]| {
        let inputs: Vec<&str> = ["images"].iter().chain(shards).copied().collect();
        let mut task = ToyTask::new(&format!("classifier/{arm}"), "join", params, &inputs);
        task.seed = Some(7);
        task
    };
    let mut shards = ["a", "b"].map(|class| {
        let mut task = ToyTask::new(
            &format!("shards/{class}"),
            "draw",
            json!({ "scale": 3.0 }),
            &[&format!("weights/{class}")],
        );
        task.seed = Some(class.len() as u64);
        task
    });
    shards[1].cost = 5.0;
    let [shards_a, shards_b] = shards;
    let classifiers =
        ["classifier/real", "classifier/real-augmented", "classifier/a", "classifier/ab-augmented"];
    Toy(vec![
        images,
        ToyTask::new("weights/a", "join", json!({ "steps": 100, "class": "a" }), &["images"]),
        ToyTask::new("weights/b", "join", json!({ "steps": 100, "class": "b" }), &["images"]),
        shards_a,
        shards_b,
        classifier("real", json!({ "epochs": 2 }), &[]),
        classifier("real-augmented", json!({ "epochs": 2, "strength": 0.1 }), &[]),
        classifier("a", json!({ "epochs": 2 }), &["shards/a"]),
        classifier(
            "ab-augmented",
            json!({ "epochs": 2, "strength": 0.1 }),
            &["shards/a", "shards/b"],
        ),
        ToyTask::new("analysis/sweep", "join", json!({ "q": 0.05 }), &classifiers),
        ToyTask::new("report", "page", json!({}), &["analysis/sweep"]),
    ])
}
