//! What a study asks of an experiment beside its arms against real only.

use std::collections::BTreeMap;

use crate::vocabulary::{Comparison, Rule};

/// What a study asks of an experiment beside its arms against real only.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// Comparisons by name.
    pub comparisons: BTreeMap<String, Comparison>,
    /// The rules of claims by the claim's name.
    pub claims: BTreeMap<String, Rule>,
    /// Mean ratings by readers, by the name that [`vocabulary::rated`](crate::vocabulary::rated)
    /// gives a class and an arm; empty: there are none.
    pub ratings: BTreeMap<String, f64>,
}
