//! Why a tokenizer can't be had, or a text not be tokenised.

/// Why a vocabulary could not be read or trained, or a text not be tokenised.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum TokenizerError {
    /// vocab.json cannot be read.
    #[error("vocab.json is not a map of tokens to ids: {0}")]
    Vocab(#[from] serde_json::Error),
    /// Another JSON file cannot be read.
    #[error("{name} is not JSON: {problem}")]
    Json { name: &'static str, problem: serde_json::Error },
    /// A line of merges.txt is not a pair.
    #[error("merges.txt line {line} is not two tokens apart by a space")]
    Merges { line: usize },
    /// The vocabulary lacks a token that it needs.
    #[error("the vocabulary lacks the token {token}")]
    Lacking { token: String },
    /// Tokens were added to the vocabulary, as textual inversion does.
    #[error(
        "the tokenizer has added tokens that its vocabulary lacks, as textual inversion makes them: {}; they are not read, so take \
         the pipeline as it was before",
        listed(tokens)
    )]
    Added { tokens: Vec<String> },
    /// A tokenizer.json of another kind.
    #[error("tokenizer.json is not of CLIP's tokenizer: {what}")]
    NotClip { what: String },
    /// A vocabulary smaller than its bytes and special tokens.
    #[error("a vocabulary of {size} has no room for the {floor} tokens of the byte alphabet")]
    TooSmall { size: usize, floor: usize },
    /// A context without room for a token between start and end.
    #[error("a context of {length} tokens has no room for start and end")]
    Context { length: usize },
    /// The tokenizers library failed.
    #[error("tokenizer: {0}")]
    Library(#[from] tokenizers::Error),
}

/// The first five tokens, and how many more there are.
fn listed(tokens: &[String]) -> String {
    let shown = tokens.iter().take(5).map(|token| format!("`{token}`")).collect::<Vec<_>>();
    match tokens.len().saturating_sub(5) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
