//! The files of an image set, checked and unpacked, so that nothing after it depends on how they
//! were packed.

use super::context::Context;
use super::{Outputs, StepError};
use crate::data::idx::{self, Part};
use crate::plan::kinds;

/// Outputs: the unpacked files, under their own names.
pub fn run(_: kinds::Import, context: &mut Context) -> Result<Outputs, StepError> {
    let folder = context.folder()?;
    let mut outputs = Vec::new();
    for part in [Part::Train, Part::Test] {
        outputs.extend(idx::unpack(&folder, part)?.map(|(name, bytes)| (name.to_owned(), bytes)));
    }
    Ok(outputs)
}
