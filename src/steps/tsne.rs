//! Synthetic and held-out real images in one plane by t-SNE.

use super::context::{Context, json_output};
use super::quality::Sets;
use super::{Outputs, StepError};
use crate::plan::kinds;
use crate::stats::quality::embed;

/// Output: tsne.json, null where there are too few images to have neighbours.
pub fn run(params: kinds::Tsne, context: &mut Context) -> Result<Outputs, StepError> {
    let sets = Sets::read(&params.compared, context)?;
    let embedded = embed(&sets.images(), params.most, params.perplexity);
    Ok(vec![json_output("tsne.json", &embedded)])
}
