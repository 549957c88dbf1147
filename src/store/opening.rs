//! What opening a store found and mended, and what was taken in from its inbox.

use crate::id::Key;

use super::holder::Holder;
use super::published::Published;
use super::receipt::Refusal;

/// What opening a store found and mended.
#[derive(Debug)]
pub struct Opening {
    /// The state that the index was in.
    pub index: IndexState,
    /// The process that has the store open, where this one only reads the results so far.
    pub holder: Option<Holder>,
    /// What an earlier run's workers had published and nobody had taken in.
    pub collected: Collected,
    /// Temporary files of processes that are gone, and empty folders of attempts, removed.
    pub leftovers: usize,
}

/// The state of a store's index when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// The store is new.
    Created,
    /// The index was there and whole.
    Opened,
    /// Derived anew from the receipts, since the index was lost, unreadable, or not closed (its
    /// process was killed).
    Rebuilt {
        /// Why the index was derived anew, in words.
        cause: String,
        /// The files among the receipts that were refused.
        refusals: Vec<Refusal>,
    },
}

/// The receipts taken in from the inbox, and the files that were none.
#[derive(Debug, Default)]
pub struct Collected {
    /// The keys of the receipts taken in, and what each receipt meant.
    pub receipts: Vec<(Key, Published)>,
    /// The files that were refused.
    pub refusals: Vec<Refusal>,
}
