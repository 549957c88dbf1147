//! Arrays of jobs, as they are kept in the store's folder `slurm/`: the intent before an array is
//! submitted, its id after, so that a harness that is started again finds what it has submitted.
//!
//! ```text
//! slurm/<name>/record.json   the array's tasks; what follows lies beside it
//!              orders        an element's order on each line
//!              script        what an element runs
//!              lock          held by sbatch
//!              id            what sbatch said
//!              logs/         what each element said that came to no worker
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exec::ExecError;
use crate::exec::attempts::Submission;
use crate::exec::profile::Slurm as Profile;
use crate::exec::protocol::STOPPED;
use crate::id::Key;
use crate::regular;
use crate::wording::quoted;

/// An array of jobs, each of which runs one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Its name in the queue, which no other array has ever had.
    pub name: String,
    pub kind: String,
    /// The tasks of its elements, from 0.
    pub keys: Vec<Key>,
}

/// An array in its folder.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub record: Record,
    folder: PathBuf,
}

impl Array {
    /// Writes an array down that is to be submitted. All that it needs is on the disk afterwards.
    pub fn intend(
        root: &Path,
        record: Record,
        submissions: &[Submission],
        profile: &Profile,
        program: &Path,
    ) -> Result<Self, ExecError> {
        let all = root.join("slurm");
        let array = Self { folder: all.join(&record.name), record };
        let make = |path: &Path| {
            fs::create_dir_all(path)
                .map_err(|source| ExecError::io("make the folder", path, source))
        };
        make(&array.folder.join("logs"))?;
        let orders = submissions.iter().map(|submission| submission.order_file());
        let orders: String = orders.map(|order| format!("{}\n", order.display())).collect();
        array.write("orders", orders.as_bytes())?;
        array.write("script", array.script(root, profile, program).as_bytes())?;
        array.write("id", b"")?;
        array.write("lock", b"")?;
        // Last: without it the folder is no array.
        let record = serde_json::to_vec(&array.record).expect("a record is plain JSON");
        array.write("record.json", &record)?;
        for folder in [&array.folder, &all] {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| ExecError::io("sync", folder, source))?;
        }
        Ok(array)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExecError> {
        let path = self.folder.join(name);
        let written = File::create(&path)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(|source| ExecError::io("write", &path, source))
    }

    /// The arrays that earlier runs have left in the store at `root`.
    pub fn left(root: &Path) -> Vec<Self> {
        let folders = fs::read_dir(root.join("slurm")).into_iter().flatten();
        let folders = folders.filter_map(|entry| Some(entry.ok()?.path()));
        let read = |folder: PathBuf| {
            let bytes = regular::read(&folder.join("record.json")).ok();
            match bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                Some(record) => Some(Self { record, folder }),
                None => {
                    // Its harness was killed while it wrote it down, and so before it submitted it.
                    let _ = fs::remove_dir_all(&folder);
                    None
                }
            }
        };
        let mut all: Vec<Self> = folders.filter_map(read).collect();
        all.sort_by(|one, other| one.record.name.cmp(&other.record.name));
        all
    }

    /// The name of an element's submission in its task's folder.
    pub fn submission_name(name: &str, element: usize) -> String {
        format!("{name}.{element}")
    }

    /// An element's submission in the store at `root`.
    pub fn submission(&self, root: &Path, element: usize) -> Submission {
        let task = root.join("work").join(self.record.keys[element].to_string());
        Submission::at(task.join(Self::submission_name(&self.record.name, element)))
    }

    /// Waits until nobody submits it, and keeps others from it while the file is open.
    pub fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(self.folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// The file that sbatch's answer goes to.
    pub fn id_file(&self) -> PathBuf {
        self.folder.join("id")
    }

    /// The array's id: what sbatch said, without the cluster's name that may follow it.
    pub fn id(&self) -> Option<u64> {
        let text = regular::read_text(&self.id_file(), 1 << 10).ok()?;
        text.split([';', '\n']).next()?.trim().parse().ok()
    }

    /// Where an element's words are that came to no worker.
    pub fn log(&self, element: u32) -> PathBuf {
        self.folder.join("logs").join(format!("{element}.log"))
    }

    /// Forgets it: all its tasks are done, or nobody waits for them.
    pub fn remove(&self) {
        // What stays is found, and removed, by the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// The options of sbatch.
    pub fn options(&self, root: &Path, profile: &Profile) -> Vec<String> {
        let Record { name, kind, keys } = &self.record;
        // A per cent sign begins a name that Slurm fills in.
        let path = |path: PathBuf| path.display().to_string().replace('%', "%%");
        let mut options = vec![
            "--parsable".to_owned(),
            format!("--job-name={name}"),
            format!("--array=0-{}%{}", keys.len() - 1, profile.at_once),
            format!("--output={}/%a.log", path(self.folder.join("logs"))),
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            format!("--signal=B:USR2@{}", profile.warn_seconds),
            format!("--chdir={}", root.display()),
        ];
        options.extend(profile.ask(kind).options());
        options.push(self.folder.join("script").display().to_string());
        options
    }

    fn script(&self, root: &Path, profile: &Profile, program: &Path) -> String {
        let shell = |path: &Path| quoted(&path.display().to_string());
        let setup: String = profile.setup.iter().map(|line| format!("{line}\n")).collect();
        let prefix: String =
            profile.prefix.iter().map(|word| format!("{} ", quoted(word))).collect();
        format!(
            r#"#!/bin/bash
# Written by titrate: element N of the array {name} runs the order on line N + 1.
{setup}order=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {orders})
{prefix}{program} worker --task "$order" --store {root} &
worker=$!
trap 'caught=1; kill -USR2 $worker' USR2
trap 'caught=1; kill -TERM $worker' TERM
code=1
while :; do
    caught=
    wait $worker
    # A signal ends a wait, and a worker that was waited for is not known any more (127).
    now=$?
    [ $now = 127 ] || code=$now
    [ "$caught" ] || break
done
# It was asked to end ahead of its time limit, and has kept what it has so far.
if [ $code = {STOPPED} ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
fi
exit $code
"#,
            name = self.record.name,
            orders = shell(&self.folder.join("orders")),
            program = shell(program),
            root = shell(root),
        )
    }
}
