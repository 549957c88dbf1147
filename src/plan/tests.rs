//! Manifests, their keys, the explanation of a change, and what the graph refuses.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::kinds::{Kind, Spec};
use super::*;
use crate::id::Digest;
use crate::seed::Seed;
use crate::store::{Artifact, Entry};

const KIND: Kind = Kind { name: "dreambooth", version: 3, noun: "fine-tuning", on_device: true };
const NEWER: Kind = Kind { version: 4, ..KIND };

fn task(label: &str, params: Value) -> Task {
    Task {
        label: label.into(),
        kind: &KIND,
        params,
        inputs: Vec::new(),
        seed: None,
        work: Work::about(1.0),
        memory: Memory::PLAIN,
    }
}

fn artifact(content: &[u8]) -> Artifact {
    Artifact::new(vec![Entry {
        name: "unet".into(),
        digest: Digest::of(content),
        size: content.len() as u64,
    }])
    .unwrap()
}

fn full() -> Task {
    let file = |name: &str| InputFile {
        name: name.into(),
        path: "/anywhere".into(),
        digest: Digest::of(name.as_bytes()),
    };
    Task {
        seed: Some(Seed::of_study(1)),
        inputs: vec![
            ("unet".into(), Input::Imported(artifact(b"weights"))),
            ("images".into(), Input::Files(vec![file("train-images.gz"), file("labels")])),
        ],
        ..task(
            "dreambooth/psoriasis",
            json!({
                "prompt": "An image of \"psoriasis\",\na skin disease",
                "learning_rate": 3e-4,
                "widths": [32, 64],
                "steps": 200,
                "decay": 1.0,
                "tiny": 1e-12,
                "none": [],
                "ema": { "on": true, "a b": {} },
            }),
        )
    }
}

fn manifest(task: &Task) -> Manifest {
    Manifest::new(task, &Numerics::cpu(), |_| Digest::of(b"made by a task"))
}

#[test]
fn the_manifest_and_its_key_are_pinned() {
    let manifest = manifest(&full());
    expect![[r#"
        input.images.labels = 237213b959c9309696316893ff8887a21d1b5dd2df0278fc52508514e13c2857
        input.images."train-images.gz" = db0f4c82615f1a93071d6d3b2670a00eec61f2f68a977e2aef7184f1f84faf99
        input.unet = fe221d1a49da2756941743131e6cec8267b52587b6d633716296f5b014e7a933
        kind = "dreambooth"
        numerics.backend = "candle 0.11.1"
        numerics.device = "cpu"
        numerics.dtype = "f32"
        params.decay = 1.0
        params.ema."a b" = {}
        params.ema.on = true
        params.learning_rate = 0.0003
        params.none = []
        params.prompt = "An image of \"psoriasis\",\na skin disease"
        params.steps = 200
        params.tiny = 1e-12
        params.widths[0] = 32
        params.widths[1] = 64
        seed = 9d16a322614cfb359adb6ed84f0f8141baf5730df222a6514cd0e8577d5ffb48
        version = 3
    "#]]
    .assert_eq(manifest.text());
    expect!["f37de3d5780cb383e0fe3afd006236aa9e12478dae3049d0ece2772bf2e99d6e"]
        .assert_eq(&manifest.key().to_string());
}

#[test]
fn what_does_not_matter_is_not_in_the_key() {
    let mut other = full();
    other.label = "another".into();
    other.work = Work::about(9.0);
    other.inputs.reverse();
    if let Input::Files(files) = &mut other.inputs[0].1 {
        files.reverse();
        files[0].path = "/elsewhere".into();
    }
    assert_eq!(manifest(&other), manifest(&full()));
    let changed = |change: fn(&mut Task)| {
        let mut task = full();
        change(&mut task);
        manifest(&task).key()
    };
    let keys = [
        manifest(&full()).key(),
        changed(|task| task.kind = &kinds::Generate::KIND),
        changed(|task| task.kind = &NEWER),
        changed(|task| task.seed = None),
        changed(|task| task.params["decay"] = json!(1)),
        changed(|task| task.params["widths"] = json!([64, 32])),
        changed(|task| task.inputs[0].0 = "vae".into()),
        changed(|task| task.inputs[0].1 = Input::Imported(artifact(b"other weights"))),
    ];
    assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
}

#[test]
fn a_change_is_explained_by_the_lines_that_differ() {
    let check = |change: fn(&mut Task), expected: Expect| {
        let mut after = full();
        change(&mut after);
        let changes = differences(manifest(&full()).text(), manifest(&after).text());
        expected.assert_eq(&Reason::Changed(changes).to_string());
    };
    check(|task| task.params["steps"] = json!(300), expect!["params.steps: 200 -> 300"]);
    check(
        |task| task.params["widths"] = json!([32, 96, 128]),
        expect!["params.widths[1]: 64 -> 96; params.widths[2]: new, 128"],
    );
    let text = |sizes: &str| json!(format!("title = 1\nsize = {sizes}\n"));
    let (before, after) = (text("1\nsize = 1\nsize = 2"), text("1\nsize = 3\nsize = 4\nlast = 5"));
    let change = Change {
        name: "study".into(),
        before: Some(before.to_string()),
        after: Some(after.to_string()),
    };
    expect!["study: -size = 1, -size = 2, +size = 3, +size = 4, +last = 5"]
        .assert_eq(&change.to_string());
    check(|task| task.kind = &NEWER, expect!["version: 3 -> 4"]);
    check(
        |task| task.inputs[0].1 = Input::Imported(artifact(b"other")),
        expect!["input.unet: fe221d1a49da -> eb79c4178334"],
    );
    check(
        |task| drop(task.inputs.pop()),
        expect![[
            r#"input.images."train-images.gz": gone, was db0f4c82615f; input.images.labels: gone, was 237213b959c9"#
        ]],
    );
}

#[test]
fn the_graph_refuses_what_has_no_key() {
    let check = |task: Task, expected: Expect| {
        let mut graph = Graph::new(Numerics::cpu());
        graph.add(self::task("images", json!({}))).unwrap();
        expected.assert_eq(&graph.add(task).unwrap_err().to_string());
    };
    let nan = serde_json::to_value([f64::NAN]).unwrap();
    check(
        task("a", json!({ "rates": nan })),
        expect![
            "task `a`: params.rates[0] is null (a number that is not finite, or an absent value): leave the key out or give it a value"
        ],
    );
    check(task("a", json!([1])), expect!["task `a`: params are not an object"]);
    check(task("images", json!({})), expect!["two tasks are called `images`: labels are unique"]);
    let mut other = Graph::new(Numerics::cpu());
    other.add(task("x", json!({}))).unwrap();
    let later = other.add(task("y", json!({}))).unwrap();
    check(
        Task { inputs: vec![("y".into(), Input::Task(later))], ..task("a", json!({})) },
        expect!["task `a` reads task number 1, which is not in the graph yet: add inputs first"],
    );
}

#[test]
fn a_part_of_a_graph_is_a_task_with_what_it_is_made_from() {
    let mut graph = Graph::new(Numerics::cpu());
    let ids =
        ["images", "weights", "aside"].map(|label| graph.add(task(label, json!({}))).unwrap());
    let reads = |input| vec![("x".to_owned(), Input::Task(input))];
    let shards = graph.add(Task { inputs: reads(ids[1]), ..task("shards", json!({})) }).unwrap();
    graph.add(Task { inputs: reads(shards), ..task("classifier", json!({})) }).unwrap();
    let part = graph.restricted_to("shards").unwrap();
    let labels: Vec<&str> = part.ids().map(|id| part.task(id).label.as_str()).collect();
    assert_eq!(labels, ["weights", "shards"]);
    assert_eq!(
        part.dependants(part.by_label("weights").unwrap()),
        [part.by_label("shards").unwrap()]
    );
    expect!["no task is called `shard`; the nearest is `shards`"]
        .assert_eq(&graph.find("shard").unwrap_err().to_string());
}

#[test]
fn the_backend_is_the_one_that_is_linked() {
    let lock = include_str!("../../Cargo.lock");
    let (_, after) =
        lock.split_once("name = \"candle-core\"\nversion = \"").expect("candle-core is locked");
    let (version, _) = after.split_once('"').unwrap();
    assert_eq!(Numerics::cpu().backend, format!("candle {version}"));
}
