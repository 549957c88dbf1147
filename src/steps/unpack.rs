//! A shard of a released synthetic set: the images that a study can use, as squares, by strategy
//! and class.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::context::{Context, json_output};
use super::decode::{Checked, DECODED, is_enough, square, with_picture};
use super::{Outputs, StepError};
use crate::data::decode::Memory;
use crate::data::webdataset::{self, Sample, ShardWriter};
use crate::data::{Item, released};
use crate::plan::kinds;
use crate::vocabulary::{Strategy, Unusable};

/// Name of the output that says what there is.
pub const UNPACKED: &str = "unpacked.json";

/// What a shard had.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Unpacked {
    pub samples: usize,
    /// Squares, by the output's name.
    pub taken: BTreeMap<String, usize>,
    /// What is wrong with each picture that can't be used.
    pub unusable: Vec<String>,
}

/// The output that holds a class's images by a strategy.
pub fn entry(strategy: Strategy, class: &str) -> String {
    format!("{}/{}.tar", strategy.name(), released::slug(class))
}

/// A picture that is read and not yet decoded.
struct Waiting {
    entry: String,
    class: String,
    member: String,
    sample: Sample,
}

/// Outputs: unpacked.json and, for each strategy and class of which the shard has images,
/// `<strategy>/<class>.tar`.
pub fn run(params: kinds::Unpack, context: &mut Context) -> Result<Outputs, StepError> {
    let mut taken = Taken {
        params: &params,
        memory: Memory::new(DECODED),
        shards: BTreeMap::new(),
        unpacked: Unpacked::default(),
    };
    for file in context.file_list("files") {
        let shard = file.name.clone();
        let mut waiting = Vec::new();
        let mut checked = Checked::open(file)?;
        webdataset::for_each_sample(&mut checked, &shard, |sample| -> Result<(), StepError> {
            taken.unpacked.samples += 1;
            if let Some((strategy, class)) = wanted(&sample, &shard, &params)? {
                let (entry, member) =
                    (entry(strategy, class), format!("{shard}/{}", sample.member));
                waiting.push(Waiting { entry, class: class.to_owned(), member, sample });
            }
            if is_enough(waiting.iter().map(|waiting| &waiting.sample.picture)) {
                taken.decode(std::mem::take(&mut waiting))?;
                context.images(taken.unpacked.samples, 0);
            }
            Ok(())
        })?;
        checked.finish(file)?;
        taken.decode(waiting)?;
    }
    let Taken { shards, unpacked, .. } = taken;
    let mut outputs = vec![json_output(UNPACKED, &unpacked)];
    for (entry, shard) in shards {
        outputs.push((entry, shard.finish()?));
    }
    Ok(outputs)
}

/// The strategy and the study's class of a sample that is to be taken.
fn wanted<'a>(
    sample: &Sample,
    shard: &str,
    params: &'a kinds::Unpack,
) -> Result<Option<(Strategy, &'a str)>, StepError> {
    let made = sample.synthetic(shard)?;
    let made = made.filter(|made| (made.generation_num as usize) < params.generations);
    let Some(name) = made.as_ref().and_then(released::strategy) else { return Ok(None) };
    let strategy = params.strategies.iter().find(|strategy| strategy.name() == name);
    let label = released::slug(&sample.label().unwrap_or_default());
    let class = params.classes.iter().find(|class| released::slug(class) == label);
    Ok(strategy.zip(class).map(|(strategy, class)| (*strategy, class.as_str())))
}

/// What has been taken so far.
struct Taken<'a> {
    params: &'a kinds::Unpack,
    memory: Memory,
    shards: BTreeMap<String, ShardWriter<Vec<u8>>>,
    unpacked: Unpacked,
}

impl Taken<'_> {
    fn decode(&mut self, waiting: Vec<Waiting>) -> Result<(), StepError> {
        let kinds::Unpack { size, fit, .. } = *self.params;
        let decoded = waiting.into_par_iter().map(|waiting| {
            let square =
                with_picture(&waiting.sample.picture, &waiting.member, &self.memory, |_, image| {
                    square(image, size, fit)
                });
            (waiting, square)
        });
        for (Waiting { entry, class, sample, member }, square) in decoded.collect::<Vec<_>>() {
            match square {
                Err(error) if self.params.unusable == Unusable::Drop => {
                    self.unpacked.unusable.push(error.to_string())
                }
                Err(error) => {
                    return Err(format!(
                        "{error}\n  images.unusable = \"drop\" goes on without it"
                    )
                    .into());
                }
                Ok(image) => {
                    *self.unpacked.taken.entry(entry.clone()).or_default() += 1;
                    let (id, patient) = (webdataset::plain(&sample.id()), String::new());
                    let item =
                        Item { id, label: class, patient, ..sample.with_image(image, &member)? };
                    self.shards
                        .entry(entry)
                        .or_insert_with(|| ShardWriter::new(Vec::new()))
                        .append(&item)?;
                }
            }
        }
        Ok(())
    }
}
