//! Which task starts next, and with how many threads.

use expect_test::expect;
use serde_json::json;
use titrate::exec::{Event, Options};

use crate::runs::Place;
use crate::toy::{Toy, ToyTask};

pub const TESTS: &[(&str, fn())] = &[
    ("idle_cores_go_to_the_tasks_that_can_start", idle_cores_go_to_the_tasks_that_can_start),
    ("a_gpu_has_one_task_at_a_time", a_gpu_has_one_task_at_a_time),
    ("as_many_run_at_once_as_there_are_gpus", as_many_run_at_once_as_there_are_gpus),
    ("tasks_share_the_memory_that_there_is", tasks_share_the_memory_that_there_is),
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

/// Each of two GPUs has a task at a time, which sees that one only; a third waits.
fn as_many_run_at_once_as_there_are_gpus() {
    let place = Place::new();
    let task = |label: &str, cost| ToyTask {
        cost,
        ..ToyTask::new(label, "generate", json!({ "text": label, "gpu": true }), &[])
    };
    let toy = Toy(vec![task("gpu/a", 4.0), task("gpu/b", 3.0), task("gpu/c", 2.0)]);
    let gpus = vec!["1".to_owned(), "GPU-8932f937".to_owned()];
    let ran = place.run_with(&toy, &Options { gpus: gpus.clone(), ..place.options() });
    let told = ran.pick(|event| match event {
        Event::Started { label, .. } => Some((label.as_str(), "starts")),
        Event::Finished { label, .. } => Some((label.as_str(), "ends")),
        _ => None,
    });
    assert_eq!(told[..2], [("gpu/a", "starts"), ("gpu/b", "starts")]);
    assert_eq!((told[2].1, told[3]), ("ends", ("gpu/c", "starts")));
    let seen = ["gpu/a", "gpu/b", "gpu/c"]
        .map(|label| std::fs::read_to_string(place.object(&toy, label)).unwrap());
    assert_eq!(seen[..2], gpus);
    assert!(gpus.contains(&seen[2]), "{}", seen[2]);
}

/// A toy's kind states 0.2 GB, as every process does, and takes far less: so the first is alone, and
/// then two run at once.
fn tasks_share_the_memory_that_there_is() {
    let toy = || {
        let task = |(label, cost)| ToyTask {
            cost,
            ..ToyTask::new(label, "emit", json!({ "text": label }), &[])
        };
        Toy([("a", 3.0), ("b", 2.0), ("c", 1.0)].map(task).into())
    };
    let told = |place: &Place, memory| {
        let ran = place.run_with(&toy(), &Options { memory, ..place.options() });
        ran.pick(|event| match event {
            Event::Started { label, threads, .. } => Some(format!("{label} on {threads}")),
            Event::Finished { label, .. } => Some(format!("{label} ends")),
            Event::Remark { text } => Some(text.clone()),
            _ => None,
        })
    };
    let place = Place::new();
    assert_eq!(told(&place, 300_000_000)[..4], ["a on 4", "a ends", "b on 2", "c on 2"]);
    let place = Place::new();
    assert_eq!(
        told(&place, 150_000_000)[..3],
        [
            "a may need 0.2 GB of memory, more than the 0.1 GB that tasks have together here (--memory): it runs alone",
            "a on 4",
            "a ends"
        ]
    );
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
