//! Runs in this process: what reruns after an edit, damage, or a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use titrate::exec::{Counts, Event, Options, Outcome, Stop};
use titrate::plan::{Freshness, walk};
use titrate::store::Store;

use crate::toy::{self, Toy, ToyTask};

pub const TESTS: &[(&str, fn())] = &[
    ("an_edit_reruns_exactly_what_depends_on_it", an_edit_reruns_exactly_what_depends_on_it),
    (
        "an_input_file_counts_by_its_bytes_and_its_step_by_its_output",
        an_input_file_counts_by_its_bytes_and_its_step_by_its_output,
    ),
    ("a_damaged_intermediate_alone_is_made_again", a_damaged_intermediate_alone_is_made_again),
    ("damage_found_while_reading_is_repaired", damage_found_while_reading_is_repaired),
    ("a_deleted_index_reruns_nothing", a_deleted_index_reruns_nothing),
    ("jobs_change_no_digest", jobs_change_no_digest),
    ("a_failure_stops_only_its_dependants", a_failure_stops_only_its_dependants),
    ("a_panic_is_an_error_with_its_text", a_panic_is_an_error_with_its_text),
    ("tasks_with_one_key_run_once", tasks_with_one_key_run_once),
    (
        "a_store_deleted_under_a_run_ends_it_and_stays_away",
        a_store_deleted_under_a_run_ends_it_and_stays_away,
    ),
    (
        "seven_hundred_fresh_tasks_are_settled_in_half_a_second",
        seven_hundred_fresh_tasks_are_settled_in_half_a_second,
    ),
];

/// A folder with a store and the toy's source file.
pub struct Place {
    folder: TempDir,
}

/// A run's outcome and events.
pub struct Ran {
    outcome: Outcome,
    events: Vec<Event>,
}

impl Place {
    pub fn new() -> Self {
        let folder = crate::folder();
        fs::write(folder.path().join("source"), "# drawn by hand\npixels\n").unwrap();
        Self { folder }
    }

    fn source(&self) -> String {
        self.folder.path().join("source").display().to_string()
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn open(&self) -> Store {
        Store::open(self.root()).unwrap()
    }

    pub fn options(&self) -> Options {
        Options {
            gpus: Vec::new(),
            elsewhere: None,
            place: titrate::exec::Place::Here,
            jobs: 2,
            cores: 4,
            memory: u64::MAX,
            keep_going: false,
            worker: vec!["worker".into(), "--store".into(), self.root().into()],
            interrupt: Arc::default(),
        }
    }

    pub fn run(&self, toy: &Toy) -> Ran {
        self.run_with(toy, &self.options())
    }

    pub fn run_with(&self, toy: &Toy, options: &Options) -> Ran {
        let store = self.open();
        let graph = toy.graph(&store).unwrap();
        let mut events = Vec::new();
        let outcome =
            titrate::exec::run(&graph, &store, options, &mut |event| events.push(event.clone()))
                .unwrap();
        Ran { outcome, events }
    }

    /// The path of the only object of the artifact that `label` made.
    pub fn object(&self, toy: &Toy, label: &str) -> PathBuf {
        let store = self.open();
        let graph = toy.graph(&store).unwrap();
        let id = graph.by_label(label).unwrap();
        match &walk(&graph, &store).unwrap()[id.index()].freshness {
            Freshness::Fresh(artifact) => store.objects().path(&artifact.entries()[0].digest),
            other => panic!("{label}: {other:?}"),
        }
    }
}

impl Ran {
    pub fn pick<'a, T>(&'a self, wanted: impl Fn(&'a Event) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(wanted).collect()
    }

    /// The labels that were executed, sorted.
    fn ran(&self) -> Vec<&str> {
        let mut labels: Vec<&str> =
            self.outcome.timings.iter().map(|timing| timing.label.as_str()).collect();
        labels.sort();
        labels
    }

    fn failure(&self) -> (&str, &str, &[String]) {
        let failures = self.pick(|event| match event {
            Event::Failed { label, error, log_tail, .. } => {
                Some((label.as_str(), error.as_str(), log_tail.as_slice()))
            }
            _ => None,
        });
        assert_eq!(failures.len(), 1, "{:?}", self.events);
        failures[0]
    }

    fn blocked(&self) -> Vec<&str> {
        let mut labels = self.pick(|event| match event {
            Event::Blocked { label, .. } => Some(label.as_str()),
            _ => None,
        });
        labels.sort();
        labels
    }
}

/// Flips a byte of a read-only file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

type Edit = (&'static str, fn(&mut Toy), &'static [&'static str]);

fn an_edit_reruns_exactly_what_depends_on_it() {
    fn set(toy: &mut Toy, label: &str, name: &str, value: Value) {
        toy.task(label).params.insert(name.into(), value).expect("the parameter is there");
    }
    let edits: &[Edit] = &[
        (
            "q of the correction",
            |toy| set(toy, "analysis/sweep", "q", json!(0.1)),
            &["analysis/sweep", "report"],
        ),
        (
            "classifier epochs",
            |toy| {
                toy.0
                    .iter_mut()
                    .filter_map(|task| task.params.get_mut("epochs"))
                    .for_each(|epochs| *epochs = json!(3))
            },
            &[
                "analysis/sweep",
                "classifier/a",
                "classifier/ab-augmented",
                "classifier/real",
                "classifier/real-augmented",
                "report",
            ],
        ),
        (
            "steps of one class",
            |toy| set(toy, "weights/b", "steps", json!(200)),
            &["analysis/sweep", "classifier/ab-augmented", "report", "shards/b", "weights/b"],
        ),
        (
            "a transform's strength",
            |toy| {
                toy.0
                    .iter_mut()
                    .filter_map(|task| task.params.get_mut("strength"))
                    .for_each(|strength| *strength = json!(0.2))
            },
            &["analysis/sweep", "classifier/ab-augmented", "classifier/real-augmented", "report"],
        ),
        (
            "a new arm",
            |toy| {
                let new = ToyTask::new(
                    "classifier/b",
                    "join",
                    json!({ "epochs": 2 }),
                    &["images", "shards/b"],
                );
                toy.0.insert(9, new);
                toy.task("analysis/sweep")
                    .inputs
                    .insert("classifier-b".into(), "classifier/b".into());
            },
            &["analysis/sweep", "classifier/b", "report"],
        ),
        (
            "another seed",
            |toy| toy.task("shards/a").seed = Some(9),
            &["analysis/sweep", "classifier/a", "classifier/ab-augmented", "report", "shards/a"],
        ),
        ("another label", |toy| toy.task("report").label = "the report".into(), &[]),
        ("other costs", |toy| toy.0.iter_mut().for_each(|task| task.cost += 1.0), &[]),
        ("another order", |toy| toy.0.swap(1, 2), &[]),
        (
            "an integer for a float is another value",
            |toy| set(toy, "shards/a", "scale", json!(3)),
            &["shards/a"],
        ),
    ];
    let place = Place::new();
    let toy = toy::study(&place.source());
    let first = place.run(&toy);
    assert_eq!(
        first.outcome.counts,
        Counts { tasks: 11, ran: 11, ..Counts::default() },
        "{:?}",
        first.events
    );
    for (name, edit, expected) in edits {
        let mut edited = toy.clone();
        edit(&mut edited);
        assert_eq!(place.run(&edited).ran(), *expected, "{name}");
        assert_eq!(place.run(&edited).ran(), [""; 0], "{name}, again");
        assert_eq!(place.run(&toy).ran(), [""; 0], "{name}, taken back");
    }
}

fn an_input_file_counts_by_its_bytes_and_its_step_by_its_output() {
    let place = Place::new();
    let toy = toy::study(&place.source());
    place.run(&toy);
    let text = fs::read(place.source()).unwrap();
    fs::remove_file(place.source()).unwrap();
    fs::write(place.source(), text).unwrap();
    assert_eq!(place.run(&toy).ran(), [""; 0], "the same bytes in a new file");
    fs::write(place.source(), "# drawn by machine\npixels\n").unwrap();
    assert_eq!(place.run(&toy).ran(), ["images"], "another comment gives the same images");
    fs::write(place.source(), "other pixels\n").unwrap();
    assert_eq!(place.run(&toy).ran().len(), 11);
}

fn a_damaged_intermediate_alone_is_made_again() {
    let place = Place::new();
    let toy = toy::study(&place.source());
    place.run(&toy);
    flip(&place.object(&toy, "weights/a"));
    assert_eq!(place.run(&toy).ran(), ["weights/a"]);
    fs::remove_file(place.object(&toy, "shards/b")).unwrap();
    assert_eq!(place.run(&toy).ran(), ["shards/b"]);
    assert_eq!(place.run(&toy).ran(), [""; 0]);
}

/// An object is damaged after the plan has found it intact: a task that runs meanwhile does it.
fn damage_found_while_reading_is_repaired() {
    let place = Place::new();
    let mut toy = toy::study(&place.source());
    place.run(&toy);
    let object = place.object(&toy, "weights/a");
    toy.task("shards/a").params.insert("scale".into(), json!(4.0));
    let store = place.open();
    let graph = toy.graph(&store).unwrap();
    let mut events = Vec::new();
    let mut emit = |event: &Event| {
        // The event comes before the worker is started.
        if matches!(event, Event::Started { label, attempt: 1, .. } if label == "shards/a") {
            flip(&object);
        }
        events.push(event.clone());
    };
    let outcome = titrate::exec::run(&graph, &store, &place.options(), &mut emit).unwrap();
    drop(store);
    let ran = Ran { outcome, events };
    assert_eq!(ran.ran(), ["shards/a", "weights/a"], "{:?}", ran.events);
    let repairs = ran
        .events
        .iter()
        .filter(|event| matches!(event, Event::Repairing { label, .. } if label == "shards/a"));
    assert_eq!((repairs.count(), ran.outcome.counts.failed), (1, 0));
    assert_eq!(place.run(&toy).ran(), [""; 0]);
}

fn a_deleted_index_reruns_nothing() {
    let place = Place::new();
    let toy = toy::study(&place.source());
    place.run(&toy);
    fs::remove_dir_all(place.root().join("index")).unwrap();
    assert_eq!(place.run(&toy).ran(), [""; 0]);
}

fn jobs_change_no_digest() {
    let digests = |jobs, cores| {
        let place = Place::new();
        let options = Options { jobs, cores, ..place.options() };
        let ran = place.run_with(&toy::study(&place.source()), &options);
        ran.outcome
            .artifacts
            .into_iter()
            .map(|artifact| artifact.unwrap().digest())
            .collect::<Vec<_>>()
    };
    assert_eq!(digests(1, 1), digests(2, 4));
}

fn a_failure_stops_only_its_dependants() {
    let place = Place::new();
    let mut toy = toy::study(&place.source());
    toy.task("weights/a").kind = "fail".into();
    toy.task("weights/a").cost = 9.0;
    let stopped = place.run(&toy);
    let (label, error, log) = stopped.failure();
    assert_eq!((label, error), ("weights/a", r#"{"reason":"the toy is broken"}"#));
    assert!(log.iter().any(|line| line == "about to fail"), "{log:?}");
    let behind =
        ["analysis/sweep", "classifier/a", "classifier/ab-augmented", "report", "shards/a"];
    assert_eq!(stopped.blocked(), behind);
    let options = Options { keep_going: true, ..place.options() };
    let kept_going = place.run_with(&toy, &options);
    assert_eq!(kept_going.blocked(), behind);
    let counts = kept_going.outcome.counts;
    assert_eq!((counts.failed, counts.ran + counts.cached, counts.unreached), (1, 5, 5));
    assert_eq!(kept_going.outcome.stop, Stop::Finished);
    toy.task("weights/a").kind = "join".into();
    assert_eq!(
        place.run(&toy).ran(),
        [
            "analysis/sweep",
            "classifier/a",
            "classifier/ab-augmented",
            "report",
            "shards/a",
            "weights/a"
        ]
    );
}

fn a_panic_is_an_error_with_its_text() {
    let place = Place::new();
    let toy = Toy(vec![ToyTask::new("clumsy", "panic", json!({}), &[])]);
    let ran = place.run(&toy);
    let (label, error, _) = ran.failure();
    assert!(label == "clumsy" && error.starts_with("panicked at tests/engine/toy.rs:"), "{error}");
    assert!(error.ends_with(": the toy fell over"), "{error}");
    let again = place.run(&toy);
    let attempts = again.pick(|event| match event {
        Event::Started { attempt, .. } => Some(*attempt),
        _ => None,
    });
    assert_eq!(attempts, [2]);
}

fn tasks_with_one_key_run_once() {
    let place = Place::new();
    let twin = |label| ToyTask::new(label, "emit", json!({ "text": "same" }), &[]);
    let toy = Toy(vec![
        twin("one"),
        twin("two"),
        ToyTask::new("both", "join", json!({}), &["one", "two"]),
    ]);
    let ran = place.run(&toy);
    assert_eq!(ran.ran(), ["both", "one"]);
    assert_eq!(ran.outcome.counts, Counts { tasks: 3, ran: 2, cached: 1, ..Counts::default() });
}

fn a_store_deleted_under_a_run_ends_it_and_stays_away() {
    let place = Place::new();
    let never = place.source() + ".never";
    let long = ToyTask::new("long", "wait", json!({ "until": never }), &[]);
    let toy = Toy(vec![
        ToyTask { cost: 9.0, ..long },
        ToyTask::new("short", "emit", json!({ "text": "x" }), &[]),
    ]);
    let store = place.open();
    let graph = toy.graph(&store).unwrap();
    let mut failed = 0;
    let mut emit = |event: &Event| match event {
        Event::Started { label, .. } if label == "short" => {
            fs::remove_dir_all(place.root()).unwrap();
        }
        Event::Failed { .. } => failed += 1,
        _ => {}
    };
    let error = titrate::exec::run(&graph, &store, &place.options(), &mut emit).unwrap_err();
    assert!(error.to_string().contains("was deleted or moved while it was in use"), "{error}");
    drop(store);
    assert_eq!(failed, 0, "no task is to blame");
    assert!(!place.root().exists());
}

fn seven_hundred_fresh_tasks_are_settled_in_half_a_second() {
    use titrate::plan::Job;
    use titrate::store::{Cost, Inbox, Origin, Receipt};
    let place = Place::new();
    let labels: Vec<String> = (0..700).map(|number| format!("task/{number}")).collect();
    let emit = |label: &String| ToyTask::new(label, "emit", json!({ "text": label }), &[]);
    let toy = Toy(labels.iter().map(emit).collect());
    let store = place.open();
    let graph = toy.graph(&store).unwrap();
    for (id, assessment) in graph.ids().zip(walk(&graph, &store).unwrap()) {
        let manifest = assessment.manifest.unwrap();
        let job = Job::new(graph.task(id), &manifest, |_| unreachable!("no task has an input"));
        let output = store
            .objects()
            .put_artifact(toy::run(&job, store.objects(), &mut |_| ()).unwrap())
            .unwrap();
        let unknown = String::new;
        let receipt = Receipt {
            titrate_receipt: Receipt::FORMAT,
            key: job.key,
            manifest: job.manifest,
            kind: job.kind,
            version: job.version,
            label: job.label,
            inputs: Default::default(),
            output,
            cost: Cost {
                started_unix_ms: id.index() as u64,
                wall_s: 0.0,
                cpu_s: 0.0,
                peak_memory: 0,
            },
            origin: Origin {
                host: unknown(),
                cpu: unknown(),
                gpu: None,
                toolchain: unknown(),
                titrate: unknown(),
                git_commit: None,
                git_dirty: false,
            },
            attempt: 1,
            log: None,
        };
        Inbox::at(store.root()).publish(store.objects(), &receipt).unwrap();
    }
    drop(store);
    drop(place.open());
    let clock = std::time::Instant::now();
    let ran = place.run(&toy);
    let seconds = clock.elapsed().as_secs_f64();
    assert_eq!(ran.outcome.counts, Counts { tasks: 700, cached: 700, ..Counts::default() });
    println!("700 fresh tasks settled in {seconds:.3} s");
    assert!(seconds < 0.5, "{seconds} s");
}
