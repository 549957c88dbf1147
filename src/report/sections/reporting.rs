//! What reporting guidelines ask for, answered from the run where a run can answer.
//!
//! The subjects are those of REFORMS (Kapoor et al. 2024, doi 10.1126/sciadv.adk3452), by its eight
//! modules, and of CLAIM (Mongan et al. 2020, doi 10.1148/ryai.2020200029; updated by Tejani et al. 2024,
//! doi 10.1148/ryai.240300), in this report's own words.

use crate::report::block::{Block, Column, Section, Table, Text};
use crate::report::format;
use crate::report::inputs::{AuditPage, Inputs};

/// A subject of a guideline.
struct Item {
    /// The module of REFORMS, or CLAIM where it alone asks.
    asked_by: &'static str,
    subject: &'static str,
    /// None: a person has to state it.
    answer: Option<String>,
}

pub fn section(inputs: &Inputs) -> Option<Section> {
    let items = [goals(inputs), repeating(inputs), data(inputs), models(inputs), claims(inputs)];
    let items = items.into_iter().flatten().collect::<Vec<_>>();
    let open = items.iter().filter(|item| item.answer.is_none()).count();
    let columns = vec![
        Column::text("asked by", |item: &Item| item.asked_by),
        Column::text("subject", |item: &Item| item.subject).heading_rows(),
        Column::text("answer", |item: &Item| match &item.answer {
            Some(answer) => Text::from(answer.clone()),
            None => Text::strong_if(true, "not stated"),
        }),
    ];
    let table = Table::new("Reporting guidelines", columns, &items).captioned(format!(
        "The subjects of REFORMS (Kapoor et al. 2024) by module, and of CLAIM (Mongan et al. 2020, \
         Tejani et al. 2024). {open} of {} are for a person to state.",
        items.len()
    ));
    Some(Section {
        id: "reporting".into(),
        title: "Reporting guidelines".into(),
        short: "Guidelines".into(),
        blocks: vec![Block::Details {
            summary: "What REFORMS and CLAIM ask for, answered from the run".into(),
            blocks: vec![Block::Table(table)],
        }],
    })
}

fn stated(asked_by: &'static str, subject: &'static str, answer: impl Into<String>) -> Item {
    Item { asked_by, subject, answer: Some(answer.into()) }
}

fn open(asked_by: &'static str, subject: &'static str) -> Item {
    Item { asked_by, subject, answer: None }
}

fn goals(inputs: &Inputs) -> Vec<Item> {
    let by = "REFORMS 1, study goals";
    let questions = inputs.experiments.iter().map(|it| it.question.as_str());
    let questions = questions.filter(|question| !question.is_empty()).collect::<Vec<_>>();
    let claims = match inputs.claims.as_slice() {
        [] => "No claim was declared.".to_owned(),
        claims => format!(
            "{}, each with a rule and the day on which it was fixed, stand in the section of claims.",
            format::count(claims.len(), "declared claim")
        ),
    };
    vec![
        match inputs.study.phantom {
            true => stated(by, "population that the claims are about", "None: rendered phantoms."),
            false => open(by, "population that the claims are about, and why this one"),
        },
        stated(by, "questions and hypotheses", format!("{} {claims}", questions.join(" ")).trim()),
        open("CLAIM", "clinical background and intended use"),
    ]
}

fn repeating(inputs: &Inputs) -> Vec<Item> {
    let (by, study) = ("REFORMS 2, computational reproducibility", &inputs.study);
    vec![
        stated(
            by,
            "data set, to be identified",
            format!(
                "{}; data/lineage.json has the digest of every set that was drawn. A public address of \
                 the images is for a person to state.",
                study.image_set
            ),
        ),
        stated(
            by,
            "code and its version",
            "ro-crate-metadata.json beside this page has the version and the commits of titrate that \
             ran.",
        ),
        stated(
            by,
            "machines",
            format!(
                "titrate trace LABEL {} says on which each task ran, and how long.",
                study.name
            ),
        ),
        stated(
            by,
            "instructions and script for all results",
            format!(
                "titrate reproduce study.toml, with the study.toml beside this page, seed {}.",
                study.seed
            ),
        ),
    ]
}

fn data(inputs: &Inputs) -> Vec<Item> {
    let (by, first) = ("REFORMS 3, data quality", inputs.first());
    let sizes = inputs.study.sizes.iter().map(|size| format!("{} {}", size.count, size.what));
    let phantom = inputs.study.phantom;
    let mut items = vec![
        match phantom {
            true => {
                stated(by, "source, time and annotation of the data", "Rendered by this program.")
            }
            false => open(by, "source and time of the data, who annotated it and how"),
        },
        stated(
            by,
            "outcome and sizes",
            format!(
                "The class, one of {}: {}.",
                first.classes.len(),
                sizes.collect::<Vec<_>>().join(", ")
            ),
        ),
        stated(
            by,
            "held-out images by class and skin type",
            "In the section of scores, and of skin types where they are known.",
        ),
        stated(by, "sample size, and what it can find", "In the section of power."),
    ];
    items.push(match &inputs.audit {
        Some(AuditPage { audit, .. }) => stated(
            "REFORMS 4, preprocessing",
            "excluded and unusable pictures",
            format!(
                "{} of the study's classes, {} of them unusable; the audit's page names each.",
                format::count(audit.pictures, "picture"),
                audit.unusable.len()
            ),
        ),
        None => stated("REFORMS 4, preprocessing", "excluded and unusable pictures", "None."),
    });
    items.push(stated(
        "REFORMS 4, preprocessing",
        "from raw pictures to what models see",
        "Keys [images], [transforms] and [classifier] of the resolved study.",
    ));
    if !phantom {
        items.push(open(by, "whether the data represents that population"));
        items.push(open("CLAIM", "ethics approval, consent and de-identification"));
    }
    items
}

fn models(inputs: &Inputs) -> Vec<Item> {
    let by = "REFORMS 5, modelling";
    let copies = match &inputs.audit {
        Some(AuditPage { audit, .. }) if audit.dedupe => {
            " Copies of a picture were kept in one set.".to_owned()
        }
        Some(AuditPage { audit, .. }) => {
            format!(
                " {} of copies may lie across sets.",
                format::count(audit.across.len(), "group")
            )
        }
        None => String::new(),
    };
    let patients = match inputs.audit.as_ref().map(|page| page.audit.patients) {
        Some(Some(count)) if count.in_two_sets == 0 => " Each patient is in one set.".to_owned(),
        Some(Some(count)) => {
            format!(" {} in two sets or more.", format::count(count.in_two_sets, "patient"))
        }
        Some(None) => {
            " No picture names its patient: pictures of one may be in two sets.".to_owned()
        }
        None => String::new(),
    };
    vec![
        stated(
            by,
            "models, training, and choice of weights",
            "Keys [classifier], [head] and [generator] of the resolved study; the section of trainings.",
        ),
        stated(
            by,
            "baselines",
            "Real images only, under the same training, and the controls among the arms.",
        ),
        stated(
            by,
            "tuning of hyperparameters",
            "None within the study: every setting stands in the study file.",
        ),
        stated(
            "REFORMS 6, data leakage",
            "separation of training and test",
            format!(
                "Held-out, validation and pool images are drawn apart, and held-out ones are used for \
                 scores alone.{copies}{patients}"
            ),
        ),
        stated(
            "REFORMS 6, data leakage",
            "what generators have seen",
            "Tuning has seen images of the pool and no held-out ones; data/lineage.json says which. What \
             pretrained weights have seen is for a person to state.",
        ),
    ]
}

fn claims(inputs: &Inputs) -> Vec<Item> {
    let uncovered = match inputs.study.shared.as_slice() {
        [] => String::new(),
        shared => format!(
            "All replicates share {}: no interval covers how these vary.",
            shared.join(", ")
        ),
    };
    let mut items = vec![
        stated(
            "REFORMS 7, metrics and uncertainty",
            "metrics",
            "In the section of scores, with a sentence for each.",
        ),
        stated(
            "REFORMS 7, metrics and uncertainty",
            "intervals, tests and corrections",
            "In the section Method.",
        ),
        stated(
            "CLAIM",
            "analysis of failures",
            "Scores by class and skin type; data/predictions.csv.gz has every prediction.",
        ),
        open(
            "REFORMS 8, generalisability and limitations",
            "evidence from other data, and where the findings may not hold",
        ),
        open("CLAIM", "registration, protocol, funding"),
    ];
    if !uncovered.is_empty() {
        items.push(stated(
            "REFORMS 8, generalisability and limitations",
            "what the intervals leave out",
            uncovered,
        ));
    }
    items
}
