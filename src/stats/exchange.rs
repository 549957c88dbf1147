//! The exchange rate: how many real images one synthetic image is worth.
//!
//! Real-only arms of several sizes give a curve of accuracy over the number of real images. An arm
//! with `real` real and `synthetic` synthetic images, n and m, is as accurate as n* real images
//! alone: the rate is (n* - n) / m. Between two sizes the curve is linear in the logarithm of n.
//!
//! The interval holds each n* at which the arm's difference to the curve, a linear contrast of
//! three arms, is not rejected. So it needs no approximation of a ratio, and it may be open: where
//! the arm may be as good as the largest size, no upper end is known.

use serde::{Deserialize, Serialize};

use super::crossed::{Basis, Inference};
use super::interval::Interval;
use super::linear::{LinearError, Statistic};
use super::power_law::PowerLaw;
use super::search::edge;

/// Steps of a stretch between two sizes in which the ends of the interval are looked for.
const STEPS: usize = 48;

/// Halvings by which a position is found.
const BISECTIONS: usize = 50;

/// Accuracies nearer than this are the same.
const SAME: f64 = 1e-12;

/// A real-only arm.
#[derive(Clone, Copy, Debug)]
pub struct RealOnly<'a> {
    /// Real images, of a class or in all, as for the synthetic arm; above 0.
    pub n: usize,
    /// Its accuracy.
    pub accuracy: &'a Statistic,
}

/// An arm with synthetic images.
#[derive(Clone, Copy, Debug)]
pub struct WithSynthetic<'a> {
    /// Its real images.
    pub real: usize,
    /// Its synthetic images, counted as the real ones are.
    pub synthetic: usize,
    /// Its accuracy.
    pub accuracy: &'a Statistic,
}

/// The exchange rate, or the reason that there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "exchange")]
pub enum Exchange {
    /// There is a curve to compare with.
    Rate {
        /// The population that the interval generalises to.
        basis: Basis,
        /// The most likely number of real images that the arm is worth, and the rate.
        point: Point,
        /// Where the arm is more accurate than the largest size: what a power law through the curve
        /// says beyond it, with nothing but the law to vouch for it. None otherwise, where the law
        /// does not lead beyond it, and with fewer than
        /// [`FEWEST_SIZES`](super::power_law::FEWEST_SIZES) sizes.
        extrapolated: Option<Extrapolated>,
        /// What the data leave possible.
        interval: RateInterval,
    },
    /// The arm has no synthetic images.
    NoSynthetic,
    /// There are fewer than two real-only sizes.
    OneSize,
    /// Sizes are 0, or not ascending.
    Unordered,
}

/// The number of real images alone that an arm is worth, and the rate in real per synthetic image:
/// below 0 where the arm is worse than its real images alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "point")]
pub enum Point {
    /// Within the sizes.
    At {
        /// Real images.
        n: f64,
        /// Real images a synthetic one is worth.
        rate: f64,
    },
    /// The arm has the accuracy of a stretch in which the curve does not rise.
    Between {
        /// Start of the stretch, in real images.
        least: f64,
        /// Its end.
        most: f64,
        /// The rates there.
        rates: Interval,
    },
    /// The arm is more accurate than the largest size.
    MoreThan {
        /// The largest size.
        n: f64,
        /// The rate there.
        rate: f64,
    },
    /// The arm is less accurate than the smallest size.
    LessThan {
        /// The smallest size.
        n: f64,
        /// The rate there.
        rate: f64,
    },
    /// The curve rises nowhere, so any number of real images is as good as any other.
    Flat,
}

/// What a power law says of an arm that is more accurate than every size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "extrapolated")]
pub enum Extrapolated {
    /// So many real images would be as good.
    At {
        /// Real images.
        n: f64,
        /// Real images a synthetic one is worth.
        rate: f64,
    },
    /// No number of real images would be.
    Never {
        /// Accuracy that the law does not pass, 0 to 1.
        ceiling: f64,
    },
}

/// The rates that are not rejected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "interval")]
pub enum RateInterval {
    /// Both ends lie within the sizes.
    Bounded {
        /// The smallest rate.
        low: f64,
        /// The largest rate.
        high: f64,
    },
    /// The arm may be as good as the largest size, or better.
    AtLeast {
        /// The smallest rate.
        low: f64,
    },
    /// The arm may be as bad as the smallest size, or worse.
    AtMost {
        /// The largest rate.
        high: f64,
    },
    /// No size is rejected: the curve is too flat or the data too few.
    Unbounded,
    /// Every size is rejected, as the arm is more accurate.
    MoreThan {
        /// The rate at the largest size.
        rate: f64,
    },
    /// Every size is rejected, as the arm is less accurate.
    LessThan {
        /// The rate at the smallest size.
        rate: f64,
    },
}

impl Exchange {
    /// Of a real-only `curve` by ascending size and an arm, on the same replicates and units, with
    /// an interval of coverage `confidence`.
    ///
    /// # Errors
    /// If the accuracies have different replicates or units.
    pub fn of(
        curve: &[RealOnly<'_>],
        arm: WithSynthetic<'_>,
        confidence: f64,
    ) -> Result<Self, LinearError> {
        if arm.synthetic == 0 {
            return Ok(Self::NoSynthetic);
        }
        if curve.len() < 2 {
            return Ok(Self::OneSize);
        }
        if curve[0].n == 0 || !curve.is_sorted_by(|a, b| a.n < b.n) {
            return Ok(Self::Unordered);
        }
        let inversion = Inversion { curve, arm, confidence };
        let least = inversion.compare(0.0)?;
        let point = inversion.point();
        Ok(Self::Rate {
            basis: least.inference.basis,
            extrapolated: inversion.extrapolated(&point),
            point,
            interval: inversion.interval()?,
        })
    }
}

/// A curve, an arm on it, and the coverage of the interval.
struct Inversion<'a> {
    curve: &'a [RealOnly<'a>],
    arm: WithSynthetic<'a>,
    confidence: f64,
}

/// The arm less a point of the curve.
struct Comparison {
    difference: f64,
    inference: Inference,
}

impl Inversion<'_> {
    fn rate(&self, n: f64) -> f64 {
        (n - self.arm.real as f64) / self.arm.synthetic as f64
    }

    fn size(&self, place: usize) -> f64 {
        self.curve[place].n as f64
    }

    /// The stretch that a position lies in, and the share of it below the position. Positions count
    /// sizes from 0, fractions being shares of the way to the next in the logarithm.
    fn stretch(&self, position: f64) -> (usize, f64) {
        let place = (position as usize).min(self.curve.len() - 2);
        (place, position - place as f64)
    }

    /// The number of real images at a position.
    fn images(&self, position: f64) -> f64 {
        let (place, share) = self.stretch(position);
        self.size(place) * (self.size(place + 1) / self.size(place)).powf(share)
    }

    fn compare(&self, position: f64) -> Result<Comparison, LinearError> {
        let (place, share) = self.stretch(position);
        let (here, next) = (self.curve[place].accuracy, self.curve[place + 1].accuracy);
        let arm = self.arm.accuracy;
        let contrast = Statistic::combine(&[(1.0, arm), (share - 1.0, here), (-share, next)])?;
        let crossed = contrast.crossed();
        let inference = crossed.infer(crossed.floor(), self.confidence);
        Ok(Comparison { difference: crossed.mean(), inference })
    }

    /// The sign of the difference where it is rejected, otherwise 0. What cannot be tested is not
    /// rejected.
    fn verdict(&self, position: f64) -> Result<i8, LinearError> {
        let Comparison { difference, inference } = self.compare(position)?;
        let rejected = inference.p.is_some_and(|p| p < 1.0 - self.confidence);
        Ok(match (rejected, difference > 0.0) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => -1,
        })
    }

    /// By the curve that rises and is closest to the accuracies.
    fn point(&self) -> Point {
        let means = self.curve.iter().map(|point| point.accuracy.mean()).collect::<Vec<_>>();
        let (curve, sought) = (rising(&means), self.arm.accuracy.mean());
        let last = curve.len() - 1;
        if curve[last] - curve[0] < SAME {
            return Point::Flat;
        }
        if sought > curve[last] + SAME {
            let n = self.size(last);
            return Point::MoreThan { n, rate: self.rate(n) };
        }
        if sought < curve[0] - SAME {
            let n = self.size(0);
            return Point::LessThan { n, rate: self.rate(n) };
        }
        let equal = |place: &usize| (curve[*place] - sought).abs() <= SAME;
        let same = (0..curve.len()).filter(equal).collect::<Vec<_>>();
        if let [first, .., last] = same[..] {
            let (least, most) = (self.size(first), self.size(last));
            let rates = Interval { low: self.rate(least), high: self.rate(most) };
            return Point::Between { least, most, rates };
        }
        let n = match same[..] {
            [place] => self.size(place),
            _ => {
                let place = curve.iter().rposition(|height| *height < sought).unwrap_or(0);
                let share = (sought - curve[place]) / (curve[place + 1] - curve[place]);
                self.images(place as f64 + share)
            }
        };
        Point::At { n, rate: self.rate(n) }
    }

    fn extrapolated(&self, point: &Point) -> Option<Extrapolated> {
        let Point::MoreThan { .. } = point else { return None };
        let points = self.curve.iter().map(|point| (point.n as f64, point.accuracy.mean()));
        let law = PowerLaw::fit(&points.collect::<Vec<_>>())?;
        match law.images(self.arm.accuracy.mean()) {
            // A law that passes below the accuracies leads to sizes that were tried.
            Some(n) if n <= self.size(self.curve.len() - 1) => None,
            Some(n) => Some(Extrapolated::At { n, rate: self.rate(n) }),
            None => Some(Extrapolated::Never { ceiling: law.ceiling }),
        }
    }

    fn interval(&self) -> Result<RateInterval, LinearError> {
        let verdicts = self.verdicts()?;
        let kept = |(_, verdict): &(f64, i8)| *verdict == 0;
        let Some(first) = verdicts.iter().position(kept) else {
            // The difference is continuous, so it has the same sign everywhere.
            return Ok(if verdicts[0].1 > 0 {
                RateInterval::MoreThan { rate: self.rate(self.size(self.curve.len() - 1)) }
            } else {
                RateInterval::LessThan { rate: self.rate(self.size(0)) }
            });
        };
        let last = verdicts.iter().rposition(kept).unwrap_or(first);
        let end = |out: Option<&(f64, i8)>, kept: f64| {
            let position = edge(kept, out?.0, |position| self.verdict(position) == Ok(0));
            Some(self.rate(self.images(position)))
        };
        let before = first.checked_sub(1).and_then(|before| verdicts.get(before));
        let low = end(before, verdicts[first].0);
        let high = end(verdicts.get(last + 1), verdicts[last].0);
        Ok(match (low, high) {
            (Some(low), Some(high)) => RateInterval::Bounded { low, high },
            (Some(low), None) => RateInterval::AtLeast { low },
            (None, Some(high)) => RateInterval::AtMost { high },
            (None, None) => RateInterval::Unbounded,
        })
    }

    /// Verdicts by ascending position, one among them that is not rejected wherever the sign
    /// changes.
    fn verdicts(&self) -> Result<Vec<(f64, i8)>, LinearError> {
        let mut found: Vec<(f64, i8)> = Vec::new();
        for step in 0..=(self.curve.len() - 1) * STEPS {
            let position = step as f64 / STEPS as f64;
            let verdict = self.verdict(position)?;
            if let Some(&(before, sign)) = found.last()
                && sign * verdict < 0
            {
                found.push((self.crossing(before, sign, position)?, 0));
            }
            found.push((position, verdict));
        }
        Ok(found)
    }

    /// A position between two with opposite verdicts, the first of them `sign`, that is not
    /// rejected.
    fn crossing(&self, mut before: f64, sign: i8, mut after: f64) -> Result<f64, LinearError> {
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (before + after);
            match self.verdict(middle)? {
                0 => return Ok(middle),
                verdict if verdict == sign => before = middle,
                _ => after = middle,
            }
        }
        Ok(after)
    }
}

/// The curve that never falls and is closest to `heights` by the sum of squares (pooling of
/// adjacent violators).
fn rising(heights: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for height in heights {
        let mut block = (*height, 1);
        while let Some((before, count)) = blocks.pop_if(|(before, _)| *before >= block.0) {
            let total = before * count as f64 + block.0 * block.1 as f64;
            block = (total / (count + block.1) as f64, count + block.1);
        }
        blocks.push(block);
    }
    blocks.iter().flat_map(|(height, count)| std::iter::repeat_n(*height, *count)).collect()
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
