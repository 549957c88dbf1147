//! Faults of the disk below a run of smoke, by sample: `cargo xtask torture --every-fault`. Every call fails
//! in turn below the toy study of tests/engine.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::process::CommandExt;

use rand::Rng;
use titrate::seed::Seed;

use crate::chain::Chain;
use crate::hub::{power_cut, preload};

#[test]
#[ignore = "minutes"]
fn faults_of_the_disk_change_nothing_in_smoke() {
    let (chain, aside) = (Chain::new("disk"), tempfile::tempdir().unwrap());
    let library = preload::library(aside.path());
    let (state, folders) = (chain.path("state"), [chain.path("store"), chain.path("report")]);
    let whole = chain.run(&[]);
    let report = chain.report();
    let disturbed = |ask: &dyn Fn(&mut std::process::Command)| {
        folders.iter().for_each(|folder| drop(fs::remove_dir_all(folder)));
        fs::create_dir(&folders[0]).unwrap();
        let mut command = chain.command(&["reproduce"]);
        command.args(["--quiet", "--out"]).arg(&folders[1]).process_group(0);
        preload::watch(&mut command, &library, &folders[0], &state);
        ask(&mut command);
        command.output().unwrap()
    };
    disturbed(&|command| _ = command.env("FAULTS_AT", "0"));
    let mut counts = BTreeMap::<(String, String), usize>::new();
    for line in preload::noted(&state, "call") {
        let parts = line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        *counts.entry((parts[0].clone(), parts[1].clone())).or_default() += 1;
    }
    let mut rng = Seed::of_study(20).child("disk").rng();
    let mut struck = 0;
    for fault in &preload::FAULTS {
        for (role, count) in [("reproduce", 2), ("worker", 2)] {
            for _ in 0..count {
                let call = fault.calls[rng.random_range(0..fault.calls.len())];
                let Some(most) = counts.get(&(role.to_owned(), call.to_owned())) else { continue };
                let number = rng.random_range(1..=*most);
                let output = disturbed(&|command| fault.ask(command, role, call, "", number));
                struck += preload::noted(&state, "fault").len().min(1);
                if fault.loses() {
                    power_cut::cut(&folders, &state, &HashMap::new());
                }
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let site = format!("{} at {call} {number} of {role}: {said}", fault.name);
                println!("{site}");
                assert!(!said.contains("panicked"), "{site}");
                assert_eq!(chain.run(&[]).tasks, whole.tasks, "{site}");
                assert!(chain.report() == report, "{site}");
                assert_eq!(chain.run(&[]).ran, [] as [String; 0], "{site}");
                let verified = chain.verified();
                assert!(verified.contains(" 0 corrupt"), "{site}: {verified}");
            }
        }
    }
    println!("| disk, below smoke | {struck} | {struck} | 0 |");
    assert!(struck > 20, "{struck}");
}
