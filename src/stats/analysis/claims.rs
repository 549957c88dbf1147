//! Claims: whether a study replicates a statement, by the rule that it declared for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cells::Classifiers;
use super::held_out::{Config, HeldOut};
use super::questions::Questions;
use crate::seed::Seed;
use crate::stats::crossed::{Basis, Crossed, Inference};
use crate::stats::equivalence::Equivalence;
use crate::stats::family;
use crate::stats::interval::Interval;
use crate::stats::linear::{self, Statistic};
use crate::stats::rank::RankCorrelation;
use crate::vocabulary::{Among, Bound, Design, LinearContrast, Quantifier, Rule, Test};

/// The outcome of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ruling {
    /// The intervals lie on the claim's side.
    Replicated,
    /// The intervals lie on the other side.
    NotReplicated,
    /// The intervals leave both open.
    Inconclusive,
    /// The study has no results that the rule could decide by.
    NotTested,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// The outcome.
    pub ruling: Ruling,
    /// The reason that nothing was tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every contrast of the rule, in the rule's order.
    pub findings: Vec<Finding>,
}

/// The scale of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// A difference of accuracies.
    Difference,
    /// A rank correlation.
    Correlation,
}

/// A contrast of a rule, and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// The contrast in words.
    pub name: String,
    /// The scale that it is on.
    pub measure: Measure,
    /// A difference of rates, or a correlation: -1 to 1.
    pub difference: f64,
    /// At the confidence of the analysis, for this contrast alone; none where nothing varies.
    pub interval: Option<Interval>,
    /// All contrasts of the rule lie in theirs at the confidence of the analysis (Bonferroni).
    pub simultaneous: Option<Interval>,
    /// Two one-sided tests of equivalence, for this contrast alone, of claims that nothing changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equivalence: Option<Equivalence>,
    /// Whether it is on the claim's side, beyond doubt by the rule.
    pub holds: bool,
}

impl Verdict {
    fn not_tested(reason: String) -> Self {
        Self { ruling: Ruling::NotTested, reason: Some(reason), findings: Vec::new() }
    }

    /// The finding that a reader wants to see first: of some that are enough the largest, of all
    /// that have to hold the one that is furthest from it.
    pub fn leading(&self, rule: &Rule) -> Option<&Finding> {
        let far = |finding: &Finding| match (rule.bound(), rule.quantifier()) {
            (Bound::Within(_), _) => finding.difference.abs(),
            (Bound::Above(_), Quantifier::Any) => finding.difference,
            (Bound::Above(_), Quantifier::All) => -finding.difference,
        };
        self.findings.iter().max_by(|a, b| far(a).total_cmp(&far(b)))
    }
}

/// Level of each of the two tests of equivalence.
const LEVEL: f64 = 0.05;

/// The verdict on a claim by its rule, from an experiment's classifiers.
pub fn judge(
    rule: &Rule,
    arms: &BTreeMap<Design, Classifiers>,
    classes: &[String],
    held_out: &HeldOut,
    questions: &Questions,
    config: &Config,
) -> Verdict {
    let test = rule.test(classes);
    let measure = |contrast| measure(contrast, arms, classes, held_out);
    let crossed = match test.contrasts.iter().map(measure).collect::<Result<Vec<_>, _>>() {
        Ok(crossed) => crossed,
        Err(reason) => return Verdict::not_tested(reason),
    };
    if crossed.iter().any(|crossed| crossed.replicates() < 2) {
        let reason = "with one replicate, nothing can be said of reruns".to_owned();
        return Verdict::not_tested(reason);
    }
    if let Rule::RatingsPredictGains { .. } = rule {
        return correlate(&test, &crossed, &questions.ratings, config);
    }
    let noise = family::Rule::of(&crossed);
    let infer = |confidence: f64| noise.infer(&crossed, confidence);
    let apart = 1.0 - (1.0 - config.confidence) / crossed.len() as f64;
    let alone = infer(config.confidence);
    let simultaneous = infer(apart);
    let findings = (0..crossed.len())
        .map(|place| {
            let interval = |of: &[Inference]| interval(&of[place], crossed[place].mean());
            let mut finding = Finding {
                name: test.contrasts[place].name.clone(),
                measure: Measure::Difference,
                difference: crossed[place].mean(),
                interval: interval(&alone),
                simultaneous: interval(&simultaneous),
                equivalence: match test.bound {
                    Bound::Within(margin) => {
                        let noise = noise.noise(&crossed[place]);
                        Some(Equivalence::of(&crossed[place], noise, margin, LEVEL))
                    }
                    Bound::Above(_) => None,
                },
                holds: false,
            };
            finding.holds = holds(&test, &finding);
            finding
        })
        .collect::<Vec<_>>();
    Verdict { ruling: rule_on(&test, &findings), reason: None, findings }
}

/// The verdict on a correlation of readers' ratings with gains.
fn correlate(
    test: &Test,
    gains: &[Crossed],
    ratings: &BTreeMap<String, f64>,
    config: &Config,
) -> Verdict {
    if ratings.is_empty() {
        return Verdict::not_tested("the study has no readers' ratings (ratings.path)".to_owned());
    }
    let pair = |(contrast, gain): (&LinearContrast, &Crossed)| {
        ratings.get(&contrast.name).map(|rating| (*rating, gain.mean()))
    };
    let pairs = test.contrasts.iter().zip(gains).filter_map(pair).collect::<Vec<_>>();
    let seed = Seed::of_study(0).child("ratings");
    let found = RankCorrelation::of(&pairs, config.confidence, seed);
    let RankCorrelation::Defined { rho, pairs, interval: Some(interval) } = found else {
        let count = pairs.len();
        let reason = format!("{count} classes and arms with a rating have no rank correlation");
        return Verdict::not_tested(reason);
    };
    let ruling = match (interval.low > 0.0, interval.high <= 0.0) {
        (true, _) => Ruling::Replicated,
        (_, true) => Ruling::NotReplicated,
        _ => Ruling::Inconclusive,
    };
    let finding = Finding {
        name: format!("Spearman's rho of rating and gain, {pairs} classes and arms"),
        measure: Measure::Correlation,
        difference: rho,
        interval: Some(interval),
        simultaneous: None,
        equivalence: None,
        holds: ruling == Ruling::Replicated,
    };
    Verdict { ruling, reason: None, findings: vec![finding] }
}

/// The interval of an inference; of equal predictions, a point.
fn interval(inference: &Inference, mean: f64) -> Option<Interval> {
    let point = (inference.basis == Basis::Identical).then_some(Interval { low: mean, high: mean });
    inference.interval.or(point)
}

/// Whether a contrast is on the claim's side. Where one of several is enough, each has to be so by
/// intervals that hold together.
fn holds(test: &Test, finding: &Finding) -> bool {
    if let Some(equivalence) = &finding.equivalence {
        return equivalence.shown;
    }
    let interval = match test.quantifier {
        Quantifier::All => finding.interval,
        Quantifier::Any => finding.simultaneous,
    };
    interval.is_some_and(|interval| match test.bound {
        Bound::Above(margin) => interval.low > margin,
        Bound::Within(margin) => interval.low > -margin && interval.high < margin,
    })
}

/// Whether a contrast is on the other side. Where all have to hold, one is enough to refute them,
/// so that its interval has to hold together with the others'.
fn is_refuted(test: &Test, finding: &Finding) -> bool {
    let interval = match test.quantifier {
        Quantifier::All => finding.simultaneous,
        Quantifier::Any => finding.interval,
    };
    interval.is_some_and(|interval| match test.bound {
        Bound::Above(margin) => interval.high <= margin,
        Bound::Within(margin) => interval.low >= margin || interval.high <= -margin,
    })
}

fn rule_on(test: &Test, findings: &[Finding]) -> Ruling {
    let mut holding = findings.iter().map(|finding| finding.holds);
    let mut refuted = findings.iter().map(|finding| is_refuted(test, finding));
    let (replicated, not) = match test.quantifier {
        Quantifier::Any => (holding.any(|it| it), refuted.all(|it| it)),
        Quantifier::All => (holding.all(|it| it), refuted.any(|it| it)),
    };
    match (replicated, not) {
        (true, _) => Ruling::Replicated,
        (false, true) => Ruling::NotReplicated,
        (false, false) => Ruling::Inconclusive,
    }
}

/// The contrast over replicates and held-out images.
///
/// # Errors
/// If the experiment has no such classifiers, or no images of the kind, in words.
fn measure(
    contrast: &LinearContrast,
    arms: &BTreeMap<Design, Classifiers>,
    classes: &[String],
    held_out: &HeldOut,
) -> Result<Crossed, String> {
    let mut terms = Vec::new();
    let mut replicates: Option<&[usize]> = None;
    for term in &contrast.terms {
        let design = &term.design;
        let missing = || format!("the experiment has no classifiers of {design}");
        let arm = arms.get(design).ok_or_else(missing)?;
        if *replicates.get_or_insert(&arm.replicates) != arm.replicates {
            return Err(format!("{design} has other replicates than what it is compared with"));
        }
        terms.push(linear::Term {
            weight: term.weight,
            scores: &arm.correct,
            images: images(&term.among, classes, held_out)?,
        });
    }
    let statistic = Statistic::of(&terms, &held_out.sample).map_err(|error| error.to_string())?;
    Ok(statistic.crossed())
}

/// Places of held-out images; none: all of them.
///
/// # Errors
/// If there are none of the kind, in words.
fn images<'a>(
    among: &Among,
    classes: &[String],
    held_out: &'a HeldOut,
) -> Result<Option<&'a [usize]>, String> {
    match among {
        Among::All => Ok(None),
        Among::Class(class) => {
            let place = classes.iter().position(|known| known == class);
            let place = place.ok_or_else(|| format!("there is no class {class}"))?;
            Ok(Some(&held_out.sample.classes[place]))
        }
        Among::SkinTypes(pair) => {
            let images = held_out.by_pair.get(pair.as_str()).ok_or_else(|| {
                format!("no held-out image is of skin types {} and {}", &pair[..1], &pair[1..])
            })?;
            Ok(Some(images))
        }
    }
}

#[cfg(test)]
mod tests;
