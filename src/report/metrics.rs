//! Everything that a study computed, for other programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::inputs::Inputs;
use crate::stats::analysis::{Analysis, Verdict};
use crate::stats::check::Check;
use crate::vocabulary::Claim;

/// Everything that was computed. Rates and differences of rates are from -1 to 1.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Metrics<'a> {
    /// The study file's name, e.g. "quick".
    study: &'a str,
    /// The seed of all draws.
    seed: u64,
    /// The analysis of each experiment, by the experiment's name.
    experiments: BTreeMap<&'a str, &'a Analysis>,
    /// The claims that the study tests, by name.
    claims: BTreeMap<&'a str, Claimed<'a>>,
    /// The generator check; null without generators.
    check: Option<&'a Check>,
}

/// A claim and what became of it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Claimed<'a> {
    /// The statement and its rule.
    claim: &'a Claim,
    /// The outcome.
    verdict: &'a Verdict,
}

impl<'a> Metrics<'a> {
    /// Of what a report shows.
    pub fn of(inputs: &'a Inputs) -> Self {
        let experiments = inputs.experiments.iter().map(|it| (it.name.as_str(), &it.analysis));
        let claims = inputs.claims.iter();
        let claims =
            claims.map(|it| (it.name.as_str(), Claimed { claim: &it.claim, verdict: &it.verdict }));
        Self {
            study: &inputs.study.name,
            seed: inputs.study.seed,
            experiments: experiments.collect(),
            claims: claims.collect(),
            check: inputs.check.as_ref(),
        }
    }
}
