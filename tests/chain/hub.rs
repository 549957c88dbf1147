//! A study whose shards are in the hub: planned without the network, downloaded when it runs, found
//! again without the network.

#[allow(dead_code, reason = "the room's own tests use the rest of it")]
#[path = "../../src/hub/server.rs"]
mod server;

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
