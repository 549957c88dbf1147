//! The rules of experiments.

use super::super::keys::dotted;
use super::super::schema::*;
use super::rules::{Rules, join};
use super::{claims, usages};
use crate::vocabulary::{Arm, Control};

pub(super) fn experiments(study: &Study, rules: &mut Rules) {
    if study.experiments.is_empty() {
        experiment(study, "experiment", &study.experiment, rules);
    }
    for (name, named) in &study.experiments {
        let key = dotted(&["experiments", name]);
        rules.plain_name(&key, name, "an experiment's");
        experiment(study, &key, named, rules);
    }
    for (name, claim) in &study.claims {
        claims::claim(study, name, claim, rules);
    }
    usages::usages(study, rules);
    let arms = rules.said.last(|key| key.ends_with(".arms"));
    for variant in study.generator.variants.keys() {
        let key = dotted(&["generator", "variants", variant]);
        let below = format!("{key}.");
        // A variant that a lower layer has may be left out by the arms of a higher one.
        let said = rules.said.last(|written| written.starts_with(&below));
        if study.strategies_of(variant).is_empty() && said.is_some() && said >= arms {
            let message = format!(
                "`{key}` makes images for no arm: name one, such as \"text-to-image@{variant}\", in \
                 `arms` of an experiment"
            );
            rules.refuse(&key, message);
        }
    }
}

fn experiment(study: &Study, key: &str, experiment: &Experiment, rules: &mut Rules) {
    let of = |name: &str| format!("{key}.{name}");
    rules.counts_sweep(&of("n"), &experiment.n, "values of 1 or more");
    let allowed = "values of 1 or more (the real-only arm is always there)";
    rules.counts_sweep(&of("doses"), &experiment.doses, allowed);
    rules.sweep(&of("arms"), &experiment.arms);
    for arm in &experiment.arms {
        let (variant, usage) =
            arm.synthetic().map_or(("", ""), |made| (&made.variant, &made.usage));
        let message = match arm {
            Arm::Real => "`real` is always there and not named".to_owned(),
            _ if !variant.is_empty() && !study.generator.variants.contains_key(variant) => {
                format!("there is no `generator.variants.{variant}`")
            }
            _ if !usage.is_empty() && !study.usages.contains_key(usage) => {
                format!("there is no `usages.{usage}`")
            }
            _ => continue,
        };
        rules.refuse(&of("arms"), format!("`{}` has \"{arm}\": {message}", of("arms")));
    }
    controls(study, key, experiment, rules);
    rules.sweep(&of("transforms"), &experiment.transforms);
    rules.sweep(&of("regimes"), &experiment.regimes);
    rare(study, key, experiment, rules);
    full_batches(study, experiment, rules);
    claims::comparisons(&study.images.classes, key, experiment, rules);
    rules.counts(key, &[("replicates", experiment.replicates)]);
    let most = experiment.n.iter().copied().max().unwrap_or(0);
    if let Some(class) = study.images.classes.first().filter(|_| most > study.images.pool) {
        let pool = study.images.pool;
        let message = format!(
            "{} asks for {most} real images of each class, but the pool has {pool} of {class:?}",
            of("n")
        );
        rules.refuse(&of("n"), message);
    }
}

/// A class that is rare has fewer images than the others, of the generators that all cells share.
fn rare(study: &Study, key: &str, experiment: &Experiment, rules: &mut Rules) {
    let Rare { class, n } = &experiment.rare;
    let key = join(key, "rare");
    if class.is_empty() {
        rules.require(*n == 0, &join(&key, "n"), n, "0 where no class is rare");
        return;
    }
    let classes = &study.images.classes;
    rules.require(
        classes.contains(class),
        &join(&key, "class"),
        class,
        format!("a class of images.classes: {}", classes.join(", ")),
    );
    let fewest = experiment.n.iter().min().copied().unwrap_or(0);
    let fewer = (1..fewest).contains(n);
    rules.require(fewer, &join(&key, "n"), n, format!("1 or more, and fewer than n ({fewest})"));
    for arm in experiment.arms.iter().filter_map(Arm::synthetic) {
        let generator = study.generators().find(|(variant, _)| *variant == arm.variant);
        if generator.is_some_and(|(_, generator)| generator.leak_free()) {
            let message = format!(
                "`{key}` is set, but models that are leak-free learn from as many images of each \
                 class: leave out the arm {}",
                Arm::Synthetic(arm.clone())
            );
            rules.refuse(&key, message);
        }
    }
}

/// Controls that would be real only again.
fn controls(study: &Study, key: &str, experiment: &Experiment, rules: &mut Rules) {
    let arms = join(key, "arms");
    let steps = study.classifier.steps_per_epoch;
    if experiment.arms.contains(&Arm::Control(Control::EqualSteps)) && steps > 0 {
        let message = format!(
            "`{arms}` has \"equal-steps\", but with classifier.steps_per_epoch = {steps} every arm is \
             trained for the same steps: leave it out, or set classifier.steps_per_epoch to 0"
        );
        rules.refuse(&arms, message);
    }
    if experiment.arms.contains(&Arm::Control(Control::EqualPasses)) && steps == 0 {
        let message = format!(
            "`{arms}` has \"equal-passes\", but with classifier.steps_per_epoch = 0 every arm is shown \
             each image as often: leave it out, or set classifier.steps_per_epoch"
        );
        rules.refuse(&arms, message);
    }
    let (most, pool) = (experiment.n.iter().max().copied().unwrap_or(0), study.images.pool);
    if experiment.arms.contains(&Arm::Control(Control::Pool)) && most == pool {
        let message = format!(
            "`{arms}` has \"pool\", but at n = {most} the pool of {pool} has no further images: leave it \
             out, or take a smaller n or a larger images.pool"
        );
        rules.refuse(&arms, message);
    }
}

/// With `drop_last`, an epoch is the full batches of a training: there has to be one.
fn full_batches(study: &Study, experiment: &Experiment, rules: &mut Rules) {
    let doses =
        experiment.doses.iter().filter(|_| experiment.arms.iter().any(Arm::has_dose)).chain([&0]);
    let arms = doses.flat_map(|dose| {
        experiment.n.iter().map(move |n| n * (1 + dose) * study.images.classes.len())
    });
    let unfilled = arms.filter(|&images| study.classifier.batch_of(images) > images).min();
    if let Some(images) = unfilled.filter(|_| study.classifier.drop_last) {
        let message = format!(
            "`classifier.drop_last` is true, but an arm has {images} training images, which do not fill a batch of {}: \
             set classifier.batch or classifier.batch_by_images",
            study.classifier.batch_of(images)
        );
        rules.refuse("classifier.drop_last", message);
    }
}
