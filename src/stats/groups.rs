//! Several groups of images, or several contrasts, that share replicates and units: intervals that
//! hold for all of them together, and what follows for the largest, the smallest and their gap.
//!
//! The mean of a group that was chosen for having the smallest is too low on average, so the
//! group's own interval would be wrong. Where all intervals hold together, the true smallest lies
//! between the smallest lower and the smallest upper end, whichever group it is.

use serde::{Deserialize, Serialize};

use super::crossed::{Basis, Inference};
use super::distribution::t_quantile;
use super::family::Rule;
use super::interval::Interval;
use super::linear::{LinearError, Statistic};
use super::max_t::MaxT;
use crate::vocabulary::Correction;

/// Units from which a group is ranked; a smaller one is shown only.
pub const RANKED_FROM: usize = 30;

/// Replicates from which correlations between groups are estimated.
pub const CORRELATED_FROM: usize = 5;

/// Means that are this close are the same.
const SAME: f64 = 1e-12;

/// How intervals are made to hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// By the distribution of the largest of the correlated t statistics, with the smallest number
    /// of degrees of freedom of them.
    MaxT,
    /// By Bonferroni, and p by Holm: with fewer than [`CORRELATED_FROM`] replicates.
    Bonferroni,
}

/// Intervals of groups that hold together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Simultaneous {
    /// How they are made to.
    pub method: Method,
    /// Their coverage together, between 0 and 1.
    pub confidence: f64,
    /// In the order given.
    pub groups: Vec<Group>,
}

/// A group's mean over replicates among others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The population that the answer generalises to.
    pub basis: Basis,
    /// Units that it rests on.
    pub units: usize,
    /// Whether there are [`RANKED_FROM`] units; if not, the interval and p are those of the group
    /// alone.
    pub ranked: bool,
    /// Mean over replicates.
    pub mean: f64,
    /// 0 where nothing varies.
    pub standard_error: f64,
    /// Degrees of freedom of the group's own t; none where nothing varies.
    pub degrees: Option<f64>,
    /// None where nothing varies.
    pub interval: Option<Interval>,
    /// Of the hypothesis that the mean is 0, corrected for the number of ranked groups that vary;
    /// none where nothing can be tested.
    pub p_adjusted: Option<f64>,
}

impl Simultaneous {
    /// Of statistics of the same replicates and units.
    ///
    /// # Errors
    /// If there are none, or they have different replicates or units.
    pub fn of(groups: &[Statistic], confidence: f64) -> Result<Self, LinearError> {
        Statistic::combine(&groups.iter().map(|group| (1.0, group)).collect::<Vec<_>>())?;
        let crossed = groups.iter().map(Statistic::crossed).collect::<Vec<_>>();
        let alone = Rule::of(&crossed).infer(&crossed, confidence);
        let mut found = groups
            .iter()
            .zip(&alone)
            .map(|(group, alone)| Group::alone(group, alone))
            .collect::<Vec<_>>();
        let together = |place: &usize| found[*place].ranked && found[*place].interval.is_some();
        let places = (0..groups.len()).filter(together).collect::<Vec<_>>();
        let method = if groups[0].replicates() < CORRELATED_FROM {
            bonferroni(&places, &mut found, confidence);
            Method::Bonferroni
        } else {
            max_t(&places, groups, &mut found, confidence);
            Method::MaxT
        };
        Ok(Self { method, confidence, groups: found })
    }

    /// The interval of the smallest true mean of the ranked groups, whichever has it; none without
    /// any, or where one cannot be tested.
    pub fn smallest(&self) -> Option<Interval> {
        self.ends(|a, b| a < b)
    }

    /// The interval of the largest true mean of the ranked groups, whichever has it; none without
    /// any, or where one cannot be tested.
    pub fn largest(&self) -> Option<Interval> {
        self.ends(|a, b| a > b)
    }

    fn ends(&self, before: fn(f64, f64) -> bool) -> Option<Interval> {
        let pick = |a: f64, b: f64| if before(a, b) { a } else { b };
        let ranked = self.groups.iter().filter(|group| group.ranked);
        let intervals = ranked.map(|group| group.interval).collect::<Option<Vec<_>>>()?;
        let both = |a: Interval, b: Interval| Interval {
            low: pick(a.low, b.low),
            high: pick(a.high, b.high),
        };
        intervals.into_iter().reduce(both)
    }
}

impl Group {
    fn alone(group: &Statistic, inference: &Inference) -> Self {
        Self {
            basis: inference.basis,
            units: group.units,
            ranked: group.units >= RANKED_FROM,
            mean: group.mean(),
            standard_error: inference.standard_error,
            degrees: inference.degrees.is_finite().then_some(inference.degrees),
            interval: inference.interval,
            p_adjusted: inference.p,
        }
    }

    fn around(&self, half: f64) -> Option<Interval> {
        Some(Interval { low: self.mean - half, high: self.mean + half })
    }
}

/// Bonferroni's intervals, each with its own degrees of freedom, and Holm's p.
fn bonferroni(places: &[usize], groups: &mut [Group], confidence: f64) {
    let p = places.iter().map(|place| groups[*place].p_adjusted).collect::<Vec<_>>();
    let adjusted = Correction::Holm.adjust(&p);
    let tail = (1.0 - confidence) / (2 * places.len().max(1)) as f64;
    for (place, p) in places.iter().zip(adjusted) {
        let group = &mut groups[*place];
        let quantile = t_quantile(1.0 - tail, group.degrees.unwrap_or(f64::INFINITY));
        group.interval = group.around(quantile * group.standard_error);
        group.p_adjusted = p;
    }
}

/// Intervals and p by the largest of the correlated t statistics.
fn max_t(places: &[usize], statistics: &[Statistic], groups: &mut [Group], confidence: f64) {
    if places.is_empty() {
        return;
    }
    let correlation = |a: usize, b: usize| {
        let covariance = statistics[a].covariance(&statistics[b]);
        let errors = groups[a].standard_error * groups[b].standard_error;
        if a == b { 1.0 } else { (covariance / errors).clamp(-1.0, 1.0) }
    };
    let row = |a: &usize| places.iter().map(|b| correlation(*a, *b)).collect::<Vec<_>>();
    let matrix = places.iter().map(row).collect::<Vec<_>>();
    let degrees = places.iter().filter_map(|place| groups[*place].degrees);
    let largest = MaxT::of(&matrix, degrees.fold(f64::INFINITY, f64::min));
    let critical = largest.critical(confidence);
    for place in places {
        let group = &mut groups[*place];
        group.interval = group.around(critical * group.standard_error);
        group.p_adjusted = Some(largest.beyond(group.mean.abs() / group.standard_error));
    }
}

/// The end of a ranking that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The group with the largest mean.
    Largest,
    /// The group with the smallest mean.
    Smallest,
}

/// Whether the group whose mean is largest (or smallest) is shown to be so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "leader")]
pub enum Leader {
    /// It is: its difference to every other ranked group is significant, all together.
    Shown {
        /// Its place among the groups.
        group: usize,
        /// Its differences to the others, group less other.
        differences: Differences,
    },
    /// It may not be.
    NotShown {
        /// Its place among the groups.
        group: usize,
        /// Places of the groups that may be as large (or small).
        rivals: Vec<usize>,
        /// Its differences to the others, group less other.
        differences: Differences,
    },
    /// Several groups have the same mean, so there is no such group.
    Tied {
        /// Their places.
        groups: Vec<usize>,
    },
    /// There is one replicate, or copies of one: nothing is known of reruns.
    NotOverReruns {
        /// Place of the group with the largest (or smallest) mean.
        group: usize,
    },
    /// Fewer than two groups have [`RANKED_FROM`] units.
    TooFewGroups,
}

/// Differences of one group to others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Differences {
    /// Places of the others.
    pub others: Vec<usize>,
    /// In the order of `others`.
    pub intervals: Simultaneous,
}

impl Leader {
    /// Of `groups` of the same replicates and units: gains by class, say, to learn which gains
    /// most, or accuracies by group and the smallest end, to learn which is classified worst. Only
    /// ranked groups take part.
    ///
    /// # Errors
    /// If there are none, or they have different replicates or units.
    pub fn of(groups: &[Statistic], end: End, confidence: f64) -> Result<Self, LinearError> {
        Statistic::combine(&groups.iter().map(|group| (1.0, group)).collect::<Vec<_>>())?;
        let sign = if end == End::Largest { 1.0 } else { -1.0 };
        let ranked = |place: &usize| groups[*place].units >= RANKED_FROM;
        let ranked = (0..groups.len()).filter(ranked).collect::<Vec<_>>();
        let height = |place: usize| sign * groups[place].mean();
        let most = ranked.iter().map(|place| height(*place)).fold(f64::NEG_INFINITY, f64::max);
        let leads = |place: &usize| height(*place) >= most - SAME;
        let (leaders, others) = ranked.iter().copied().partition::<Vec<_>, _>(leads);
        if ranked.len() < 2 {
            return Ok(Self::TooFewGroups);
        }
        let [group] = leaders[..] else { return Ok(Self::Tied { groups: leaders }) };
        let minus = |other: &usize| groups[group].minus(&groups[*other]);
        let differences = others.iter().map(minus).collect::<Result<Vec<_>, _>>()?;
        let intervals = Simultaneous::of(&differences, confidence)?;
        let narrow = [Basis::OneReplicate, Basis::Copies];
        if groups[group].replicates() < 2
            || intervals.groups.iter().any(|difference| narrow.contains(&difference.basis))
        {
            return Ok(Self::NotOverReruns { group });
        }
        let close = |difference: &Group| difference.p_adjusted.is_none_or(|p| p > 1.0 - confidence);
        let rivals = others.iter().zip(&intervals.groups);
        let rivals = rivals.filter(|(_, difference)| close(difference)).map(|(other, _)| *other);
        let rivals = rivals.collect::<Vec<_>>();
        let differences = Differences { others, intervals };
        Ok(if rivals.is_empty() {
            Self::Shown { group, differences }
        } else {
            Self::NotShown { group, rivals, differences }
        })
    }
}

/// The gap between the ranked groups with the largest and the smallest mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Place of the group with the largest mean.
    pub largest: usize,
    /// Place of the group with the smallest mean.
    pub smallest: usize,
    /// The difference of their means, 0 or more; on average it is larger than the true gap, as the
    /// two were chosen for it.
    pub difference: f64,
    /// Of the true gap, whichever groups make it, from the intervals of all differences between two
    /// groups together; cut at 0. None where one of these cannot be tested.
    pub interval: Option<Interval>,
    /// The narrowest population that a difference generalises to.
    pub basis: Basis,
}

impl Gap {
    /// Of `groups` of the same replicates and units; none with fewer than two that are ranked.
    ///
    /// # Errors
    /// If there are none, or they have different replicates or units.
    pub fn of(groups: &[Statistic], confidence: f64) -> Result<Option<Self>, LinearError> {
        Statistic::combine(&groups.iter().map(|group| (1.0, group)).collect::<Vec<_>>())?;
        let mut ranked = (0..groups.len())
            .filter(|place| groups[*place].units >= RANKED_FROM)
            .collect::<Vec<_>>();
        ranked.sort_by(|a, b| groups[*a].mean().total_cmp(&groups[*b].mean()));
        let [smallest, .., largest] = ranked[..] else { return Ok(None) };
        let pairs = ranked.iter().enumerate().flat_map(|(above, high)| {
            ranked[..above].iter().map(|low| groups[*high].minus(&groups[*low]))
        });
        let pairs = Simultaneous::of(&pairs.collect::<Result<Vec<_>, _>>()?, confidence)?;
        // Every pair is taken so that its difference is 0 or more, so its upper end is the farther.
        let ends = pairs.groups.iter().map(|pair| pair.interval).collect::<Option<Vec<_>>>();
        let interval = ends.map(|ends| Interval {
            low: ends.iter().map(|end| end.low).fold(0.0, f64::max),
            high: ends.iter().map(|end| end.high).fold(0.0, f64::max),
        });
        let basis = pairs.groups.iter().map(|pair| pair.basis);
        let basis = basis.clone().find(|basis| *basis != Basis::Reruns).unwrap_or(Basis::Reruns);
        let difference = groups[largest].mean() - groups[smallest].mean();
        Ok(Some(Self { largest, smallest, difference, interval, basis }))
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
