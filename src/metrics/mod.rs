//! Stored predictions, checked when made and when read. Imports `fst` only.

mod predictions;

pub use predictions::{Prediction, Predictions, PredictionsError};
