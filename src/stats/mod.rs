//! Intervals, tests and corrections, and the analysis that joins them. Imports `seed` and `metrics`.

pub mod analysis;
pub mod audit;
pub mod check;
pub mod correction;
pub mod interval;
pub mod paired;
pub mod scores;

pub use interval::Interval;
