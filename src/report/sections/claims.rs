//! The claims of a study: what became of each, by the rule that was fixed for it beforehand.

use crate::report::block::{Block, Cell, Column, Origin, Section, Span, Table, Text, Tint};
use crate::report::format;
use crate::report::inputs::{Claimed, Inputs};
use crate::report::wording::{DASH, interval_name};
use crate::stats::analysis::{Finding, Measure, Ruling, Verdict};

/// None where the study has no claims.
pub fn section(inputs: &Inputs) -> Option<Section> {
    let claims = &inputs.claims;
    if claims.is_empty() {
        return None;
    }
    let mut blocks = vec![
        Block::lead(count_rulings(claims)?),
        Block::Table(table(inputs)),
        Block::paragraph(
            "A claim is replicated where its intervals lie wholly on its side, not replicated where \
             they lie on the other, and inconclusive otherwise. Where one contrast of several is \
             enough, or one of several would refute a claim, the intervals hold together \
             (Bonferroni). That nothing changes is shown by two one-sided tests at 5%, never by a \
             difference that is not significant. Each rule has the day on which it was fixed.",
        ),
    ];
    let details = claims.iter().map(|claimed| Block::Details {
        summary: format!("{}: {}", claimed.name, claimed.claim.statement),
        blocks: explain(claimed, inputs),
    });
    blocks.extend(details);
    let (id, title) = ("claims".into(), "Does the paper replicate here?".into());
    Some(Section { id, title, short: "Claims".into(), blocks })
}

/// "Of 6 claims, 2 are replicated, 1 is not replicated and 3 are inconclusive."; none without any.
pub fn count_rulings(claims: &[Claimed]) -> Option<String> {
    if claims.is_empty() {
        return None;
    }
    let count = |ruling: Ruling| claims.iter().filter(|it| it.verdict.ruling == ruling).count();
    let mut parts = Vec::new();
    for (ruling, words) in [
        (Ruling::Replicated, "replicated"),
        (Ruling::NotReplicated, "not replicated"),
        (Ruling::Inconclusive, "inconclusive"),
        (Ruling::NotTested, "not tested"),
    ] {
        match count(ruling) {
            0 => {}
            1 => parts.push(format!("1 is {words}")),
            count => parts.push(format!("{count} are {words}")),
        }
    }
    Some(format!("Of {}, {}.", format::count(claims.len(), "claim"), format::list(&parts)))
}

/// The sign and the word of a ruling: neither stands alone.
fn word(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Replicated => "\u{2713} replicated",
        Ruling::NotReplicated => "\u{2717} not replicated",
        Ruling::Inconclusive => "? inconclusive",
        Ruling::NotTested => "\u{2013} not tested",
    }
}

fn tint(ruling: Ruling) -> Tint {
    match ruling {
        Ruling::Replicated => Tint::For,
        Ruling::NotReplicated => Tint::Against,
        Ruling::Inconclusive | Ruling::NotTested => Tint::Open,
    }
}

fn table(inputs: &Inputs) -> Table {
    let finding = |claimed: &Claimed| {
        leading(claimed).map(|finding| Cell::estimate(value(finding), Some(interval(finding))))
    };
    let columns = vec![
        Column::text("claim", |claimed: &Claimed| claimed.claim.statement.clone()).heading_rows(),
        Column::line("verdict", |claimed: &Claimed| {
            let ruling = claimed.verdict.ruling;
            Text::from(Span::Chip { text: word(ruling).into(), tint: tint(ruling) })
        }),
        Column::text("this study", finding),
        Column::text("the paper", |claimed: &Claimed| match claimed.claim.published.as_str() {
            "" => DASH.to_owned(),
            published => published.to_owned(),
        }),
    ];
    let table = Table::new("Table of claims", columns, &inputs.claims)
        .tracing(inputs.claims.iter().map(analysis_of));
    table.captioned(format!(
        "The contrast that decides each claim, in percentage points [{}].",
        interval_name(inputs.first())
    ))
}

/// The analysis that decides a claim.
fn analysis_of(claimed: &Claimed) -> Origin {
    Origin { task: format!("analysis/{}", claimed.claim.experiment), designs: Vec::new() }
}

fn leading(claimed: &Claimed) -> Option<&Finding> {
    claimed.verdict.leading(&claimed.claim.rule)
}

/// In points, or as a correlation.
fn value(finding: &Finding) -> String {
    match finding.measure {
        Measure::Difference => format::points(finding.difference),
        Measure::Correlation => format!("rho {}", format::score(finding.difference)),
    }
}

fn interval(finding: &Finding) -> String {
    let form = match finding.measure {
        Measure::Difference => format::points_interval,
        Measure::Correlation => format::score_interval,
    };
    finding.interval.map_or("(nothing varies)".into(), form)
}

/// Where a claim comes from, and every contrast of its rule.
fn explain(claimed: &Claimed, inputs: &Inputs) -> Vec<Block> {
    let Claimed { claim, verdict, .. } = claimed;
    let Verdict { reason, findings, .. } = verdict;
    let said = format!(
        "{}. Decided by the experiment {}; the rule ({}) was fixed on {}.",
        claim.source.trim_end_matches('.'),
        claim.experiment,
        claim.rule.describe(),
        claim.fixed
    );
    let mut blocks = vec![Block::paragraph(said)];
    if !claim.published.is_empty() {
        blocks.push(Block::paragraph(format!("The paper: {}.", claim.published)));
    }
    if let Some(reason) = reason {
        blocks.push(Block::paragraph(format!("Not tested: {reason}.")));
        return blocks;
    }
    let simultaneous =
        |finding: &Finding| finding.simultaneous.map_or(DASH.into(), format::points_interval);
    let columns = vec![
        Column::text("contrast", |finding: &Finding| finding.name.clone()).heading_rows(),
        Column::number("difference", value),
        Column::number("interval", interval),
        Column::number("together with the others", simultaneous),
        Column::text("holds", |finding: &Finding| if finding.holds { "yes" } else { "no" }),
    ];
    let label = format!("Contrasts of {}", claimed.name);
    let mut table = Table::new(&label, columns, findings).captioned(format!(
        "In percentage points [{}, alone and together].",
        interval_name(inputs.first())
    ));
    table.computed_by(&analysis_of(claimed).task);
    blocks.push(Block::Table(table));
    blocks
}
