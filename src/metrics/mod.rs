//! Stored predictions and the scores read from them. Imports no other room.
//!
//! A score that the held-out images do not define (an AUROC without a negative image, say) is `None`, where scikit-learn returns NaN
//! or 0 with a warning.

mod calibration;
mod predictions;
mod ranking;
mod scores;
#[cfg(test)]
mod tests;

pub use calibration::Bin;
pub use predictions::{Prediction, Predictions, PredictionsError};
pub use ranking::Ranking;
pub use scores::Score;
