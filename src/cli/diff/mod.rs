//! `titrate diff`: two results of a study side by side: the keys of the study, the outputs of its
//! tasks, and the numbers of its report with their intervals.

mod sides;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::cli::args::Diff;
use crate::cli::common::{Pipeline, print};
use crate::cli::compare::relative;
use crate::cli::exit::Exit;
use crate::cli::study_keys::{Changed, changed};
use crate::report::Number;
use crate::wording::some_of;
use sides::Side;

/// How many of a kind are named before they are only counted.
const NAMES: usize = 10;

/// What sets two results apart.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Difference {
    before: String,
    after: String,
    study: Vec<Changed>,
    tasks: Tasks,
    numbers: Numbers,
}

#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Tasks {
    same: usize,
    /// The tasks whose outputs have other digests, by kind.
    other: BTreeMap<String, Vec<String>>,
    only_before: Vec<String>,
    only_after: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Numbers {
    same: usize,
    /// Not the same, and at most the tolerance apart.
    within: usize,
    /// The others, those outside the other's interval first.
    diverged: Vec<Diverged>,
    only_before: Vec<String>,
    only_after: Vec<String>,
}

/// A number that is further apart than the tolerance.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Diverged {
    id: String,
    before: Said,
    after: Said,
    /// Whether one of the two lies outside the other's interval; none without intervals.
    outside: Option<bool>,
}

/// A number as the report says it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Said {
    value: String,
    low: Option<String>,
    high: Option<String>,
}

pub(super) fn diff(pipeline: &Pipeline, arguments: &Diff) -> Result<Exit> {
    let (before, after) = (&arguments.before, &arguments.after);
    let which = &arguments.which();
    let (a, b) = (Side::read(pipeline, which, before)?, Side::read(pipeline, which, after)?);
    let difference = Difference {
        before: before.clone(),
        after: after.clone(),
        study: changed(&a.study, &b.study),
        tasks: tasks(&a, &b),
        numbers: numbers(&a.numbers, &b.numbers, arguments.tolerance),
    };
    print(&match arguments.json {
        true => serde_json::to_string_pretty(&difference)? + "\n",
        false => difference.told(arguments.tolerance, arguments.all),
    })?;
    Ok(if difference.numbers.agree() { Exit::Done } else { Exit::TaskFailed })
}

fn tasks(before: &Side, after: &Side) -> Tasks {
    let made = |side: &Side| {
        let tasks = side.lineage.tasks.iter();
        tasks.map(|it| (it.label.clone(), it.clone())).collect::<BTreeMap<_, _>>()
    };
    let (mut ours, theirs) = (made(before), made(after));
    let mut tasks =
        Tasks { same: 0, other: BTreeMap::new(), only_before: vec![], only_after: vec![] };
    for (label, theirs) in theirs {
        match ours.remove(&label) {
            None => tasks.only_after.push(label),
            Some(ours) if ours.digest == theirs.digest => tasks.same += 1,
            Some(_) => tasks.other.entry(theirs.kind).or_default().push(label),
        }
    }
    tasks.only_before.extend(ours.into_keys());
    tasks
}

fn numbers(before: &[Number], after: &[Number], tolerance: f64) -> Numbers {
    let mut ours = before.iter().map(|it| (it.id.as_str(), it)).collect::<BTreeMap<_, _>>();
    let (mut same, mut within, mut diverged, mut only_after) = (0, 0, Vec::new(), Vec::new());
    for theirs in after {
        let Some(ours) = ours.remove(theirs.id.as_str()) else {
            only_after.push(theirs.id.clone());
            continue;
        };
        let said = |it: &Number| {
            [Some(&it.value), it.low.as_ref(), it.high.as_ref(), it.p.as_ref()]
                .map(|part| part.cloned())
        };
        if said(ours) == said(theirs) {
            same += 1;
        } else if apart(ours, theirs).is_some_and(|far| far <= tolerance) {
            within += 1;
        } else {
            diverged.push(Diverged::of(ours, theirs));
        }
    }
    diverged.sort_by_key(|it| it.outside != Some(true));
    let only_before = before.iter().filter(|it| ours.contains_key(it.id.as_str()));
    let only_before = only_before.map(|it| it.id.clone()).collect();
    Numbers { same, within, diverged, only_before, only_after }
}

/// The number, the lower and the upper end of its interval; none where one of them is a text.
fn parts(number: &Number) -> Option<Vec<f64>> {
    let parts = std::iter::once(&number.value).chain(&number.low).chain(&number.high);
    parts.map(|part| part.parse().ok()).collect()
}

/// How far two numbers or the ends of their intervals lie apart, as a part of the larger one where
/// that is above 1; none where that can't be said.
fn apart(ours: &Number, theirs: &Number) -> Option<f64> {
    let (ours, theirs) = (parts(ours)?, parts(theirs)?);
    let far = |(a, b): (&f64, &f64)| relative(*a, *b);
    let far = ours.iter().zip(&theirs).map(far).fold(0.0, f64::max);
    (ours.len() == theirs.len() && far.is_finite()).then_some(far)
}

impl Diverged {
    fn of(ours: &Number, theirs: &Number) -> Self {
        let said = |it: &Number| Said {
            value: it.value.clone(),
            low: it.low.clone(),
            high: it.high.clone(),
        };
        let outside = match (parts(ours).as_deref(), parts(theirs).as_deref()) {
            (Some(&[a, a_low, a_high]), Some(&[b, b_low, b_high])) => {
                Some(!(a_low..=a_high).contains(&b) || !(b_low..=b_high).contains(&a))
            }
            _ => None,
        };
        Self { id: ours.id.clone(), before: said(ours), after: said(theirs), outside }
    }
}

impl Said {
    fn text(&self) -> String {
        let value = if self.value.is_empty() { "none" } else { &self.value };
        match (&self.low, &self.high) {
            (Some(low), Some(high)) => format!("{value} [{low}, {high}]"),
            _ => value.to_owned(),
        }
    }
}

impl Numbers {
    fn agree(&self) -> bool {
        let missing = [&self.only_before, &self.only_after];
        self.diverged.is_empty() && missing.iter().all(|list| list.is_empty())
    }
}

impl Difference {
    fn told(&self, tolerance: f64, all: bool) -> String {
        let most = if all { usize::MAX } else { NAMES };
        let mut text = format!("before: {}\nafter:  {}\n", self.before, self.after);
        let mut list = |head: String, lines: &[String]| {
            writeln!(text, "{head}").expect("a string grows");
            if !lines.is_empty() {
                let shown = some_of(lines, most, "\n  ");
                writeln!(text, "  {shown}").expect("a string grows");
            }
        };
        let keys = self.study.iter().map(ToString::to_string).collect::<Vec<_>>();
        let noun = if keys.len() == 1 { "key differs" } else { "keys differ" };
        list(format!("study: {} {noun}", keys.len()), &keys);
        let tasks = &self.tasks;
        let other = tasks.other.values().map(Vec::len).sum::<usize>();
        let kinds = tasks.other.iter();
        let kinds = kinds.map(|(kind, labels)| format!("{kind}: {}", some_of(labels, 3, ", ")));
        list(
            format!("tasks: {} with the same output, {other} with another", tasks.same),
            &kinds.collect::<Vec<_>>(),
        );
        let numbers = &self.numbers;
        let outside = numbers.diverged.iter().filter(|it| it.outside == Some(true)).count();
        let line = |it: &Diverged| {
            let mark =
                if it.outside == Some(true) { "  (outside the other's interval)" } else { "" };
            format!("{}: {} -> {}{mark}", it.id, it.before.text(), it.after.text())
        };
        list(
            format!(
                "numbers: {} the same, {} within {tolerance}, {} diverged, {outside} of them \
                 outside the other's interval",
                numbers.same,
                numbers.within,
                numbers.diverged.len()
            ),
            &numbers.diverged.iter().map(line).collect::<Vec<_>>(),
        );
        for (what, lines) in [
            ("tasks that only the first has", &tasks.only_before),
            ("tasks that only the second has", &tasks.only_after),
            ("numbers that only the first has", &numbers.only_before),
            ("numbers that only the second has", &numbers.only_after),
        ] {
            if !lines.is_empty() {
                list(format!("{what}: {}", lines.len()), lines);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::cli::study_keys::flat;
    use crate::id::Digest;
    use crate::report::lineage::{Lineage, Made};

    fn number(id: &str, value: &str, ends: Option<[&str; 2]>) -> Number {
        let ends = ends.map(|ends| ends.map(str::to_owned));
        let [low, high] = ends.map_or([None, None], |ends| ends.map(Some));
        let (row, column, task) = (vec![], String::new(), "analysis/sweep".into());
        Number {
            id: id.into(),
            row,
            column,
            value: value.into(),
            low,
            high,
            p: None,
            task,
            from: vec![],
        }
    }

    fn made(label: &str, output: &str) -> Made {
        let (label, kind, digest) =
            (label.into(), "classifier".into(), Digest::of(output.as_bytes()));
        Made { label, kind, seed: None, digest, bytes: 1, from: vec![], outside: vec![] }
    }

    fn side(study: &str, tasks: Vec<Made>, numbers: Vec<Number>) -> Side {
        let lineage = Lineage { tasks, classifiers: BTreeMap::new() };
        Side { study: flat(study).unwrap(), lineage, numbers }
    }

    #[test]
    fn what_differs_is_named_and_what_matters_most_comes_first() {
        let before = side(
            "[classifier]\nepochs = 15\n[images]\nn = [1, 2]",
            vec![made("a", "1"), made("b", "1"), made("c", "1")],
            vec![
                number("near", "57.1", Some(["53.6", "60.5"])),
                number("far", "57.1", Some(["53.6", "60.5"])),
                number("same", "3", None),
                number("tiny", "1000.0", None),
                number("text", "replicated", None),
                number("gone", "1", None),
            ],
        );
        let after = side(
            "[classifier]\nepochs = 20\n[images]\nn = [1, 2]\nseed = 4",
            vec![made("a", "1"), made("b", "2"), made("d", "1")],
            vec![
                number("near", "58.0", Some(["54.6", "61.5"])),
                number("far", "61.0", Some(["58.6", "63.5"])),
                number("same", "3", None),
                number("tiny", "1000.1", None),
                number("text", "inconclusive", None),
                number("new", "1", None),
            ],
        );
        let difference = Difference {
            before: "one".into(),
            after: "two".into(),
            study: changed(&before.study, &after.study),
            tasks: tasks(&before, &after),
            numbers: numbers(&before.numbers, &after.numbers, 1e-3),
        };
        expect![[r#"
            before: one
            after:  two
            study: 2 keys differ
              classifier.epochs: 15 -> 20
              images.seed: not there -> 4
            tasks: 1 with the same output, 1 with another
              classifier: b
            numbers: 1 the same, 1 within 0.001, 3 diverged, 1 of them outside the other's interval
              far: 57.1 [53.6, 60.5] -> 61.0 [58.6, 63.5]  (outside the other's interval)
              near: 57.1 [53.6, 60.5] -> 58.0 [54.6, 61.5]
              text: replicated -> inconclusive
            tasks that only the first has: 1
              c
            tasks that only the second has: 1
              d
            numbers that only the first has: 1
              gone
            numbers that only the second has: 1
              new
        "#]]
        .assert_eq(&difference.told(1e-3, false));
        assert!(!difference.numbers.agree());
    }
}
