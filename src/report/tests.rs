//! The report of a small made-up study.

use expect_test::{expect, expect_file};

use super::sample::{analysis, inputs};
use super::*;
use crate::vocabulary::Arm;

#[test]
fn an_audit_is_as_recorded() {
    let files = render(&inputs()).unwrap();
    expect_file!["../../tests/fixtures/audit.md"].assert_eq(&text(&files, "audit.md"));
    assert!(text(&files, "index.html").contains(r#"<a href="audit.html">"#));
}

fn text(files: &[File], path: &str) -> String {
    String::from_utf8(files.iter().find(|file| file.path == path).unwrap().bytes.clone()).unwrap()
}

/// Whether every tag of the markup closes in its order and every bare `<` and `&` is escaped.
/// `void` names may stay open.
fn well_formed(markup: &str, void: &[&str]) -> Result<(), String> {
    let mut open = Vec::new();
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        let (content, tag) = rest.split_at(start);
        for (place, _) in content.match_indices('&') {
            let entity =
                content[place..].split_once(';').map(|(name, _)| &name[1..]).unwrap_or_default();
            let known =
                entity.starts_with('#') || ["amp", "lt", "gt", "quot", "ndash"].contains(&entity);
            known.then_some(()).ok_or(format!("bare & in {content:?}"))?;
        }
        let (tag, after) = tag[1..].split_once('>').ok_or("a tag without its end")?;
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap_or_default();
        match tag {
            _ if tag.contains('<') || tag.matches('"').count() % 2 == 1 => {
                return Err(format!("malformed tag <{tag}>"));
            }
            _ if tag.starts_with('!') || tag.ends_with('/') || void.contains(&name) => {}
            _ if tag.starts_with('/') && open.pop() != Some(name) => {
                return Err(format!("<{tag}> closes another tag"));
            }
            _ if tag.starts_with('/') => {}
            _ => open.push(name),
        }
        rest = after;
    }
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

/// With a folder in `TITRATE_SAMPLE_REPORT` the report is also written there, to be looked at.
#[test]
fn the_markdown_report_is_as_recorded() {
    let files = render(&inputs()).unwrap();
    expect_file!["../../tests/fixtures/report.md"].assert_eq(&text(&files, "report.md"));
    if let Some(folder) = std::env::var_os("TITRATE_SAMPLE_REPORT") {
        for file in &files {
            let path = std::path::Path::new(&folder).join(file.path.as_ref());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.bytes).unwrap();
        }
    }
}

#[test]
fn files_are_the_same_bytes_each_time_and_all_that_is_linked() {
    let files = render(&inputs()).unwrap();
    assert_eq!(files, render(&inputs()).unwrap());
    let markdown = text(&files, "report.md") + &text(&files, "audit.md");
    for file in files.iter().filter(|file| file.path.starts_with("figures/")) {
        assert!(markdown.contains(&format!("({})", file.path)), "{}", file.path);
    }
    let (data, others): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.path.starts_with("data/"));
    assert_eq!(others.len(), 17);
    let metrics: serde_json::Value =
        serde_json::from_str(&text(&files, "data/metrics.json")).unwrap();
    assert_eq!(metrics["experiments"]["sweep"], serde_json::to_value(analysis()).unwrap());
    let tables = markdown.matches("\n| ---").count() + markdown.matches("\n| ---:").count();
    assert!(data.len() > 10 && tables > 5, "{} files, {tables} tables", data.len());
}

#[test]
fn markup_is_well_formed_and_escaped() {
    let files = render(&inputs()).unwrap();
    for path in [
        "figures/accuracy.svg",
        "figures/contrasts.svg",
        "figures/training.svg",
        "figures/quality.svg",
        "figures/neighbours.svg",
    ] {
        well_formed(&text(&files, path), &[]).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let without_script = |html: &str| {
        let (before, rest) = html.split_once("<script>").unwrap();
        before.to_owned() + rest.split_once("</script>").unwrap().1
    };
    well_formed(&without_script(&text(&files, "audit.html")), &["meta", "img"])
        .unwrap_or_else(|error| panic!("audit: {error}"));
    let html = text(&files, "index.html");
    let html = without_script(&html);
    well_formed(&html, &["meta", "img"]).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        html.contains("&lt;A sample &amp; no result&gt;")
            && html.contains("squamous &lt;cell&gt; carcinoma")
    );
    assert!(html.contains("They are no dermatology"));
    for outside in ["http://", "https://", "<script", "url("] {
        let found = html.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "a self-contained page has no {outside}");
    }
}

/// Each has figures and tables of its own, which do not take each other's names.
#[test]
fn files_of_several_experiments_have_names_of_their_own() {
    let mut inputs = inputs();
    let mut second = inputs.experiments[0].clone();
    second.name = "second".to_owned();
    inputs.experiments.push(second);
    let files = render(&inputs).unwrap();
    let paths = files.iter().map(|file| file.path.as_ref()).collect::<Vec<_>>();
    let distinct = paths.iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(distinct.len(), paths.len(), "{paths:?}");
    assert!(paths.contains(&"data/second-confusion.pdf"), "{paths:?}");
}

#[test]
fn a_study_without_synthetic_images_has_a_report_too() {
    let mut inputs = inputs();
    let real = analysis()
        .accuracy
        .into_iter()
        .filter(|row| row.design.arm == Arm::Real && row.design.n == 4 && !row.design.transforms);
    inputs.experiments[0].analysis.accuracy = real.collect();
    inputs.experiments[0].analysis.contrasts.clear();
    inputs.experiments[0].analysis.power = None;
    inputs.experiments[0].analysis.family.hypotheses.clear();
    (inputs.trainings, inputs.previews) = (Vec::new(), None);
    (inputs.check, inputs.sheet, inputs.audit, inputs.study.phantom) = (None, None, None, false);
    (inputs.quality, inputs.strip, inputs.pairs) = (None, None, None);
    inputs.neighbours = None;
    let files = render(&inputs).unwrap();
    let paths = files.iter().map(|file| file.path.as_ref());
    assert_eq!(
        paths
            .filter(|path| ![".csv", ".tex", ".pdf"].iter().any(|end| path.ends_with(end)))
            .collect::<Vec<_>>(),
        [
            "index.html",
            "report.md",
            "figures/answer.svg",
            "figures/accuracy.svg",
            "figures/confusion.svg",
            "answer.txt",
            "data/metrics.json",
            "data/numbers.json",
            "data/lineage.json",
            "data/lineage.schema.json",
            "data/metrics.schema.json",
            "data/numbers.schema.json"
        ]
    );
    let summary = text(&files, "report.md");
    let summary = summary.split("## Summary\n\n").nth(1).unwrap().split("\n\n## ").next().unwrap();
    expect![[r#"
        Classifiers were trained on 4 real images per class (image set: phantom), without image transforms, 3 replicates each, and tested on 180 held-out images of 9 classes.

        - At n = 4, no transforms: real only 25.7% [20.1, 32.3].

        ![Top-1 accuracy against real images per class, by arm](figures/answer.svg)

        Accuracy. Markers: means; bars: 95% intervals; dots: replicates."#]].assert_eq(summary);
}

#[test]
fn a_sheet_that_is_no_image_is_refused() {
    let mut inputs = inputs();
    inputs.sheet.as_mut().unwrap().png = b"GIF89a".to_vec();
    assert_eq!(
        render(&inputs).unwrap_err().to_string(),
        "figures/contact-sheet.png is no PNG file"
    );
}
