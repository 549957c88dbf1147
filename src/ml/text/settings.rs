//! The files beside a CLIP vocabulary: the token that fills a text up, the length that texts are cut
//! and filled up to, and tokens that were added to the vocabulary.

use serde_json::Value;

use super::error::TokenizerError;

/// The bytes of a tokenizer's files beside its vocabulary, those that there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct SettingsFiles<'a> {
    /// `tokenizer_config.json`.
    pub config: Option<&'a [u8]>,
    /// `special_tokens_map.json`.
    pub special_tokens: Option<&'a [u8]>,
    /// `added_tokens.json`, as transformers wrote it until its fourth version.
    pub added_tokens: Option<&'a [u8]>,
}

/// A tokenizer's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// The token that texts are filled up by; none: the end's.
    pub padding: Option<String>,
    /// Tokens that a text is cut and filled up to; none: as many as the encoder has positions.
    pub length: Option<usize>,
    /// Tokens that are taken whole out of a text, each once.
    pub added: Vec<String>,
}

impl Settings {
    /// Reads the files. As in transformers, `special_tokens_map.json` names the padding before a
    /// config without `added_tokens_decoder`: so Stable Diffusion 2's texts are filled up by `!`,
    /// which its config does not say. diffusers fills prompts up to the config's
    /// `model_max_length`; a number that no text reaches (transformers' "unlimited") is none.
    pub fn read(files: SettingsFiles<'_>) -> Result<Self, TokenizerError> {
        let config = parsed("tokenizer_config.json", files.config)?;
        let special = parsed("special_tokens_map.json", files.special_tokens)?;
        let listed = parsed("added_tokens.json", files.added_tokens)?;
        let decoder = config.get("added_tokens_decoder");
        let padding = |of: &Value| of.get("pad_token").and_then(content);
        let padding = Some(&special)
            .filter(|_| decoder.is_none())
            .and_then(padding)
            .or_else(|| padding(&config));
        let length = config.get("model_max_length").and_then(Value::as_f64);
        let length = length.filter(|length| (0.0..1e9).contains(length));
        let mut added = Vec::new();
        let decoded = decoder.and_then(Value::as_object).into_iter().flatten();
        added.extend(decoded.filter_map(|(_, token)| content(token)));
        added.extend(listed.as_object().into_iter().flatten().map(|(token, _)| token.clone()));
        for of in [&config, &special] {
            let more = of.get("additional_special_tokens").and_then(Value::as_array);
            added.extend(more.into_iter().flatten().filter_map(content));
        }
        added.sort_unstable();
        added.dedup();
        Ok(Self { padding, length: length.map(|length| length as usize), added })
    }
}

fn parsed(name: &'static str, bytes: Option<&[u8]>) -> Result<Value, TokenizerError> {
    let of_file = |problem| TokenizerError::Json { name, problem };
    bytes.map_or(Ok(Value::Null), |bytes| serde_json::from_slice(bytes).map_err(of_file))
}

/// A token: a string, or an object that has it as its content.
fn content(token: &Value) -> Option<String> {
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
}
