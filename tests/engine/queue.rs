//! Which task starts next, and with how many threads.

use expect_test::expect;
use serde_json::json;
use titrate::exec::{Event, Options};

use crate::runs::Place;
use crate::toy::{Toy, ToyTask};

pub const TESTS: &[(&str, fn())] = &[
    ("idle_cores_go_to_the_tasks_that_can_start", idle_cores_go_to_the_tasks_that_can_start),
    ("a_gpu_has_one_task_at_a_time", a_gpu_has_one_task_at_a_time),
    (
        "long_tasks_start_first_and_a_lone_one_gets_all_cores",
        long_tasks_start_first_and_a_lone_one_gets_all_cores,
    ),
];

/// In the middle of a study, where two tasks alone can run, and at its ends.
fn idle_cores_go_to_the_tasks_that_can_start() {
    let place = Place::new();
    let two = |number: usize, before: &str| {
        ["a", "b"].map(|name| {
            let label = format!("{number}/{name}");
            ToyTask::new(&label, "join", json!({ "label": label }), &[before])
        })
    };
    let mut tasks = vec![ToyTask::new("first", "emit", json!({ "text": "first" }), &[])];
    tasks.extend(two(1, "first"));
    tasks.push(ToyTask::new("middle", "join", json!({}), &["1/a", "1/b"]));
    tasks.extend(two(2, "middle"));
    let options = Options { jobs: 16, cores: 16, ..place.options() };
    let started = place.run_with(&Toy(tasks), &options);
    let started = started.pick(|event| match event {
        Event::Started { label, threads, .. } => Some(format!("{label}: {threads}")),
        _ => None,
    });
    expect![[r#"["first: 16", "1/a: 8", "1/b: 8", "middle: 16", "2/a: 8", "2/b: 8"]"#]]
        .assert_eq(&format!("{started:?}"));
}

fn a_gpu_has_one_task_at_a_time() {
    let place = Place::new();
    let task = |label: &str, kind, cost| ToyTask {
        cost,
        ..ToyTask::new(label, kind, json!({ "text": label }), &[])
    };
    let tasks = [
        ("gpu/a", "generate", 4.0),
        ("gpu/b", "generate", 3.0),
        ("gpu/c", "generate", 2.0),
        ("processor", "emit", 1.0),
    ];
    let ran = place.run(&Toy(tasks.map(|(label, kind, cost)| task(label, kind, cost)).into()));
    let told = ran.pick(|event| match event {
        Event::Started { label, .. } => Some((label.as_str(), "starts")),
        Event::Finished { label, .. } => Some((label.as_str(), "ends")),
        _ => None,
    });
    assert_eq!(
        told[..2],
        [("gpu/a", "starts"), ("processor", "starts")],
        "a task of the processor does not wait"
    );
    let on_gpu: Vec<_> = told.into_iter().filter(|(label, _)| label.starts_with("gpu")).collect();
    let in_turn =
        ["gpu/a", "gpu/b", "gpu/c"].iter().flat_map(|&label| [(label, "starts"), (label, "ends")]);
    assert_eq!(on_gpu, in_turn.collect::<Vec<_>>());
}

fn long_tasks_start_first_and_a_lone_one_gets_all_cores() {
    let place = Place::new();
    let cost = |label: &str, cost| ToyTask {
        cost,
        ..ToyTask::new(label, "emit", json!({ "text": label }), &[])
    };
    let last = ToyTask::new("last", "join", json!({}), &["short", "long", "middle"]);
    let ran =
        place.run(&Toy(vec![cost("short", 1.0), cost("long", 3.0), cost("middle", 2.0), last]));
    let started = ran.pick(|event| match event {
        Event::Started { label, threads, .. } => Some((label.as_str(), *threads)),
        _ => None,
    });
    assert_eq!(started[..2], [("long", 2), ("middle", 2)]);
    assert_eq!(started[3], ("last", 4));
}
