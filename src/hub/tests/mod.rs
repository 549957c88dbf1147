//! Against a server of this machine that answers as the hub does.

use std::fs;

use expect_test::expect;

use super::checksum::Checksum;
use super::server::{FIRST, SECOND, Server};
use super::*;

mod hostile;

/// A hub of the server with an empty cache.
fn hub(server: &Server) -> (Hub, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (
        Hub {
            cache: folder.path().join("hub"),
            endpoint: server.address.clone(),
            token: None,
            offline: false,
            limits: Limits::default(),
        },
        folder,
    )
}

fn location(text: &str) -> Location {
    text.parse().unwrap()
}

fn below_unet(files: &[String]) -> Vec<String> {
    files.iter().filter(|file| file.starts_with("unet/")).cloned().collect()
}

fn fetch(hub: &Hub, text: &str) -> Result<PathBuf, String> {
    hub.fetch(&location(text), below_unet, &mut |_| ()).map_err(|error| error.to_string())
}

#[test]
fn a_location_is_what_the_hubs_own_tools_write() {
    let parsed = |text: &str| {
        text.parse::<Location>()
            .map_or_else(|error| error.to_string(), |location| format!("{location:?}"))
    };
    let said = [
        "hf://lab/model",
        "hf://lab/model@v1/unet/config.json",
        "hf://datasets/lab/set@main/train/",
        "hf://lab/model@refs/pr/1/unet",
        "hf://lab/model@feature%2Fsmall",
        "hf://lab/model@refs/pr/..",
        "hf://lab",
        "hf://lab/model/../x",
        "hf://../model",
        "hf://lab/model@",
    ]
    .map(parsed);
    expect![[r#"
        Location { dataset: false, id: "lab/model", revision: "main", path: "" }
        Location { dataset: false, id: "lab/model", revision: "v1", path: "unet/config.json" }
        Location { dataset: true, id: "lab/set", revision: "main", path: "train" }
        Location { dataset: false, id: "lab/model", revision: "refs/pr/1", path: "unet" }
        Location { dataset: false, id: "lab/model", revision: "feature/small", path: "" }
        `hf://lab/model@refs/pr/..` is no place in the hub: hf://owner/name@revision/path expected, or hf://datasets/owner/name@revision/path
        `hf://lab` is no place in the hub: hf://owner/name@revision/path expected, or hf://datasets/owner/name@revision/path
        `hf://lab/model/../x` is no place in the hub: hf://owner/name@revision/path expected, or hf://datasets/owner/name@revision/path
        `hf://../model` is no place in the hub: hf://owner/name@revision/path expected, or hf://datasets/owner/name@revision/path
        `hf://lab/model@` is no place in the hub: hf://owner/name@revision/path expected, or hf://datasets/owner/name@revision/path"#]].assert_eq(&said.join("\n"));
}

#[test]
fn what_is_wanted_is_downloaded_once_and_the_commit_is_said() {
    let server = Server::of_weights();
    let (hub, _folder) = hub(&server);
    let mut said = Vec::new();
    let place = location("hf://lab/model");
    assert_eq!(hub.cached(&place, below_unet), None);
    let folder = hub.fetch(&place, below_unet, &mut |line| said.push(line.to_owned())).unwrap();
    assert_eq!(fs::read(folder.join("unet/config.json")).unwrap(), b"{\"first\": 1}");
    assert_eq!(fs::metadata(folder.join("unet/weights.safetensors")).unwrap().len(), 800_000);
    assert!(!folder.join("README.md").exists(), "it was not wanted");
    expect![[r#"
        hf://lab/model@main is at commit 1111111111111111111111111111111111111111: @1111111111111111111111111111111111111111 in the study pins it
        downloading unet/config.json (0.0 MB)
        downloading unet/weights.safetensors (0.8 MB)"#]].assert_eq(&said.join("\n"));
    server.seen();
    assert_eq!(hub.cached(&place, below_unet), Some(folder.clone()));
    assert_eq!(hub.fetch(&place, below_unet, &mut |_| ()).unwrap(), folder);
    assert_eq!(
        fetch(&hub, "hf://lab/model/unet/config.json").unwrap(),
        folder.join("unet/config.json")
    );
    assert_eq!(server.seen(), [] as [String; 0], "the cache has it all");
}

/// Of another study, while the branch has gone on.
#[test]
fn what_is_wanted_later_is_downloaded_then() {
    let server = Server::of_weights();
    let (hub, _folder) = hub(&server);
    let place = location("hf://lab/model");
    let config = |_: &[String]| vec!["unet/config.json".to_owned()];
    let folder = hub.fetch(&place, config, &mut |_| ()).unwrap();
    assert_eq!(hub.cached(&place, config), Some(folder.clone()));
    assert_eq!(hub.cached(&place, below_unet), None, "the weights are not here");
    server.set(|behaviour| behaviour.main = SECOND.to_owned());
    server.seen();
    assert_eq!(hub.fetch(&place, below_unet, &mut |_| ()).unwrap(), folder);
    assert!(folder.join("unet/weights.safetensors").is_file());
    let seen = server.seen();
    assert!(!seen.iter().any(|request| request.contains("config.json")), "it is here: {seen:?}");
    assert_eq!(hub.cached(&place, below_unet), Some(folder.clone()));
    assert_eq!(hub.cached(&place, config), Some(folder), "less is wanted again");
    assert_eq!(hub.cached(&place, <[String]>::to_vec), None, "README.md is not here");
    assert_eq!(server.seen(), [] as [String; 0]);
}

#[test]
fn a_cache_of_others_has_no_listing() {
    let server = Server::of_weights();
    let (mut hub, _folder) = hub(&server);
    let place = location("hf://lab/model");
    let folder = fetch(&hub, "hf://lab/model").unwrap();
    let listing = folder.join("../../titrate").join(format!("{FIRST}.json"));
    assert!(fs::read_to_string(&listing).unwrap().contains("README.md"));
    fs::remove_file(&listing).unwrap();
    assert_eq!(hub.cached(&place, below_unet), None, "nobody says whether it is all");
    hub.offline = true;
    assert_eq!(hub.cached(&place, below_unet), Some(folder), "there is nobody to ask");
}

#[test]
fn a_download_that_broke_off_goes_on() {
    let server = Server::of_weights();
    let (hub, _folder) = hub(&server);
    let file = format!("hf://lab/model@{FIRST}/unet/weights.safetensors");
    server.set(|behaviour| behaviour.cut = Some(300_000));
    let broken = fetch(&hub, &file).unwrap_err();
    assert!(
        broken.contains("unet/weights.safetensors")
            && broken.contains("the same command goes on from there"),
        "{broken}"
    );
    assert_eq!(hub.cached(&location(&file), below_unet), None);
    server.seen();
    let path = fetch(&hub, &file).unwrap();
    assert_eq!(fs::read(path).unwrap(), server.file(FIRST, "unet/weights.safetensors"));
    let seen = server.seen();
    assert!(seen.iter().any(|request| request.ends_with(" 300000-")), "{seen:?}");
}

#[test]
fn a_download_that_was_killed_at_its_end_is_only_checked() {
    let server = Server::of_weights();
    let (hub, _folder) = hub(&server);
    let path = fetch(&hub, "hf://lab/model/unet/weights.safetensors").unwrap();
    let blob = path.canonicalize().unwrap();
    let name = Checksum::of_text(&format!("{FIRST}/unet/weights.safetensors"));
    fs::rename(&blob, blob.with_file_name(format!("{}.titrate-part", name.as_str()))).unwrap();
    fs::remove_file(&path).unwrap();
    server.seen();
    assert!(fetch(&hub, "hf://lab/model/unet/weights.safetensors").unwrap().is_file());
    assert_eq!(server.seen().len(), 1, "all of it was here");
}

#[test]
fn a_revision_stays_what_it_was() {
    let server = Server::of_weights();
    let (hub, _folder) = hub(&server);
    let config = |text: &str| {
        fs::read_to_string(fetch(&hub, text).unwrap().join("unet/config.json")).unwrap()
    };
    assert_eq!(config("hf://lab/model"), "{\"first\": 1}");
    server.set(|behaviour| behaviour.main = SECOND.to_owned());
    assert_eq!(
        config("hf://lab/model"),
        "{\"first\": 1}",
        "a branch stays where it was downloaded at"
    );
    assert_eq!(config(&format!("hf://lab/model@{SECOND}")), "{\"second\": 2}");
    assert_eq!(config(&format!("hf://lab/model@{FIRST}")), "{\"first\": 1}");
}

#[test]
fn what_cannot_be_had_is_said() {
    let server = Server::of_weights();
    let (mut hub, _folder) = hub(&server);
    let mut said = vec![
        fetch(&hub, "hf://lab/other").unwrap_err(),
        fetch(&hub, "hf://lab/model@v9").unwrap_err(),
        fetch(&hub, "hf://lab/model/vae").unwrap_err(),
        fetch(&hub, "hf://lab/model/README.md").unwrap_err(),
    ];
    hub.offline = true;
    said.push(fetch(&hub, "hf://lab/model").unwrap_err());
    hub.offline = false;
    server.set(|behaviour| behaviour.token = Some("secret".to_owned()));
    said.push(fetch(&hub, "hf://lab/model").unwrap_err());
    hub.token = Some("secret".to_owned());
    server.set(|behaviour| behaviour.corrupt = true);
    said.push(fetch(&hub, "hf://lab/model/unet/config.json").unwrap_err());
    said.push(fetch(&hub, "hf://lab/model/unet/weights.safetensors").unwrap_err());
    server.set(|behaviour| behaviour.corrupt = false);
    assert!(
        fetch(&hub, "hf://lab/model").is_ok(),
        "what was not what it should be is downloaded again"
    );
    hub.offline = true;
    assert!(fetch(&hub, "hf://lab/model").is_ok(), "what is in the cache needs no network");
    let said = said
        .join("\n")
        .replace(&hub.cache.display().to_string(), "CACHE")
        .replace(&server.address, "SERVER");
    expect![[r#"
        hf://lab/other@main: the hub has no such repository, revision or file
        hf://lab/model@v9: the hub has no such repository, revision or file
        hf://lab/model@main/vae: the hub has no such repository, revision or file (vae)
        hf://lab/model@main/README.md: nothing in it is wanted here; it has README.md, unet/config.json, unet/weights.safetensors
        hf://lab/model@main is not in the cache at CACHE, or not unharmed, and HF_HUB_OFFLINE forbids to download it
        hf://lab/model@main: the hub answers 401: accept the repository's conditions on its page, and set HF_TOKEN to a token that may read it
        hf://lab/model@main/unet/config.json, unet/config.json: its digest is 710ce565c6819bc849e4d8f12a48057019435c15, where the hub says 0ebb3e99b0ab33a166a3b75e1f0ea1ce08502a66: it was removed; the same command downloads it again
        hf://lab/model@main/unet/weights.safetensors, unet/weights.safetensors: its digest is 23523e93e900a6dec5ae19270bf71da319a73f37abd2e61b9905d90bb1936dd5, where the hub says 2fadeb03b6d797daf4d2a3fdfdbe5662d50eaa343fc153b249894a336bf0ebba: it was removed; the same command downloads it again"#]].assert_eq(&said);
}

#[test]
fn the_cache_is_where_pythons_client_has_it() {
    let of = |variables: &[(&str, &str)], home: Option<&str>| {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        Hub::of_variables(variable, home.map(PathBuf::from))
            .map_or_else(|error| error.to_string(), |hub| hub.cache.display().to_string())
    };
    let said = [
        of(&[], Some("/home/me")),
        of(&[("XDG_CACHE_HOME", "/caches")], None),
        of(&[("XDG_CACHE_HOME", "/caches"), ("HF_HOME", "~/hf")], Some("/home/me")),
        of(&[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "~/old")], Some("/home/me")),
        of(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")], None),
        of(&[], None),
        of(&[("HF_HOME", "~/hf")], None),
    ];
    expect![[r#"
        /home/me/.cache/huggingface/hub
        /caches/huggingface/hub
        /home/me/hf/hub
        /home/me/old
        /new
        there is no home folder to keep files of the hub in: set HF_HOME to a folder for them, or HF_HUB_CACHE to the cache itself
        there is no home folder to keep files of the hub in: set HF_HOME to a folder for them, or HF_HUB_CACHE to the cache itself"#]].assert_eq(&said.join("\n"));
}

/// What a client of before, or another's, left: a blob that was never hashed.
#[test]
fn a_blob_that_was_never_checked_is_not_used() {
    let server = Server::of_weights();
    let (mut hub, _folder) = hub(&server);
    let place = location("hf://lab/model");
    let path = fetch(&hub, "hf://lab/model").unwrap().join("unet/weights.safetensors");
    let blob = path.canonicalize().unwrap();
    let good = fs::read(&blob).unwrap();
    let mut bad = good.clone();
    bad[7] ^= 1;
    for bytes in [&bad[..], &good[..400_000], &[]] {
        fs::write(&blob, bytes).unwrap();
        assert_eq!(hub.cached(&place, below_unet), None);
        hub.offline = true;
        assert!(fetch(&hub, "hf://lab/model").unwrap_err().contains("not unharmed"));
        hub.offline = false;
        fetch(&hub, "hf://lab/model").unwrap();
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    fs::remove_dir_all(hub.cache.join("models--lab--model/titrate")).unwrap();
    fs::write(&blob, &bad).unwrap();
    hub.offline = true;
    assert_eq!(hub.cached(&place, below_unet), None, "a blob's name says what it should be");
}
