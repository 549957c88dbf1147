//! The plan: task specifications, their keys, the graph they form, and which of them are fresh,
//! with the reason.
//!
//! May import `id`, `regular`, `seed`, `store`, `study`, `vocabulary` and `wording`. It knows no step: what a
//! kind does is the steps' business.

mod freshness;
mod graph;
mod job;
pub mod kinds;
mod manifest;
mod memory;
mod numerics;
pub mod pipeline;
#[cfg(test)]
mod tests;
mod work;

pub use freshness::{Assessment, Freshness, Reason, assess, walk};
pub use graph::{Graph, Input, InputFile, PlanError, Task, TaskId};
pub(crate) use graph::{distinct_task_inputs, read_task_inputs};
pub use job::{Halt, InputFileError, Job, Progress};
pub use manifest::{Change, Manifest, differences};
pub use memory::Memory;
pub use numerics::Numerics;
pub use work::{Unit, Work};
