//! A study whose shards are in the hub: planned without the network, downloaded when it runs, found
//! again without the network.

#[allow(dead_code, reason = "tests/engine uses the rest of it")]
#[path = "../engine/faults/power_cut.rs"]
pub mod power_cut;
#[path = "../engine/faults/preload.rs"]
pub mod preload;
#[allow(dead_code, reason = "the room's own tests use the rest of it")]
#[path = "../../src/hub/server.rs"]
mod server;

use std::collections::HashMap;
use std::os::unix::process::CommandExt;

use server::{FIRST, Server};
use titrate::data::webdataset::write_shard;

use crate::chain::Chain;
use crate::pictures::{CLASSES, item};

#[test]
fn shards_come_from_the_hub() {
    let items = CLASSES
        .into_iter()
        .flat_map(|class| (0..12).map(move |index| item(class, index)))
        .collect::<Vec<_>>();
    let shard = write_shard(&items).unwrap();
    let files = [(FIRST, "README.md", b"a set".to_vec()), (FIRST, "train/a-00000.tar", shard)];
    let server = Server::of("datasets/lab/set", files);
    server.set(|behaviour| behaviour.token = Some("secret".to_owned()));
    let chain = Chain::new("hub");
    let images = "source = \"webdataset\"\npath = \"hf://datasets/lab/set/train\"\nplentiful = 0\npool = 4\nvalidation = 2\nheld_out = 4\n";
    chain.write_study(&format!("{}[images]\n{images}", chain.study_text()));
    let home = chain.path("hub").display().to_string();
    let endpoint = ("HF_ENDPOINT", server.address.as_str());
    let (hub, token) = (("HF_HOME", home.as_str()), ("HF_TOKEN", "secret"));

    let planned = chain.plan_with(&[endpoint, hub]);
    assert!(
        planned.contains("images.path (hf://datasets/lab/set/train is not downloaded; `titrate reproduce` downloads it)"),
        "{planned}"
    );
    assert_eq!(server.seen(), [] as [String; 0], "planning asks nobody");

    let (code, said) = chain.data_check_with(&[endpoint, hub]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("images.path: hf://datasets/lab/set@main/train: the hub answers 401"),
        "{said}"
    );
    let (code, said) = chain.data_check_with(&[endpoint, hub, ("HF_HUB_OFFLINE", "1")]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("HF_HUB_OFFLINE forbids to download it"), "{said}");
    let (code, said) = chain.data_check_with(&[endpoint, hub, token]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(&format!("is at commit {FIRST}"))
            && said.contains("36 pictures of the study's 3 classes"),
        "{said}"
    );
    assert!(
        !server.seen().iter().any(|request| request.contains("README")),
        "what the set says of itself is not wanted"
    );

    let (code, said) = chain.data_check_with(&[hub, ("HF_HUB_OFFLINE", "1")]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(server.seen(), [] as [String; 0]);

    let shard = format!("hub/hub/datasets--lab--set/snapshots/{FIRST}/train/a-00000.tar");
    std::fs::remove_file(chain.path(&shard)).unwrap();
    let planned = chain.plan_with(&[endpoint, hub]);
    assert!(planned.contains("is not downloaded"), "{planned}");
}

/// Killed before each of its calls on the cache in turn, also by a power cut: nothing is in use there that
/// was not checked, and what follows goes on.
#[test]
fn a_download_that_is_killed_leaves_nothing_unchecked_in_use() {
    let items = CLASSES.map(|class| item(class, 0));
    let shard = write_shard(&items).unwrap();
    let names = ["train/a-00000.tar", "train/a-00001.tar"];
    let server = Server::of("datasets/lab/set", names.map(|name| (FIRST, name, shard.clone())));
    let chain = Chain::new("hub-killed");
    let images = "source = \"webdataset\"\npath = \"hf://datasets/lab/set/train\"\n";
    chain.write_study(&format!("{}[images]\n{images}", chain.study_text()));
    let (home, state) = (chain.path("hub"), chain.path("state"));
    let library = preload::library(&chain.path(""));
    let run = |at: usize, deed: &str| {
        std::fs::create_dir_all(&home).unwrap();
        let mut command = chain.command(&["data", "check"]);
        command.env("HF_ENDPOINT", &server.address).env("HF_HOME", &home).args(["--out", "audit"]);
        preload::watch(&mut command, &library, &home, &state);
        let (number, calls) =
            (at.to_string(), "create,write,sync,rename,unlink,mkdir,truncate,symlink");
        let settings =
            [("ROLE", "data"), ("CALLS", calls), ("AT", number.as_str()), ("DEED", deed)];
        command.envs(settings.map(|(name, value)| (format!("FAULTS_{name}"), value)));
        command.process_group(0).output().unwrap();
        preload::noted(&state, "fault").len()
    };
    let mut kills = 0;
    for power in [false, true] {
        for at in 1.. {
            let _ = std::fs::remove_dir_all(&home);
            if run(at, "cut") == 0 {
                break;
            }
            kills += 1;
            if power {
                power_cut::cut(std::slice::from_ref(&home), &state, &HashMap::new());
            }
            let snapshot = home.join("hub/datasets--lab--set/snapshots").join(FIRST);
            for path in names.map(|name| snapshot.join(name)).iter().filter(|path| path.exists()) {
                assert!(std::fs::read(path).unwrap() == shard, "call {at}: {}", path.display());
            }
            run(0, "none");
            for path in names.map(|name| snapshot.join(name)) {
                assert!(std::fs::read(&path).is_ok_and(|bytes| bytes == shard), "call {at}");
            }
        }
    }
    assert!(kills > 40, "{kills} kills");
}
