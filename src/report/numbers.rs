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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// The p value that stands behind the interval, such as "0.034" or "<0.001".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<String>,
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
            let Parts { value, ends, p } = Parts::of(number.cell);
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
                p,
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

    /// A number, the ends of its interval and its p value, as programs read them.
    type Said = (String, Option<[String; 2]>, Option<String>);

    /// What a cell says; none where it has no digit.
    fn said(cell: &str) -> Option<Said> {
        let Parts { value, ends, p } = Parts::of(&cell.trim().into());
        cell.contains(|letter: char| letter.is_ascii_digit()).then_some((value, ends, p))
    }

    /// The text between tags.
    fn untagged(html: &str) -> String {
        let text = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        text.collect::<String>().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    /// The cells of all tables, whose rows are lines of cells between bars.
    fn in_markdown(page: &str) -> Vec<Said> {
        let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        let plain = |cell: &str| cell.replace("**", "").replace('\\', "").replace("&lt;", "<");
        rows.flat_map(|row| row.split(" | ")).filter_map(|cell| said(&plain(cell))).collect()
    }

    /// The cells of a table.
    fn in_latex(table: &str) -> Vec<Said> {
        let rows = table.split("\\midrule\n").nth(1).unwrap().lines();
        let rows = rows.filter_map(|line| line.strip_suffix(" \\\\"));
        let plain = |cell: &str| {
            let cell = cell.replace("$-$", "\u{2212}").replace("\\textless{}", "<");
            let cell = cell.replace("\\,", "\u{2009}").replace("$\\times$", "\u{d7}");
            let cell = cell.replace("--", "\u{2013}").replace('\\', "");
            let strong = cell.strip_prefix("textbf{").and_then(|cell| cell.strip_suffix('}'));
            strong.map(str::to_owned).unwrap_or(cell)
        };
        let rows = rows.filter(|row| !row.starts_with("\\multicolumn"));
        rows.flat_map(|row| row.split(" & ")).filter_map(|cell| said(&plain(cell))).collect()
    }

    /// The first of `expected` that `all` has not got as often.
    fn first_missing(expected: &[Said], mut all: Vec<Said>) -> Option<&Said> {
        expected.iter().find(|said| {
            let at = all.iter().position(|other| other == *said);
            at.map(|at| all.swap_remove(at)).is_none()
        })
    }

    fn in_csv(table: &[u8], columns: &BTreeSet<&str>) -> Vec<Said> {
        let mut reader = csv::Reader::from_reader(table);
        let heads = reader.headers().unwrap().clone();
        let mut all = Vec::new();
        for record in reader.records() {
            let record = record.unwrap();
            let end = |name: String| {
                let at = heads.iter().position(|head| head == name)?;
                Some(record[at].to_owned()).filter(|end| !end.is_empty())
            };
            for (head, value) in
                heads.iter().zip(&record).filter(|(head, _)| columns.contains(head))
            {
                let (low, high) = (end(format!("{head} low")), end(format!("{head} high")));
                let ends = low.zip(high).map(|(low, high)| [low, high]);
                let has_digit = value.contains(|letter: char| letter.is_ascii_digit());
                if has_digit || ends.is_some() {
                    all.push((value.to_owned(), ends, end(format!("{head} p"))));
                }
            }
        }
        all
    }

    #[test]
    fn all_formats_have_the_same_numbers() {
        let files = render(&inputs()).unwrap();
        let file = |path: &str| &files.iter().find(|file| file.path == path).unwrap().bytes;
        let text = |path: &str| String::from_utf8(file(path).clone()).unwrap();
        let numbers: Vec<Number> = serde_json::from_str(&text(NUMBERS)).unwrap();
        let sorted = |mut all: Vec<Said>| {
            all.sort();
            all
        };
        let of_numbers = numbers.iter().map(|number| {
            let ends = number.low.clone().zip(number.high.clone());
            (number.value.clone(), ends.map(|(low, high)| [low, high]), number.p.clone())
        });
        let expected = sorted(of_numbers.collect());
        assert!(expected.len() > 100, "{}", expected.len());

        let html = text("index.html");
        let links = html.split("<a class=\"n\"").skip(1);
        let links = links
            .map(|link| untagged(link.split("</a>").next().unwrap().split_once('>').unwrap().1));
        assert_eq!(sorted(links.filter_map(|link| said(&link)).collect()), expected, "HTML");
        // Names of rows are cells of these as well.
        assert_eq!(first_missing(&expected, in_markdown(&text("report.md"))), None, "Markdown");

        let (mut latex, mut csv) = (Vec::new(), Vec::new());
        for file in files.iter().filter(|file| file.path.ends_with(".csv")) {
            let name = file.path.strip_prefix("data/").unwrap().strip_suffix(".csv").unwrap();
            let own = numbers.iter().filter(|number| number.id.starts_with(&format!("{name}/")));
            let columns = own.map(|number| number.column.as_str()).collect::<BTreeSet<_>>();
            csv.extend(in_csv(&file.bytes, &columns));
            latex.extend(in_latex(&text(&format!("data/{name}.tex"))));
        }
        assert_eq!(sorted(csv), expected, "CSV");
        assert_eq!(first_missing(&expected, latex), None, "LaTeX");
    }
}
