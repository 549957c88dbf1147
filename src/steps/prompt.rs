//! What the text encoder makes of a prompt and of the empty prompt, which guidance and dropped
//! captions need.

use candle_core::Tensor;

use super::base::Prompts;
use super::context::Context;
use super::{Outputs, StepError};
use crate::ml::params::StateDict;
use crate::plan::kinds;

const EMBEDDINGS: &str = "embeddings.safetensors";

/// Output: embeddings.safetensors with `prompt` and `empty`, [1, tokens, width] each, f32.
pub fn run(params: kinds::Prompt, context: &mut Context) -> Result<Outputs, StepError> {
    let prompts = Prompts::load(context, "text")?;
    let mut embeddings = StateDict::default();
    embeddings.insert("prompt", prompts.embed(&[&params.prompt])?);
    embeddings.insert("empty", prompts.embed(&[""])?);
    Ok(vec![(EMBEDDINGS.into(), embeddings.to_safetensors(candle_core::DType::F32)?)])
}

/// The embeddings of an input that such a task made: of its prompt and of the empty one.
pub fn read(context: &Context, role: &str) -> Result<(Tensor, Tensor), StepError> {
    let embeddings = StateDict::read(&context.read(role, EMBEDDINGS)?)?;
    let get = |name| {
        embeddings
            .get(name)
            .cloned()
            .ok_or_else(|| format!("input `{role}` has no embedding `{name}`"))
    };
    Ok((get("prompt")?, get("empty")?))
}
