//! Contact sheets: real images beside the synthetic ones made from them, class by class.

use super::context::Context;
use super::images::shard;
use super::{Outputs, StepError};
use crate::data::{Item, RgbImage, sheet};
use crate::plan::params;

/// Screen pixels for one image pixel.
const SCALE: usize = 2;

/// Outputs: real.png, base.png (the untuned model) and one sheet a strategy; a row a class, a column a source.
pub fn run(context: &mut Context) -> Result<Outputs, StepError> {
    let params: params::Contact = context.params()?;
    let pool = shard(context, "pool")?;
    let mut real = Vec::new();
    for class in &params.classes {
        let of_class = pool.iter().filter(|item| item.label == *class).collect::<Vec<_>>();
        real.extend(params.sources[class].iter().map(|&position| of_class[position].clone()));
    }
    let columns = params.sources.values().map(Vec::len).max().unwrap_or(1);
    let mut outputs = vec![("real.png".to_owned(), picture(&real, columns)?)];
    let mut strategies = params.strategies.iter().map(|strategy| strategy.name()).collect::<Vec<_>>();
    strategies.push("base");
    for strategy in strategies {
        let mut shown = Vec::new();
        for class in &params.classes {
            let ids = real.iter().filter(|item| item.label == *class).map(|item| item.id.clone()).collect::<Vec<_>>();
            let mut items = Vec::new();
            for role in context.roles(&format!("{strategy}/{class}/")) {
                items.extend(shard(context, role)?);
            }
            for id in ids {
                shown.extend(items.iter().find(|item| item.synthetic.as_ref().is_some_and(|made| made.md5hash == id)).cloned());
            }
        }
        if !shown.is_empty() {
            outputs.push((format!("{strategy}.png"), picture(&shown, columns)?));
        }
    }
    Ok(outputs)
}

fn picture(items: &[Item], columns: usize) -> Result<Vec<u8>, StepError> {
    let images = items.iter().map(|item| &item.image).collect::<Vec<&RgbImage>>();
    Ok(sheet::contact_sheet(&images, columns, SCALE).to_png("contact sheet")?)
}
