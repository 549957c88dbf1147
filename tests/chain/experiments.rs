//! Several experiments of one study: what they share is done once, and an edit of a question runs
//! what answers it and nothing else.

use super::chain::Chain;

const STUDY: &str = r#"extends = "shared.toml"
[experiment]
transforms = [true]
arms = ["inpaint"]
[experiments.count]
n = [2, 4]
question = "How many real images?"
[experiments.dose]
n = [2]
doses = [1, 2]
question = "How many synthetic images?"
"#;

const RULE: &str = "is = \"gains\", arms = [\"inpaint\"], n = [2, 4], dose = 2, transforms = true, regime = \"full\"";

fn claim(statement: &str, margin: &str) -> String {
    format!(
        "[claims.c1]\nstatement = \"{statement}\"\nsource = \"a paper\"\npublished = \"\"\nfixed = \"2026-11-28\"\n\
         experiment = \"count\"\nrule = {{ {RULE}, margin = {margin} }}\n"
    )
}

/// What is added to the study one after the other, and the tasks that it runs.
const EDITS: &[(&str, &[&str])] = &[
    (
        "[experiments.count.comparisons.more]\nquestion = \"More?\"\nof = { n = [2], arms = [\"inpaint\"] }\n\
         against = { n = 4 }\n",
        &["analysis/count", "lineage", "report"],
    ),
    (
        "[experiments.again]\nn = [4]\nquestion = \"Again?\"\n",
        &["analysis/again", "lineage", "predictions", "report"],
    ),
    (
        "[experiments.control]\nn = [2]\narms = [\"duplicate\", \"pool\"]\n",
        &[
            "analysis/control",
            "classifier/n=2/duplicate-x2/transforms/r0",
            "classifier/n=2/duplicate-x2/transforms/r1",
            "classifier/n=2/pool-x2/transforms/r0",
            "classifier/n=2/pool-x2/transforms/r1",
            "lineage",
            "predictions",
            "report",
        ],
    ),
    (
        "[experiments.rare]\nn = [4]\nrare = { class = \"psoriasis\", n = 2 }\narms = [\"inpaint\", \"duplicate\"]\n",
        &[
            "analysis/rare",
            "classifier/n=4/psoriasis=2/duplicate-x2/transforms/r0",
            "classifier/n=4/psoriasis=2/duplicate-x2/transforms/r1",
            "classifier/n=4/psoriasis=2/inpaint-x2/transforms/r0",
            "classifier/n=4/psoriasis=2/inpaint-x2/transforms/r1",
            "classifier/n=4/psoriasis=2/real/transforms/r0",
            "classifier/n=4/psoriasis=2/real/transforms/r1",
            "lineage",
            "predictions",
            "report",
        ],
    ),
    ("[quality]\nsources = 2\n", &["contact", "lineage", "quality", "report", "tsne"]),
    (
        "[usages.light]\nweight = 0.5\nshare = 0.5\n[usages.best]\nchoose = \"confident\"\ncandidates = 2\n\
         [experiments.use]\nn = [2]\ndoses = [1]\narms = [\"inpaint\", \"inpaint+light\", \"inpaint+best\"]\n",
        &[
            "analysis/use",
            "classifier/n=2/inpaint+best-x1/transforms/r0",
            "classifier/n=2/inpaint+best-x1/transforms/r1",
            "classifier/n=2/inpaint+light-x1/transforms/r0",
            "classifier/n=2/inpaint+light-x1/transforms/r1",
            "lineage",
            "predictions",
            "report",
        ],
    ),
];

#[test]
fn an_edit_of_a_question_runs_what_answers_it() {
    let chain = Chain::new("experiments");
    let run = |text: &str| {
        chain.write_study(text);
        chain.run(&[])
    };
    let first = run(STUDY);
    let classifiers = first.ran.iter().filter(|label| label.starts_with("classifier/")).count();
    // Real only at 2 and 4, dose 2 at both, dose 1 at 2; two replicates each.
    assert_eq!((first.ran.len(), classifiers), (first.tasks, 10));

    let claimed = claim("It helps.", "0.0");
    let mut text = format!("{STUDY}{claimed}");
    assert_eq!(run(&text).ran, ["analysis/count", "lineage", "report"]);
    for (more, expected) in EDITS {
        text += more;
        let ran = run(&text).ran;
        let scores = ran.iter().filter(|label| label.starts_with("scores/confident/inpaint/"));
        assert_eq!(scores.count() > 0, more.contains("confident"), "{more}");
        let of_images =
            |label: &&String| label.starts_with("features/") || label.starts_with("scores/");
        let ran = ran.iter().filter(|label| !of_images(label)).collect::<Vec<_>>();
        assert_eq!(ran, expected.iter().collect::<Vec<_>>(), "{more}");
    }
    let said = text.replace(&claimed, &claim("It does.", "0.0"));
    assert_eq!(run(&said).ran, ["report"], "another statement");
    let ruled = text.replace(&claimed, &claim("It does.", "0.5"));
    // The verdict is the same, so the lineage is.
    assert_eq!(run(&ruled).ran, ["analysis/count", "report"], "another rule");
    let analyses =
        ["again", "control", "count", "dose", "rare", "use"].map(|name| format!("analysis/{name}"));
    let corrected = run(&format!("{text}[analysis]\ncorrection = \"holm\"\n")).ran;
    assert_eq!(corrected, [&analyses[..], &["lineage", "report"].map(str::to_owned)].concat());

    let files = chain.report();
    let (_, report) = files.iter().find(|(path, _)| path.ends_with("report.md")).unwrap();
    let report = String::from_utf8_lossy(report);
    for said in [
        "## Does the paper replicate here?",
        "## count: How many real images?",
        "## rare",
        "`+light`: each with 0.5 of a real one's weight in the loss; 50 % of each batch",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
}
