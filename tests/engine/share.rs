//! Results that travel, from outside: one machine computes and pushes, another pulls and runs
//! nothing; outputs come when something reads them; and what is wrong is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::json;
use titrate::store::Store;

use crate::command_line::{Workspace, files, stderr};

pub const TESTS: &[(&str, fn())] = &[
    (
        "what_one_machine_pushed_another_reports_without_running",
        what_one_machine_pushed_another_reports_without_running,
    ),
    ("outputs_come_when_a_task_reads_them", outputs_come_when_a_task_reads_them),
    (
        "a_shared_store_that_is_damaged_or_away_costs_a_run_nothing_but_time",
        a_shared_store_that_is_damaged_or_away_costs_a_run_nothing_but_time,
    ),
    (
        "nobody_is_believed_and_nothing_written_unasked",
        nobody_is_believed_and_nothing_written_unasked,
    ),
    ("a_divergence_is_told_by_both_sides", a_divergence_is_told_by_both_sides),
    ("an_archive_is_imported_and_held_against", an_archive_is_imported_and_held_against),
];

/// Two machines with one study, and a shared store that the second trusts.
pub struct Machines {
    pub a: Workspace,
    pub b: Workspace,
    url: String,
}

impl Machines {
    fn new() -> Self {
        let (a, b) = (Workspace::study(), Workspace::study());
        let url = format!("file://{}", a.path("shared").display());
        a.told(&["remote", "keygen", "secret"]);
        let public = a.told(&["remote", "public-key", "secret"]);
        let config = format!("[remote]\nurl = \"{url}\"\n");
        fs::write(a.path("titrate.toml"), format!("{config}key = \"secret\"\n")).unwrap();
        let trusted = format!("trusted = [\"{}\"]\n", public.trim());
        fs::write(b.path("titrate.toml"), format!("{config}{trusted}")).unwrap();
        Self { a, b, url }
    }

    pub fn pushed() -> Self {
        let machines = Self::new();
        machines.a.told(&["reproduce", "--no-remote"]);
        let told = machines.a.told(&["push"]);
        assert!(told.starts_with("quick: 11 results pushed to file://"), "{told}");
        machines
    }

    /// The file in the shared store that has a task's output, or its receipt.
    fn shared(&self, label: &str, space: &str) -> PathBuf {
        let shown = self.a.told(&["show", label]);
        let name = match space {
            "ac" => shown.lines().find_map(|line| line.strip_prefix("key ")),
            _ => shown.lines().rev().find_map(|line| line.strip_suffix("  text")),
        };
        let name = name.unwrap().split_whitespace().next().unwrap();
        self.a.path("shared").join(space).join(name)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(output))
}

fn objects(workspace: &Workspace) -> usize {
    files(&workspace.path(".titrate/objects")).len()
}

fn what_one_machine_pushed_another_reports_without_running() {
    let machines = Machines::pushed();
    let (a, b) = (&machines.a, &machines.b);
    assert!(a.told(&["push"]).contains(" 0 results pushed"), "nothing is pushed twice");
    let told = b.told(&["remote"]);
    assert!(told.contains("1 of them with a key here") && told.contains("1 only there"), "{told}");
    let told = b.told(&["pull"]);
    assert!(told.starts_with("quick: 11 results taken from file://"), "{told}");
    assert!(told.contains("; 11 of 11 tasks have a result\n"), "{told}");
    assert!(told.contains("  9 outputs stay there until something reads them\n"), "{told}");
    assert!(b.told(&["status"]).contains("11 fresh, 0 stale, 0 unknown"));
    assert_eq!(objects(b), 3, "two outputs of the same bytes, and their lists");
    let line = "ran 0 of 11 tasks, 11 cached, 0 failed; report: reports/quick/index.html\n";
    assert_eq!(b.told(&["reproduce"]), line);
    for name in ["index.html", "figures/one.svg", "study.toml"] {
        let of = |machine: &Workspace| fs::read(machine.path("reports/quick").join(name)).unwrap();
        assert_eq!(of(a), of(b), "{name}");
    }
    assert!(b.told(&["verify"]).contains("9 results have outputs that lie elsewhere"));
    assert!(b.told(&["remote"]).contains("11 results on both sides"));
    assert!(b.told(&["gc"]).starts_with("would drop 0 objects"));
    assert_eq!(b.told(&["reproduce"]), line, "the collection kept what counts");
    assert!(b.told(&["pull", "--output", "weights/a"]).contains("  8 outputs stay there"));
    assert!(!b.told(&["pull", "--all"]).contains("stay there"));
    assert!(!b.told(&["verify"]).contains("elsewhere"));
    // Without the file in between, and straight into a run.
    let third = Workspace::study();
    let trust = a.told(&["remote", "public-key", "secret"]);
    let told = third.told(&["reproduce", "--remote", &machines.url, "--trust", trust.trim()]);
    assert!(told.starts_with(&format!("{}: 11 results taken, ", machines.url)), "{told}");
    assert!(told.ends_with(line), "{told}");
}

fn outputs_come_when_a_task_reads_them() {
    let machines = Machines::pushed();
    let b = &machines.b;
    b.edit(|toy| drop(toy.task("classifier/a").params.insert("epochs".into(), json!(3))));
    let told = b.told(&["pull"]);
    assert!(told.contains("8 of 11 tasks have a result"), "{told}");
    let before = objects(b);
    let told = b.told(&["reproduce"]);
    assert!(told.contains("ran 3 of 11 tasks, 8 cached"), "{told}");
    // The classifier's inputs came with the pull, the other classifiers when the analysis ran.
    assert!(objects(b) > before + 3 && told.contains("of outputs fetched"), "{told}");
    assert!(b.told(&["verify"]).contains("3 results have outputs that lie elsewhere"));
    // Without the shared store what is read is made again, and what that reads.
    b.edit(|toy| drop(toy.task("shards/a").params.insert("scale".into(), json!(4.0))));
    fs::remove_file(b.path("titrate.toml")).unwrap();
    let told = b.told(&["reproduce"]);
    assert!(told.contains("0 failed; report"), "{told}");
    assert_eq!(b.told(&["reproduce"]).split(',').next(), Some("ran 0 of 11 tasks"));
}

fn a_shared_store_that_is_damaged_or_away_costs_a_run_nothing_but_time() {
    let machines = Machines::pushed();
    let (b, shared) = (&machines.b, |label: &str, space: &str| machines.shared(label, space));
    let receipt = fs::read_to_string(shared("weights/a", "ac")).unwrap();
    fs::write(shared("weights/a", "ac"), receipt.replace("rustc", "rustd")).unwrap();
    fs::write(shared("weights/b", "cas"), "other bytes").unwrap();
    let output = b.output(&["pull", "--all"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("the receipt of weights/a (ac/"), "{text}");
    assert!(text.contains("does not match its bytes"), "{text}");
    assert!(text.contains("`text` of weights/b (cas/"), "{text}");
    let told = b.told(&["reproduce"]);
    assert!(told.contains("ran 1 of 11 tasks"), "weights/a alone was refused: {told}");
    assert_eq!(
        fs::read(b.path("reports/quick/index.html")).unwrap(),
        fs::read(machines.a.path("reports/quick/index.html")).unwrap()
    );
    // A task that reads what is damaged there has it made here.
    b.edit(|toy| drop(toy.task("shards/b").params.insert("scale".into(), json!(4.0))));
    let output = b.output(&["reproduce"]);
    let text = said(&output);
    assert!(output.status.success() && text.contains("`text` of weights/b (cas/"), "{text}");
    assert!(text.contains("ran 2 of 11 tasks"), "{text}");
    // One that is away is asked once, and the run goes on.
    fs::remove_dir_all(b.path(".titrate")).unwrap();
    let away = b.output(&["reproduce", "--remote", "http://127.0.0.1:1/x"]);
    let text = said(&away);
    assert!(away.status.success() && text.contains("ran 11 of 11 tasks"), "{text}");
    assert_eq!(text.matches("is not asked any more").count(), 1, "{text}");
    assert_eq!(b.output(&["pull", "--remote", "http://127.0.0.1:1/x"]).status.code(), Some(0));
    fs::remove_dir_all(b.path(".titrate")).unwrap();
    assert_eq!(b.output(&["pull", "--remote", "http://127.0.0.1:1/x"]).status.code(), Some(4));
}

fn nobody_is_believed_and_nothing_written_unasked() {
    let machines = Machines::pushed();
    let c = Workspace::study();
    let url = machines.url.as_str();
    let check = |workspace: &Workspace, arguments: &[&str], code, expected: &str| {
        let output = workspace.output(arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    };
    check(&c, &["pull"], 2, "no shared store is named");
    check(&c, &["pull", "--remote", url], 2, "no key is trusted");
    check(&c, &["reproduce", "--remote", url], 2, "no key is trusted");
    check(&c, &["push", "--remote", url], 2, "only read without a signing key");
    check(&c, &["push", "--remote", "https://host/x"], 2, "can only be read");
    check(&c, &["pull", "--remote", "shared"], 2, "is no shared store");
    c.told(&["remote", "keygen", "own"]);
    check(&c, &["remote", "keygen", "own"], 4, "write ");
    let own = c.told(&["remote", "public-key", "own"]);
    check(&c, &["pull", "--remote", url, "--trust", own.trim()], 3, "not among the trusted keys");
    assert!(c.told(&["status"]).contains("0 fresh"), "nothing of it is here");
    c.told(&["reproduce"]);
    let before = files(&machines.a.path("shared"));
    check(&c, &["push", "--remote", url, "--key", "own"], 3, "11 not believed there");
    assert_eq!(files(&machines.a.path("shared")), before, "what is there stays");
    fs::write(c.path("titrate.toml"), "[remote]\nuri = \"x\"\n").unwrap();
    check(&c, &["pull"], 2, "titrate.toml: ");
}

fn a_divergence_is_told_by_both_sides() {
    let machines = Machines::pushed();
    let b = &machines.b;
    b.told(&["reproduce", "--no-remote"]);
    let secret = machines.a.path("secret").display().to_string();
    fs::remove_file(machines.shared("weights/a", "ac")).unwrap();
    let lying = diverging("weights/a");
    let told = lying.told(&["push", "--remote", &machines.url, "--key", &secret]);
    assert!(told.contains(": 1 results pushed"), "{told}");
    let output = b.output(&["push", "--key", &secret]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("1 diverged, and left as they are there:\n    weights/a came out otherwise"),
        "{text}"
    );
    assert!(b.told(&["verify"]).contains("diverged: weights/a gave other bytes"));
    assert!(b.told(&["reproduce"]).contains("ran 0 of 11"), "what is here stays");
    let output = b.output(&["remote"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(said(&output).contains("1 diverged\n  diverged:\n    weights/a"), "{}", said(&output));
}

fn an_archive_is_imported_and_held_against() {
    let (a, b) = (Workspace::study(), Workspace::study());
    let failed = a.output(&["export-run", "quick", "run.zip"]);
    assert!(said(&failed).contains("11 of 11 tasks have no result"), "{}", said(&failed));
    a.told(&["reproduce"]);
    let told = a.told(&["export-run", "quick", "run.zip"]);
    assert!(told.starts_with("quick: 11 receipts and 11 objects"), "{told}");
    assert_eq!(a.output(&["export-run", "quick", "run.zip"]).status.code(), Some(2));
    let archive = a.path("run.zip").display().to_string();
    assert_eq!(b.output(&["import", &archive]).status.code(), Some(2), "nobody is trusted");
    assert!(b.told(&["import", &archive, "--unsigned"]).starts_with("11 results taken from "));
    assert!(b.told(&["reproduce"]).starts_with("ran 0 of 11 tasks"));
    let same = "11 tasks the same, 0 within 0.001, 0 diverged\n";
    assert!(b.told(&["reproduce", "--against", &archive]).ends_with(same));

    // Another result here than there, and one byte of one object changed in the archive.
    let other = diverging("weights/a");
    let output = other.output(&["reproduce", "--against", &archive]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(": 5 tasks the same, 0 within 0.001, 5 diverged\n"), "{text}");
    assert!(text.contains("weights/a: text differs, and not in numbers alone"), "{text}");
    assert!(text.contains("the report differs, as what it is made of does"), "{text}");
    let mut bytes = fs::read(&archive).unwrap();
    let object = object(&a, "weights/b");
    let name = format!("objects/{}", hex(&object));
    let member = [name.as_bytes(), &fs::read(&object).unwrap()].concat();
    let at = bytes.windows(member.len()).position(|part| part == member).unwrap();
    bytes[at + member.len() - 1] ^= 1;
    fs::write(b.path("bad.zip"), bytes).unwrap();
    let output = b.output(&["reproduce", "--against", "bad.zip"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("(weights/b: text) is refused: "), "{}", said(&output));
    let fresh = Workspace::study();
    let bad = b.path("bad.zip").display().to_string();
    let output = fresh.output(&["import", &bad, "--unsigned"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.starts_with("10 results taken") && text.contains("(weights/b: text)"), "{text}");
    assert!(fresh.told(&["reproduce"]).starts_with("ran 1 of 11 tasks"));
}

/// The object of a task's only output, in its store.
fn object(workspace: &Workspace, label: &str) -> PathBuf {
    let shown = workspace.told(&["show", label]);
    let object = shown.lines().rev().find_map(|line| line.strip_suffix("  text")).unwrap();
    let object = object.split_whitespace().next().unwrap();
    workspace.path(".titrate/objects").join(&object[..2]).join(&object[2..])
}

fn hex(object: &Path) -> String {
    let parts = object.iter().rev().take(2).map(|part| part.to_str().unwrap());
    parts.collect::<Vec<_>>().into_iter().rev().collect()
}

/// A machine with the same study that has a result of `images`, and of one more task another than
/// all others have.
fn diverging(label: &str) -> Workspace {
    let workspace = Workspace::study();
    workspace.told(&["reproduce", "--only", label]);
    let folder = workspace.path(".titrate");
    let taken = {
        let store = Store::open(&folder).unwrap();
        ["images", label].map(|label| {
            let key = store.history(label).unwrap().pop().unwrap();
            let receipt = store.receipt(&key).unwrap().unwrap();
            let text = store.objects().read(&receipt.output.entries()[0].digest).unwrap();
            (receipt, text)
        })
    };
    fs::remove_dir_all(&folder).unwrap();
    let store = Store::open(&folder).unwrap();
    for (mut receipt, mut text) in taken {
        if receipt.label == label {
            text.extend(b" and more");
        }
        receipt.output = store.objects().put_artifact(vec![("text".into(), text)]).unwrap();
        receipt.log = None;
        store.publish(&receipt).unwrap();
    }
    workspace
}
