//! Whether a network is being trained.

use crate::seed::Seed;

/// Whether the network is being trained.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// Batch statistics are used and move the running ones; dropout and stochastic depth are drawn
    /// for item `i` of the batch from `seed.nth(i)`.
    Train {
        /// Root of the batch's random streams.
        seed: Seed,
    },
    /// Running statistics; nothing is drawn.
    Eval,
}

impl Mode {
    pub(super) fn is_train(self) -> bool {
        matches!(self, Self::Train { .. })
    }
}
