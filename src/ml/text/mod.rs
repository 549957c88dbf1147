//! Prompts to token ids to the states that cross-attention reads.

pub mod clip;
pub mod tokenizer;
