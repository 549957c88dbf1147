//! Intervals, tests and corrections, and the analysis that joins them. May import `fst`, `metrics`,
//! `seed` and `vocabulary`.

pub mod analysis;
pub mod audit;
pub mod check;
pub mod correction;
pub mod crossed;
pub mod distribution;
pub mod dose_curve;
pub mod equivalence;
pub mod exchange;
pub mod family;
pub mod groups;
pub mod influence;
pub mod interval;
pub mod linear;
pub mod max_t;
pub mod paired;
pub mod power;
pub mod power_law;
pub mod quality;
pub mod rank;
pub mod scores;
mod search;

pub use interval::Interval;
