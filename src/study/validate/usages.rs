//! The rules of uses of synthetic images.

use super::super::keys::dotted;
use super::super::schema::*;
use super::rules::Rules;
use crate::vocabulary::{Arm, Choice, Usage};

pub(super) fn usages(study: &Study, rules: &mut Rules) {
    usage(study, "usage", &study.usage, rules);
    if study.usage.mixture().is_some() || !study.usage.meaning().is_empty() {
        let message = "`usage` is the plain use, which uses by name differ from: set the keys of a \
                       `usages.NAME` instead";
        rules.refuse("usage", message.to_owned());
    }
    for (name, named) in &study.usages {
        let key = dotted(&["usages", name]);
        rules.plain_name(&key, name, "a use's");
        usage(study, &key, named, rules);
        if named.meaning().is_empty() {
            rules.refuse(&key, format!("`{key}` says nothing that the plain use does not"));
        }
        chosen(study, &key, name, named, rules);
    }
}

fn usage(study: &Study, key: &str, usage: &Usage, rules: &mut Rules) {
    let of = |name: &str| format!("{key}.{name}");
    rules.positive(key, &[("weight", usage.weight)]);
    for (name, share) in [("share", usage.share), ("pretraining", usage.pretraining)] {
        rules.require((0.0..1.0).contains(&share), &of(name), share, "0 or more and less than 1");
    }
    if usage.pretraining > 0.0 && (usage.share > 0.0 || usage.weight != 1.0) {
        let message = format!(
            "`{}` is {}, so that no step trains on synthetic and real images at once: leave out \
             `share` and `weight`",
            of("pretraining"),
            usage.pretraining
        );
        rules.refuse(&of("pretraining"), message);
    }
    let classes = &study.images.classes;
    for class in usage.doses.keys().filter(|class| !classes.contains(class)) {
        let message =
            format!("`{}` has {class:?}, which is no class of images.classes", of("doses"));
        rules.refuse(&of("doses"), message);
    }
    let batch = study.classifier.batch as f64;
    let synthetic = (batch * usage.share).round();
    if usage.share > 0.0 && !(1.0..batch).contains(&synthetic) {
        let message = format!(
            "`{}` is {}, which leaves no {} image in a batch of {batch}",
            of("share"),
            usage.share,
            if synthetic < 1.0 { "synthetic" } else { "real" }
        );
        rules.refuse(&of("share"), message);
    }
}

/// What a choice among synthetic images needs.
fn chosen(study: &Study, key: &str, name: &str, usage: &Usage, rules: &mut Rules) {
    let candidates = format!("{key}.candidates");
    if usage.choose == Choice::First {
        let allowed = "0 where the first images are taken (`choose`)";
        rules.require(usage.candidates == 0, &candidates, usage.candidates, allowed);
        return;
    }
    if usage.choose == Choice::Confident && study.images.plentiful == 0 {
        let message = format!(
            "`{key}.choose` is \"confident\", but there is no probe: set images.plentiful to 1 or more"
        );
        rules.refuse(&format!("{key}.choose"), message);
    }
    let uses = |arm: &Arm| arm.synthetic().is_some_and(|made| made.usage == name);
    let doses = study.cells().into_iter().filter(|cell| uses(&cell.arm)).map(|cell| cell.dose);
    let most = doses.chain(usage.doses.values().copied()).max().unwrap_or(0);
    rules.require(
        usage.candidates > most,
        &candidates,
        usage.candidates,
        format!("more than every dose ({most})"),
    );
}
