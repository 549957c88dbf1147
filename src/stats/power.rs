//! Power: the smallest gain that a design can detect, and the replicates and images that a gain
//! requires.

use serde::{Deserialize, Serialize};

use super::crossed::{Components, Crossed};
use super::distribution::{normal_cdf, t_quantile};
use super::family::Rule;
use crate::seed::Seed;

/// The power that a design is asked for.
pub const WANTED: f64 = 0.8;

/// The gains that the needs are given for, 0 to 1.
pub const GAINS: [f64; 3] = [0.02, 0.04, 0.08];

/// Replicates that no need is looked for beyond.
pub const MOST_REPLICATES: usize = 200;
/// Images that no need is looked for beyond.
pub const MOST_IMAGES: usize = 1_000_000;

/// Contrasts drawn for a power; its simulation error is below half a point, as only the mean
/// squares are drawn.
const DRAWN: usize = 6_000;

/// A design as its test sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// Of a contrast.
    pub components: Components,
    /// Replicates, each with classifiers of its own.
    pub replicates: usize,
    /// Held-out images, or patients.
    pub units: usize,
    /// Contrasts that are corrected together.
    pub contrasts: usize,
    /// False discovery rate of the family.
    pub q: f64,
}

/// The power of a design, and the requirements of smaller gains. All gains are differences of
/// rates, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// The design.
    pub design: Design,
    /// The smallest gain found with [`WANTED`] power by one contrast that is tested alone; none
    /// with fewer than two replicates, where nothing varies, or where no gain is.
    pub alone: Option<f64>,
    /// And by one that has to stand out among a family without other effects.
    pub in_family: Option<f64>,
    /// The requirements of each of [`GAINS`].
    pub needs: Vec<Need>,
}

/// The requirements of detecting a gain in the family.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The gain, a difference of rates, 0 to 1.
    pub gain: f64,
    /// Replicates, with the design's images; none: more than [`MOST_REPLICATES`].
    pub replicates: Option<usize>,
    /// Images, with the design's replicates; none: more than [`MOST_IMAGES`].
    pub images: Option<usize>,
}

impl Power {
    /// The power of `design`, and the requirements of each of [`GAINS`].
    pub fn of(design: Design) -> Self {
        let (alone, family) = (Critical::of(design.q), Critical::of(design.level()));
        let finds = |design: Design, gain: f64| {
            Test::of(&design, &family).is_some_and(|test| test.power(gain) >= WANTED)
        };
        let need = |&gain: &f64| Need {
            gain,
            replicates: least(2, MOST_REPLICATES, |replicates| {
                finds(Design { replicates, ..design }, gain)
            }),
            images: least(2, MOST_IMAGES, |units| finds(Design { units, ..design }, gain)),
        };
        Self {
            design,
            alone: Test::of(&design, &alone).and_then(|test| test.smallest()),
            in_family: Test::of(&design, &family).and_then(|test| test.smallest()),
            needs: GAINS.iter().map(need).collect(),
        }
    }
}

impl Design {
    /// The level at which a contrast is rejected that is the only effect of its family (the first
    /// step of Benjamini and Hochberg).
    pub fn level(&self) -> f64 {
        self.q / self.contrasts.max(1) as f64
    }

    /// The power of the test of one contrast of this gain at a level; 0 with fewer than two
    /// replicates, which say nothing of reruns.
    pub fn power(&self, gain: f64, level: f64) -> f64 {
        Test::of(self, &Critical::of(level)).map_or(0.0, |test| test.power(gain))
    }
}

/// Student's t beyond which a level rejects, by the inverse of the degrees of freedom: between the
/// points of a table, logarithms of t are close to lines.
struct Critical {
    logs: Vec<f64>,
}

impl Critical {
    const POINTS: usize = 400;

    fn of(level: f64) -> Self {
        let degrees = |point: usize| Self::POINTS as f64 / point as f64;
        Self {
            logs: (0..=Self::POINTS)
                .map(|point| t_quantile(1.0 - level / 2.0, degrees(point)).ln())
                .collect(),
        }
    }

    fn at(&self, degrees: f64) -> f64 {
        let place = (Self::POINTS as f64 / degrees).min(Self::POINTS as f64);
        let below = (place as usize).min(Self::POINTS - 1);
        let share = place - below as f64;
        (self.logs[below] * (1.0 - share) + self.logs[below + 1] * share).exp()
    }
}

/// The test of a design: how far from 0 a mean has to lie, for each draw of the family's mean
/// squares.
struct Test {
    /// Standard deviation of the mean.
    deviation: f64,
    bounds: Vec<f64>,
}

impl Test {
    fn of(design: &Design, critical: &Critical) -> Option<Self> {
        let Design { components, replicates, units, contrasts, .. } = *design;
        let variance = components.variance(replicates as f64, units as f64);
        if replicates < 2 || variance <= 0.0 {
            return None;
        }
        let contrasts = contrasts.max(1);
        let (shared, error) = (components.image / units as f64, components.residual / units as f64);
        // Contrasts with a common control share half of what varies between replicates.
        let deviation = (0.5 * (components.rerun + error)).sqrt();
        let mut draws = Seed::of_study(0).child("power").normal_draws();
        let mut draw = |count: usize| (&mut draws).take(count).collect::<Vec<_>>();
        let mut bounds = Vec::with_capacity(DRAWN + contrasts);
        while bounds.len() < DRAWN {
            let control = draw(replicates);
            let mut contrast = || {
                let values = draw(replicates)
                    .iter()
                    .zip(&control)
                    .map(|(arm, control)| deviation * (arm - control))
                    .collect();
                Crossed { values, own: error + shared, shared, units }
            };
            let family = (0..contrasts).map(|_| contrast()).collect::<Vec<_>>();
            let rule = Rule::of(&family);
            bounds.extend(family.iter().map(|contrast| {
                let (variance, degrees) = contrast.spread(rule.noise(contrast));
                critical.at(degrees) * variance.sqrt()
            }));
        }
        Some(Self { deviation: variance.sqrt(), bounds })
    }

    fn power(&self, gain: f64) -> f64 {
        let beyond = |bound: &f64| {
            normal_cdf((gain - bound) / self.deviation)
                + normal_cdf((-gain - bound) / self.deviation)
        };
        self.bounds.iter().map(beyond).sum::<f64>() / self.bounds.len() as f64
    }

    /// The gain that is found with the wanted power, by bisection; none if the largest is not.
    fn smallest(&self) -> Option<f64> {
        let (mut low, mut high) = (0.0, 1.0);
        if self.power(high) < WANTED {
            return None;
        }
        for _ in 0..30 {
            let middle = 0.5 * (low + high);
            if self.power(middle) < WANTED { low = middle } else { high = middle }
        }
        Some(high)
    }
}

/// The least number from `low` to `high` that is enough, of a property that larger numbers keep;
/// none if `high` is not.
fn least(mut low: usize, mut high: usize, enough: impl Fn(usize) -> bool) -> Option<usize> {
    if !enough(high) {
        return None;
    }
    while low < high {
        let middle = low.midpoint(high);
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values, made by tests/fixtures/reruns.py.
    #[derive(Deserialize)]
    struct Case {
        rerun: f64,
        image: f64,
        residual: f64,
        replicates: usize,
        units: usize,
        level: f64,
        gain: f64,
        power: f64,
    }

    #[test]
    fn the_floored_tests_power_agrees_with_quadrature() {
        for Case { rerun, image, residual, replicates, units, level, gain, power } in
            crate::stats::crossed::tests::references::<Case>("power")
        {
            let components = Components { rerun, image, residual };
            let found =
                Design { components, replicates, units, contrasts: 1, q: level }.power(gain, level);
            assert!(
                (found - power).abs() < 0.01,
                "{replicates} replicates, {units} images: {found} is not {power}"
            );
        }
    }

    #[test]
    fn what_more_replicates_or_images_can_and_cannot_do() {
        let components = Components { rerun: 0.02f64.powi(2), image: 0.04, residual: 0.2 };
        let power =
            Power::of(Design { components, replicates: 6, units: 1800, contrasts: 12, q: 0.05 });
        let (alone, family) = (power.alone.unwrap(), power.in_family.unwrap());
        assert!(alone < family && alone > 0.02, "{alone} {family}");
        let at = |need: &Need| (need.replicates, need.images);
        assert!(
            power.needs.is_sorted_by(|a, b| a.replicates >= b.replicates || b.replicates.is_none()),
            "{:?}",
            power.needs
        );
        let Need { replicates: Some(replicates), .. } = power.needs[1] else {
            panic!("{:?}", power.needs)
        };
        let design = power.design;
        let found = |replicates| Design { replicates, ..design }.power(0.04, design.level());
        assert!(found(replicates) >= WANTED && found(replicates - 1) < WANTED);
        // Two points lie within what six reruns vary, however many images there are.
        assert_eq!(at(&power.needs[0]).1, None);
        assert_eq!(Power::of(Design { replicates: 1, ..design }).alone, None);
        let noisy = Components { rerun: 0.3f64.powi(2), ..components };
        let hopeless = Power::of(Design { components: noisy, replicates: 2, ..design });
        assert_eq!((hopeless.alone, hopeless.in_family), (None, None), "100 points are not enough");
    }
}
