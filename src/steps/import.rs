//! The files of an image set, checked and unpacked, so that nothing after it depends on how they
//! were packed.

use super::context::Context;
use super::{Outputs, StepError};
use crate::data::sets::{self, ImageSet};
use crate::plan::kinds;

/// Outputs: the unpacked files, under their own names.
pub fn run(params: kinds::Import, context: &mut Context) -> Result<Outputs, StepError> {
    match sets::of(params.source) {
        ImageSet::Embedded(set) => set.unpack(&context.folder()?),
        ImageSet::Pictures(set) => {
            Err(format!("{} is not imported: its pictures are decoded", set.title()).into())
        }
    }
}
