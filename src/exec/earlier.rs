//! What tasks took in earlier runs.

use std::collections::HashMap;

use crate::id::Key;
use crate::store::{Cost, Store};

/// So many receipts of a kind are read: enough to know its pace and its memory, and few enough that a run with
/// nothing to do is not slowed.
const OF_A_KIND: usize = 10;

/// The receipts that were read so far.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    read: HashMap<&'static str, usize>,
}

impl Earlier {
    /// What a task of `kind` that is done took; none where enough of its kind were read.
    pub fn cost(&mut self, kind: &'static str, key: &Key, store: &Store) -> Option<Cost> {
        let read = self.read.entry(kind).or_default();
        *read += 1;
        let receipt = (*read <= OF_A_KIND).then(|| store.receipt(key).ok().flatten()).flatten();
        receipt.map(|receipt| receipt.cost)
    }
}
