//! Classifiers that start from a file of weights: as from the base where they are the same, and what is wrong with one is named.

use std::path::Path;

use expect_test::expect;

use crate::chain::Chain;

fn set(path: &str) -> String {
    format!("base.pretrained.backbone={}", Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display())
}

/// The weights are the shipped base's, so every classifier is as it was, to the bit, and nothing after them runs.
#[test]
fn a_file_of_the_bases_weights_gives_the_same_classifiers() {
    let chain = Chain::new("backbones");
    let analysis = ["--only", "analysis"];
    let before = chain.run_with(&[], &analysis, &[]).ran;
    let classifiers = before.into_iter().filter(|label| label.starts_with("classifier/")).collect::<Vec<_>>();
    let after = chain.run_with(&[&set("experiments/base/backbone/backbone/model.safetensors")], &analysis, &[]).ran;
    assert!(!classifiers.is_empty());
    assert_eq!(after, [classifiers, vec!["pretrained/backbone".to_owned()]].concat());
}

#[test]
fn what_is_wrong_with_a_file_of_weights_is_named() {
    let chain = Chain::new("misfits");
    let (lite0, state) = ("base.backbone.architecture=lite0", set("tests/fixtures/checkpoint/archive.pth"));
    let (module, small) = (set("tests/fixtures/checkpoint/module.pth"), set("tests/fixtures/efficientnet/small.safetensors"));
    let said = [
        chain.failure(&["base.pretrained.backbone=none.pth"], "pretrained/backbone"),
        chain.failure(&[&module], "pretrained/backbone"),
        chain.failure(&[&state, lite0], "pretrained/backbone"),
        chain.failure(&[&small], "pretrained/backbone"),
    ];
    expect![[]].assert_eq(&said.join("\n"));
}
