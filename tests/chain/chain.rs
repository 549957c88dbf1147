//! The smoke study in a folder of its own, run by the `titrate` binary.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

pub struct Chain {
    folder: tempfile::TempDir,
}

/// What one run did.
pub struct Ran {
    /// Labels of the tasks that ran, sorted.
    pub ran: Vec<String>,
    pub tasks: usize,
    /// How much of a task was done when it first told.
    pub began: BTreeMap<String, u64>,
}

impl Chain {
    pub fn new(name: &str) -> Self {
        let folder =
            tempfile::Builder::new().prefix(&format!("titrate-{name}-")).tempdir().unwrap();
        let chain = Self { folder };
        let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        // A model a class that the replicates share, in small shards: what an edit touches is the
        // finer.
        let shared = "[generator.dreambooth]\nmodels = \"per-class\"\n[generator.sampling]\nsources_per_shard = 4\n\
                      generations_per_shard = 5\n[experiment]\nregimes = [\"full\"]\n";
        fs::write(
            chain.path("shared.toml"),
            format!("extends = {:?}\n{shared}", experiments.join("smoke.toml")),
        )
        .unwrap();
        chain.write_study("extends = \"shared.toml\"\n");
        chain
    }

    /// The same on a small image set in files of its own, with a base of its own.
    pub fn on_files(name: &str) -> Self {
        let chain = Self::new(name);
        fs::create_dir(chain.path("images")).unwrap();
        for (part, count) in [("train", 300), ("t10k", 100)] {
            let levels =
                (0..count * 28 * 28).map(|at| (at * 31 + at / 784 * 17) as u8).collect::<Vec<_>>();
            chain.write_idx(
                &format!("{part}-images-idx3-ubyte.gz"),
                &[2051, count, 28, 28],
                &levels,
                6,
            );
            let labels = (0..count).map(|at| (at % 10) as u8).collect::<Vec<_>>();
            chain.write_idx(&format!("{part}-labels-idx1-ubyte.gz"), &[2049, count], &labels, 6);
        }
        let study = r#"
            [images]
            source = "idx"
            path = "images"
            classes = ["t-shirt", "sandal", "bag"]
            [base]
            from = ""
            inpainting_steps = 2
            [base.corpus]
            classes = ["trouser", "dress"]
            train = 24
            validation = 8
            [base.autoencoder]
            steps = 2
            [base.unet]
            steps = 2
            [base.backbone.training]
            epochs = 1
        "#;
        chain.write_study(&format!("{}{study}", chain.study_text()));
        chain
    }

    /// A gzipped IDX file of the image set, at a level of compression.
    pub fn write_idx(&self, name: &str, header: &[u32], values: &[u8], level: u32) {
        let file = fs::File::create(self.path("images").join(name)).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::new(level));
        header.iter().for_each(|word| packed.write_all(&word.to_be_bytes()).unwrap());
        packed.write_all(values).unwrap();
        packed.finish().unwrap();
    }

    /// The header and the values of a file that [`Self::write_idx`] wrote.
    pub fn read_idx(&self, name: &str) -> (Vec<u32>, Vec<u8>) {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(fs::File::open(self.path("images").join(name)).unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
        let values = bytes.split_off(if name.contains("idx3") { 16 } else { 8 });
        (bytes.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect(), values)
    }

    /// Gives a file of the image set another time of change, and nothing else.
    pub fn touch(&self, name: &str) {
        let file = fs::File::options().append(true).open(self.path("images").join(name)).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn study_text(&self) -> String {
        fs::read_to_string(self.path("study.toml")).unwrap()
    }

    pub fn write_study(&self, text: &str) {
        fs::write(self.path("study.toml"), text).unwrap();
    }

    pub fn run(&self, sets: &[&str]) -> Ran {
        self.run_with(sets, &[], &[])
    }

    /// Runs the study and takes what ran from its events.
    pub fn run_with(&self, sets: &[&str], options: &[&str], environment: &[(&str, &str)]) -> Ran {
        let output = self
            .command(&["reproduce"])
            .args(["--json", "--out"])
            .arg(self.path("report"))
            .args(sets.iter().flat_map(|set| ["--set", set]))
            .args(options)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let events = String::from_utf8(output.stdout).unwrap();
        let events = events
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .collect::<Vec<_>>();
        let of = |kind: &str| {
            events.iter().filter(|event| event["event"] == kind).cloned().collect::<Vec<_>>()
        };
        let mut ran = of("finished")
            .iter()
            .map(|event| event["label"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>();
        ran.sort();
        let tasks = of("opened")
            .first()
            .map_or(ran.len(), |event| event["tasks"].as_u64().unwrap() as usize);
        let mut began = BTreeMap::new();
        for event in of("progress") {
            began
                .entry(event["label"].as_str().unwrap().to_owned())
                .or_insert(event["done"].as_u64().unwrap());
        }
        Ran { ran, tasks, began }
    }

    /// Starts a run in a process group of its own.
    pub fn start(&self, sets: &[&str], options: &[&str]) -> Child {
        let mut command = self.command(&["reproduce"]);
        command
            .args(sets.iter().flat_map(|set| ["--set", set]))
            .args(options)
            .arg("--quiet")
            .arg("--out")
            .arg(self.path("report"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
    }

    /// Starts a run that is killed after `delay`.
    pub fn start_and_kill(&self, delay: Duration) {
        let running = self.start(&[], &[]);
        std::thread::sleep(delay);
        kill(running);
    }

    /// Runs one task, which fails: the exit code and the first line of what it says, without the
    /// chain's folder.
    pub fn failure(&self, sets: &[&str], only: &str) -> String {
        self.failure_with(sets, only, &[])
    }

    /// The same with variables of the environment.
    pub fn failure_with(&self, sets: &[&str], only: &str, environment: &[(&str, &str)]) -> String {
        let mut command = self.command(&["reproduce"]);
        command.args(sets.iter().flat_map(|set| ["--set", set])).args(["--only", only, "--quiet"]);
        let output =
            command.env("RUST_BACKTRACE", "0").envs(environment.iter().copied()).output().unwrap();
        let said = String::from_utf8(output.stderr)
            .unwrap()
            .replace(&format!("{}/", self.folder.path().display()), "");
        let mut lines = said.lines().skip_while(|line| line.starts_with("warning: "));
        let line = lines.next().unwrap_or_default();
        // The key in brackets changes with every VERSION.
        let line = line.split_once(" (").map_or(line.to_owned(), |(task, rest)| {
            format!("{task}{}", rest.split_once(')').unwrap().1)
        });
        format!("{}: {line}", output.status.code().unwrap())
    }

    /// The exit code and the output of `titrate data check`.
    pub fn data_check(&self, sets: &[&str]) -> (i32, String) {
        self.data_check_in(sets, &[])
    }

    /// The same with variables of the environment.
    pub fn data_check_with(&self, environment: &[(&str, &str)]) -> (i32, String) {
        self.data_check_in(&[], environment)
    }

    fn data_check_in(&self, sets: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let mut command = self.command(&["data", "check"]);
        command.args(sets.iter().flat_map(|set| ["--set", set])).args(["--out", "audit"]);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    /// What `titrate plan` prints without any variable of the environment but these tests' own.
    pub fn plan(&self) -> String {
        self.plan_with(&[])
    }

    /// The same with these.
    pub fn plan_with(&self, environment: &[(&str, &str)]) -> String {
        let mut command = self.command(&["plan"]);
        command
            .env_clear()
            .env("TITRATE_WORKSPACE", self.folder.path())
            .envs(environment.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A copy of a pipeline of tests/fixtures/stable_diffusion, by its path.
    pub fn pipeline(&self, family: &str, copy: &str) -> PathBuf {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/stable_diffusion")
            .join(family);
        let mut files = BTreeMap::new();
        collect(&from, &mut files);
        for (path, bytes) in files {
            let to = self.path(copy).join(path.strip_prefix(&from).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
        self.path(copy)
    }

    /// What a command says of the study, on both outputs, and its exit code.
    pub fn ask(&self, words: &[&str]) -> (i32, String) {
        let output = self.command(words).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    /// The receipt of every task, by its label.
    pub fn receipts(&self) -> BTreeMap<String, Value> {
        let mut files = BTreeMap::new();
        collect(&self.path("store/receipts"), &mut files);
        let receipts = files.values().filter(|bytes| bytes.starts_with(b"{\"titrate_receipt\""));
        let receipts = receipts.map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap());
        receipts.map(|it| (it["label"].as_str().unwrap().to_owned(), it)).collect()
    }

    /// What `verify` says of the store.
    pub fn verified(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titrate"));
        let output = command.args(["verify", "--store"]).arg(self.path("store")).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titrate"));
        command.args(words).arg(self.path("study.toml")).arg("--store").arg(self.path("store"));
        command.env("TITRATE_WORKSPACE", self.folder.path()).current_dir(self.folder.path());
        command
    }

    /// The report's files, but for the summary of the run.
    pub fn report(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path("report"), &mut files);
        files.retain(|path, _| {
            !path.ends_with("run.md") && !path.ends_with("ro-crate-metadata.json")
        });
        files
            .into_iter()
            .map(|(path, bytes)| (path.strip_prefix(self.folder.path()).unwrap().to_owned(), bytes))
            .collect()
    }

    /// When the youngest checkpoint of an unfinished task was written.
    pub fn youngest_checkpoint(&self) -> Option<SystemTime> {
        self.youngest("checkpoint")
    }

    /// When the youngest file of this name was written that an unfinished task has.
    pub fn youngest(&self, name: &str) -> Option<SystemTime> {
        let attempts = fs::read_dir(self.path("store/work")).ok()?;
        let written = |attempt: std::io::Result<fs::DirEntry>| {
            attempt.ok()?.path().join(name).metadata().ok()?.modified().ok()
        };
        attempts.filter_map(written).max()
    }

    /// The output digest of every task: those that `show` prints of the label's artifact.
    pub fn digests(&self) -> Vec<String> {
        let mut files = BTreeMap::new();
        collect(&self.path("store/receipts"), &mut files);
        let receipts = files.values().filter(|bytes| bytes.starts_with(b"{\"titrate_receipt\""));
        let mut all = receipts
            .map(|bytes| {
                let receipt: Value = serde_json::from_slice(bytes).unwrap();
                format!("{} {}", receipt["label"].as_str().unwrap(), receipt["output"])
            })
            .collect::<Vec<_>>();
        all.sort();
        assert!(all.len() > 3, "there are receipts");
        all
    }

    /// Damages the largest output of a task on disk.
    pub fn flip_a_byte(&self, label: &str) {
        let (mut receipts, mut files) = (BTreeMap::new(), BTreeMap::new());
        collect(&self.path("store/receipts"), &mut receipts);
        collect(&self.path("store/objects"), &mut files);
        let receipt = receipts.values().find_map(|bytes| {
            let receipt: Value = serde_json::from_slice(bytes).ok()?;
            (receipt.get("titrate_receipt").is_some() && receipt["label"] == label)
                .then_some(receipt)
        });
        let text = receipt.expect("the task has a receipt")["output"].to_string();
        let size = |path: &PathBuf| files[path].len();
        let hex = |path: &PathBuf| {
            let mut parts = path.iter().rev().map(|part| part.to_string_lossy().into_owned());
            let (last, first) = (parts.next().unwrap(), parts.next().unwrap());
            format!("{first}{last}")
        };
        let largest = files
            .keys()
            .filter(|path| text.contains(&hex(path)))
            .max_by_key(|path| size(path))
            .unwrap();
        fs::set_permissions(largest, fs::Permissions::from_mode(0o644)).unwrap();
        let mut bytes = files[largest].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(largest, bytes).unwrap();
    }

    pub fn delete_index(&self) {
        fs::remove_dir_all(self.path("store/index")).unwrap();
    }
}

/// Kills a run's process group.
pub fn kill(mut running: Child) {
    let group = format!("-{}", running.id());
    Command::new("kill").args(["-KILL", "--", &group]).status().unwrap();
    running.wait().unwrap();
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}
