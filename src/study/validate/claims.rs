//! The rules of declared comparisons and claims: they are about classifiers that the study trains.

use std::collections::BTreeSet;

use super::super::design::Cell;
use super::super::keys::dotted;
use super::super::schema::*;
use super::rules::{Rules, join};
use crate::vocabulary::{Arm, Bound, Claim, Design, Rule};

/// The designs of an experiment.
fn designs(experiment: &Experiment) -> BTreeSet<Design> {
    experiment.cells().iter().map(Cell::design).collect()
}

pub(super) fn comparisons(
    classes: &[String],
    key: &str,
    experiment: &Experiment,
    rules: &mut Rules,
) {
    let known = designs(experiment);
    for (name, comparison) in &experiment.comparisons {
        let key = join(&join(key, "comparisons"), &dotted(&[name]));
        rules.plain_name(&key, name, "a comparison's");
        if let Some(class) = &comparison.class {
            let known = classes.contains(class);
            rules.require(known, &join(&key, "class"), class, "a class of images.classes");
        }
        let pairs = comparison.pairs(&known);
        if pairs.is_empty() {
            let message = format!(
                "`{key}` compares nothing: no classifiers of the experiment are as `of` says, and \
                 others than those that `against` leads to"
            );
            rules.refuse(&key, message);
        }
        if let Some((design, other)) = pairs.iter().find(|(_, other)| !known.contains(other)) {
            let message = format!(
                "`{key}` compares {design} with {other}, of which the experiment has no classifiers"
            );
            rules.refuse(&key, message);
        }
    }
}

pub(super) fn claim(study: &Study, name: &str, claim: &Claim, rules: &mut Rules) {
    let key = dotted(&["claims", name]);
    rules.plain_name(&key, name, "a claim's");
    rules.require(!claim.statement.is_empty(), &join(&key, "statement"), "", "a sentence");
    let is_day = matches!(claim.fixed.split('-').collect::<Vec<_>>()[..], [year, month, day]
    if [(year, 4), (month, 2), (day, 2)].iter().all(|(part, digits)| {
        part.len() == *digits && part.bytes().all(|byte| byte.is_ascii_digit())
    }));
    let fixed = join(&key, "fixed");
    rules.require(
        is_day,
        &fixed,
        &claim.fixed,
        "the day on which the rule was fixed, as 2026-11-28",
    );
    let of = join(&key, "experiment");
    let found = study.experiments().find(|(name, _)| *name == claim.experiment);
    let Some((_, experiment)) = found else {
        let names = study.experiments().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
        let known = names.join(", ");
        rules.refuse(&of, format!("`{of}` is {:?}; experiments are {known}", claim.experiment));
        return;
    };
    rule(study, &join(&key, "rule"), &claim.rule, &designs(experiment), rules);
}

fn rule(study: &Study, key: &str, rule: &Rule, known: &BTreeSet<Design>, rules: &mut Rules) {
    if let Some(flaw) = rule.flaw(&study.images.classes) {
        rules.refuse(key, format!("`{key}` has {flaw}"));
        return;
    }
    let test = rule.test(&study.images.classes);
    match test.bound {
        Bound::Above(margin) => {
            rules.require(margin >= 0.0, &join(key, "margin"), margin, "0 or more")
        }
        Bound::Within(margin) => {
            rules.require(margin > 0.0, &join(key, "margin"), margin, "more than 0")
        }
    }
    let terms = test.contrasts.iter().flat_map(|contrast| &contrast.terms);
    let missing = terms.map(|term| &term.design).find(|design| !known.contains(design));
    if let Some(design) = missing {
        let what = if design.arm == Arm::Real { "" } else { " and dose" };
        let message = format!(
            "`{key}` is about {design}, of which the experiment has no classifiers: its arm{what}, n, \
             transforms and regime have to be among the experiment's"
        );
        rules.refuse(key, message);
    }
}
