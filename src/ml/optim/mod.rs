//! Optimisation of named variables: AdamW, averaged weights, learning-rate schedules.
//!
//! On a CPU each f32 variable is updated in one pass over its values, in place; other dtypes and
//! devices go through tensor operations. Sums run over variables in name order and over values in a
//! fixed order.

mod adamw;
mod ema;
mod in_place;
mod schedule;

pub use adamw::{AdamW, AdamWConfig, AdamWState};
pub use ema::Ema;
pub use schedule::Schedule;

/// Why a step was not made, or a state not taken over. No variable was changed.
#[derive(Debug, thiserror::Error)]
pub enum OptimError {
    #[error(
        "variable {name} got no gradient: the loss does not use it, or an operation without a backward pass cut it off"
    )]
    NoGradient { name: String },
    #[error("the gradient of {name} is not finite at step {step}")]
    NotFinite { name: String, step: u64 },
    #[error("two variables are called {name}")]
    Twice { name: String },
    #[error("the saved state lacks {name}, or has it in another shape")]
    State { name: String },
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
