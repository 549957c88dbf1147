//! Stored predictions, checked when made and when read. May import `fst`.

mod predictions;

pub use predictions::{Prediction, Predictions, PredictionsError};
