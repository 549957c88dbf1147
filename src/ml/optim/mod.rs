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
#[expect(missing_docs, reason = "messages name the fields")]
pub enum OptimError {
    /// A variable has no gradient.
    #[error(
        "variable {name} got no gradient: the loss does not use it, or an operation without a backward pass cut it off"
    )]
    NoGradient { name: String },
    /// A gradient is not finite.
    #[error("the gradient of {name} is not finite at step {step}")]
    NotFinite { name: String, step: u64 },
    /// Two variables have the same name.
    #[error("two variables are called {name}")]
    Twice { name: String },
    /// A saved state does not fit the variables.
    #[error("the saved state lacks {name}, or has it in another shape")]
    State { name: String },
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
