//! The numbers of a report's tables: each has an id and a proof, the results that it was computed
//! from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::block::{
    Anchor, Origin, Page, Parts, Proof, Proofs, ProvedCell, ProvedTask, Range, slug, unused,
};
use super::lineage::{Lineage, Made};
use crate::vocabulary::Design;

/// Digits of a digest or a seed that a proof shows.
const DIGITS: usize = 16;

/// A number of the report, for other programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// The number's id: table, row and column, such as
    /// "accuracy-accuracy-table/no-transforms.4/real".
    pub id: String,
    /// The names of its row.
    pub row: Vec<String>,
    /// The head of its column.
    pub column: String,
    /// The number, or the text that stands for it, without sign and percent.
    pub value: String,
    /// The lower end of its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<String>,
    /// The upper end of its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<String>,
    /// The task that computed it.
    pub task: String,
    /// The tasks whose outputs that task computed it from; empty: all of its inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
}

/// Gives every number of the page's tables its id and its proof.
pub fn number(page: &mut Page, study: &str, lineage: &Lineage) -> (Vec<Number>, Proofs) {
    let (mut ids, mut numbers) = (BTreeSet::new(), Vec::new());
    let (mut origins, mut proofs) = (Vec::<Origin>::new(), Vec::new());
    for (_, table) in page.tables_mut() {
        let name = table.name.clone();
        for number in table.numbers_mut() {
            let row = number.row.iter().map(|name| slug(name)).collect::<Vec<_>>().join(".");
            let column = Some(slug(&number.column)).filter(|slug| !slug.is_empty());
            let column = column.unwrap_or_else(|| "value".into());
            let id = unused(&mut ids, &format!("{name}/{row}/{column}"));
            let known = origins.iter().position(|origin| *origin == number.origin);
            let proof = known.unwrap_or_else(|| {
                origins.push(number.origin.clone());
                proofs.push(prove(&number.origin, lineage));
                proofs.len() - 1
            });
            let Parts { value, ends } = Parts::of(number.cell);
            let [low, high] = ends.map_or([None, None], |ends| ends.map(Some));
            let from = proofs[proof].cells.iter().flat_map(|cell: &ProvedCell| &cell.tasks);
            let from = from.flat_map(|range| range.first..=range.last);
            let from = from.map(|task| lineage.tasks[task].label.clone()).collect();
            numbers.push(Number {
                id: id.clone(),
                row: number.row,
                column: number.column,
                value,
                low,
                high,
                task: number.origin.task.clone(),
                from,
            });
            *number.anchor = Some(Anchor { id, proof });
        }
    }
    let tasks = lineage.tasks.iter().map(show).collect();
    (numbers, Proofs { study: study.to_owned(), proofs, tasks })
}

/// The tasks behind an origin. The analysis of an experiment is called `analysis/<experiment>`.
fn prove(origin: &Origin, lineage: &Lineage) -> Proof {
    let experiment = origin.task.strip_prefix("analysis/").unwrap_or_default();
    let cell = |design: &Design| ProvedCell {
        name: design.to_string(),
        tasks: ranges(&lineage.classifiers_of(experiment, design)),
    };
    Proof {
        task: lineage.find(&origin.task),
        label: origin.task.clone(),
        cells: origin.designs.iter().map(cell).collect(),
    }
}

fn show(task: &Made) -> ProvedTask {
    let first = |digits: &str| digits.chars().take(DIGITS).collect::<String>();
    ProvedTask {
        label: task.label.clone(),
        kind: task.kind.clone(),
        digest: first(&task.digest.to_string()),
        seed: task.seed.as_deref().map(first).unwrap_or_default(),
        from: ranges(&task.from),
        outside: task.outside.clone(),
    }
}

/// The ascending stretches of `places`.
fn ranges(places: &[usize]) -> Vec<Range> {
    let stretches = places.chunk_by(|one, next| one + 1 == *next);
    stretches.map(|it| Range { first: it[0], last: it[it.len() - 1] }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::sample::inputs;
    use crate::report::{NUMBERS, render};

    /// The texts between `before` and the next quotation mark.
    fn between<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
        text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn every_number_of_the_page_is_a_link_to_what_is_there() {
        let files = render(&inputs()).unwrap();
        let file = |path: &str| {
            let file = files.iter().find(|file| file.path == path).unwrap();
            String::from_utf8(file.bytes.clone()).unwrap()
        };
        let html = file("index.html");
        let numbers: Vec<Number> = serde_json::from_str(&file(NUMBERS)).unwrap();
        let ids = between(&html, "class=\"n\" id=\"");
        assert_eq!(ids, numbers.iter().map(|number| number.id.as_str()).collect::<Vec<_>>());
        let anchors = between(&html, " id=\"").into_iter().collect::<BTreeSet<_>>();
        for link in between(&html, "href=\"#") {
            assert!(anchors.contains(link), "#{link} leads nowhere");
        }
        // What a number was computed from is what its row says.
        let by_id = numbers.iter().map(|number| (number.id.as_str(), number));
        let by_id = by_id.collect::<BTreeMap<_, _>>();
        let real = by_id["accuracy-accuracy-table/with-transforms.16/real-only"];
        let of_real =
            |replicate: usize| format!("classifier/n = 16, real, transforms/r{replicate}");
        assert_eq!(
            (real.task.as_str(), &real.from),
            ("analysis/sweep", &[0, 1, 2].map(of_real).to_vec())
        );
        let id = "contrasts-table-of-comparisons/with-transforms.16.inpaint/difference";
        assert_eq!(by_id[id].from.len(), 6, "of the arm, and of real only");
        assert!(by_id.keys().any(|id| id.starts_with("check-")), "other tasks' numbers as well");
    }
}
