//! Prompts to token ids to the states that cross-attention reads.

pub mod clip;
mod error;
pub mod settings;
pub mod tokenizer;
mod tokenizer_json;
