//! Learning rates over the steps of a training run.

use serde::{Deserialize, Serialize};

/// The learning rate as a factor on its peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The highest learning rate throughout.
    Constant,
    /// Linear from `1 / warmup` at the first step to 1 after `warmup` steps, then 1.
    WarmupConstant {
        /// Steps of the warm-up.
        warmup: u64,
    },
    /// The same warm-up, then linearly down to 0 at the last step.
    WarmupLinear {
        /// Steps of the warm-up.
        warmup: u64,
    },
    /// Linear from `1 / warmup` at the first step to 1 after `warmup` steps, then half a cosine to
    /// `floor` at the last.
    WarmupCosine {
        /// Steps of the warm-up.
        warmup: u64,
        /// Factor at the last step, 0 to 1.
        floor: f64,
    },
}

impl Schedule {
    /// The factor for the step after `done` of `total` steps.
    pub fn factor(&self, done: u64, total: u64) -> f64 {
        let warmup = match *self {
            Self::Constant => 0,
            Self::WarmupConstant { warmup }
            | Self::WarmupLinear { warmup }
            | Self::WarmupCosine { warmup, .. } => warmup,
        };
        if done < warmup {
            return (done + 1) as f64 / warmup as f64;
        }
        let progress =
            ((done - warmup) as f64 / total.saturating_sub(warmup + 1).max(1) as f64).min(1.0);
        match *self {
            Self::Constant | Self::WarmupConstant { .. } => 1.0,
            Self::WarmupLinear { .. } => 1.0 - progress,
            Self::WarmupCosine { floor, .. } => {
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_then_cosine() {
        let schedule = Schedule::WarmupCosine { warmup: 4, floor: 0.1 };
        for (done, expected) in [(0, 0.25), (3, 1.0), (4, 1.0), (9, 0.55), (14, 0.1), (99, 0.1)] {
            assert!(
                (schedule.factor(done, 15) - expected).abs() < 1e-12,
                "{done}: {}",
                schedule.factor(done, 15)
            );
        }
        assert_eq!(Schedule::WarmupCosine { warmup: 0, floor: 0.0 }.factor(0, 1), 1.0);
        assert_eq!(Schedule::Constant.factor(7, 8), 1.0);
        let factors = |schedule: Schedule| [0, 1, 3, 7].map(|done| schedule.factor(done, 8));
        assert_eq!(factors(Schedule::WarmupConstant { warmup: 2 }), [0.5, 1.0, 1.0, 1.0]);
        assert_eq!(factors(Schedule::WarmupLinear { warmup: 2 }), [0.5, 1.0, 0.8, 0.0]);
    }
}
