//! The phantom: rendered skin and lesions, made where they are needed.

use super::set::{Draw, Embedded, Progress, ReadFile, SetError};
use crate::data::Item;
use crate::data::phantom::{self, Condition};

/// The set of study files that say `phantom`.
pub struct Phantom;

impl Embedded for Phantom {
    fn title(&self) -> &'static str {
        "phantom"
    }

    fn is_phantom(&self) -> bool {
        true
    }

    fn classes(&self) -> Vec<&'static str> {
        Condition::ALL.map(Condition::name).to_vec()
    }

    fn cohort(
        &self,
        draw: &Draw<'_>,
        _read: ReadFile<'_>,
        progress: Progress<'_>,
    ) -> Result<Vec<Item>, SetError> {
        let mut items = Vec::new();
        for class in draw.classes {
            let condition = Condition::named(class).ok_or_else(|| {
                format!("images.classes: the phantom has no condition called `{class}`")
            })?;
            let indices = draw.start..draw.start + draw.count;
            items.extend(
                indices.map(|index| phantom::render(condition, index, draw.size, draw.seed)),
            );
            progress(items.len(), draw.count * draw.classes.len());
        }
        Ok(items)
    }

    fn corpus(
        &self,
        draw: &Draw<'_>,
        _read: ReadFile<'_>,
        progress: Progress<'_>,
    ) -> Result<Vec<Item>, SetError> {
        let mut items = Vec::with_capacity(draw.count);
        for index in 0..draw.count {
            items.push(phantom::base::render(index, draw.size, draw.seed));
            if index % 500 == 0 {
                progress(index, draw.count);
            }
        }
        Ok(items)
    }
}
