//! The reasons that cells cannot be analysed together.

use crate::stats::linear::LinearError;
use crate::vocabulary::{Arm, Design};

/// Cells that cannot be analysed together.
#[derive(Debug, thiserror::Error, PartialEq)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum AnalysisError {
    /// There is no cell.
    #[error("analysis of no cells")]
    Empty,
    /// A setting is out of its range.
    #[error("{name} is {found}, expected {expected}")]
    Config { name: &'static str, found: String, expected: &'static str },
    /// Two cells are of one design and replicate.
    #[error("cell {design}, replicate {replicate} is given twice")]
    Twice { design: Box<Design>, replicate: usize },
    /// A cell has other held-out images than the others.
    #[error(
        "cell {design}, replicate {replicate} has other held-out images than the others: {difference}"
    )]
    Unpaired { design: Box<Design>, replicate: usize, difference: String },
    /// Arms cannot be combined.
    #[error("arms do not fit each other")]
    Linear(#[from] LinearError),
    /// A comparison is about a class that there is not.
    #[error("no class is called `{class}`")]
    Class { class: String },
    /// There is no arm to compare a design with.
    #[error("{design} has no arm `{baseline}` at the same n and transforms to be compared with")]
    NoBaseline { design: Box<Design>, baseline: Arm },
    /// A design and the arm that it is compared with have different replicates.
    #[error(
        "{design} has replicates {found:?}, but the arm that it is compared with has {expected:?}: they pair by replicate"
    )]
    Replicates { design: Box<Design>, found: Vec<usize>, expected: Vec<usize> },
}
