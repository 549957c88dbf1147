//! CLIP's byte-level BPE tokenizer: reading, writing and training a vocabulary, prompts to ids of
//! one length.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::{Lowercase, NFC, Replace, replace::ReplacePattern};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{
    AddedToken, Decoder, NormalizedString, Normalizer, OffsetReferential, OffsetType,
    PaddingParams, PaddingStrategy, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior,
    Tokenizer, TruncationParams,
};

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
const END_OF_WORD: &str = "</w>";
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

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

/// A vocabulary in the two files of transformers' `CLIPTokenizer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Tokens and their numbers: vocab.json.
    pub vocab_json: Vec<u8>,
    /// Pairs to merge, in order: merges.txt.
    pub merges_txt: Vec<u8>,
}

impl Vocabulary {
    /// Byte-pair encoding (Sennrich et al. 2016) of the words of `captions`: the 256 bytes, each
    /// inside and at the end of a word, then merges of the most frequent pair (the first in byte
    /// order among equals), then start and end. At most `size` tokens; fewer where no pair occurs
    /// twice. The order of captions does not matter.
    ///
    /// # Errors
    /// If `size` has no room for bytes and special tokens.
    pub fn train(
        captions: impl IntoIterator<Item = impl AsRef<str>>,
        size: usize,
    ) -> Result<Self, TokenizerError> {
        let mut tokens = byte_alphabet();
        let floor = tokens.len() + 2;
        if size < floor {
            return Err(TokenizerError::TooSmall { size, floor });
        }
        let mut counts = BTreeMap::<String, u64>::new();
        for caption in captions {
            for word in words(caption.as_ref())? {
                *counts.entry(word).or_default() += 1;
            }
        }
        let mut spelled: Vec<(Vec<String>, u64)> =
            counts.iter().map(|(word, count)| (letters(word), *count)).collect();
        let mut merges = Vec::new();
        while tokens.len() + 2 < size {
            let Some((left, right)) = most_frequent_pair(&spelled) else { break };
            for (word, _) in &mut spelled {
                merge(word, &left, &right);
            }
            let token = format!("{left}{right}");
            // Two pairs can spell one token; its id is the first one's.
            if !tokens.contains(&token) {
                tokens.push(token);
            }
            merges.push(format!("{left} {right}"));
        }
        tokens.extend([START.to_owned(), END.to_owned()]);
        Ok(Self {
            vocab_json: ordered_json(&tokens)?,
            merges_txt: format!("#version: 0.2\n{}\n", merges.join("\n")).into_bytes(),
        })
    }
}

/// `{token: index}` in the order of `tokens`, one a line.
fn ordered_json(tokens: &[String]) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, PrettyFormatter::with_indent(b""));
    serde::Serializer::collect_map(&mut serializer, tokens.iter().zip(0u32..))?;
    Ok(json)
}

/// CLIP's first 512 tokens: the printable form of each byte, inside a word and at its end.
/// Printable bytes come first.
fn byte_alphabet() -> Vec<String> {
    let mut characters: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    characters.sort_unstable();
    let inside = characters.iter().map(|c| c.to_string());
    let last = characters.iter().map(|c| format!("{c}{END_OF_WORD}"));
    inside.chain(last).collect()
}

fn letters(word: &str) -> Vec<String> {
    let mut letters: Vec<String> = word.chars().map(String::from).collect();
    if let Some(last) = letters.last_mut() {
        last.push_str(END_OF_WORD);
    }
    letters
}

fn most_frequent_pair(spelled: &[(Vec<String>, u64)]) -> Option<(String, String)> {
    let mut pairs = BTreeMap::<(&str, &str), u64>::new();
    for (word, count) in spelled {
        for pair in word.windows(2) {
            *pairs.entry((&pair[0], &pair[1])).or_default() += count;
        }
    }
    let best = *pairs.values().max().filter(|count| **count > 1)?;
    let ((left, right), _) = pairs.into_iter().find(|(_, count)| *count == best)?;
    Some((left.to_owned(), right.to_owned()))
}

/// Joins each `left right` of `word`, from its start.
fn merge(word: &mut Vec<String>, left: &str, right: &str) {
    let mut at = 0;
    while at + 1 < word.len() {
        if word[at] == left && word[at + 1] == right {
            let tail = word.remove(at + 1);
            word[at].push_str(&tail);
        }
        at += 1;
    }
}

fn normalizer() -> Result<tokenizers::normalizers::Sequence, TokenizerError> {
    let spaces = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ")?;
    Ok(tokenizers::normalizers::Sequence::new(vec![NFC.into(), spaces.into(), Lowercase.into()]))
}

fn pre_tokenizer() -> Result<PreTokenizers, TokenizerError> {
    let split =
        Split::new(SplitPattern::Regex(WORDS.to_owned()), SplitDelimiterBehavior::Removed, true)?;
    Ok(PreTokenizers::new(vec![split.into(), ByteLevel::new(false, true, true).into()]))
}

/// The words of a caption, in the byte alphabet, as the tokenizer splits them.
fn words(caption: &str) -> Result<Vec<String>, TokenizerError> {
    let mut text = NormalizedString::from(caption);
    normalizer()?.normalize(&mut text)?;
    let mut split = PreTokenizedString::from(text);
    pre_tokenizer()?.pre_tokenize(&mut split)?;
    let words = split.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    Ok(words.into_iter().map(|(word, _, _)| word.to_owned()).collect())
}

/// Prompts to ids of one length, as transformers' `CLIPTokenizer` gives them with
/// `padding="max_length", truncation=True`.
pub struct ClipTokenizer {
    inner: Tokenizer,
    size: usize,
    start: u32,
    end: u32,
}

impl ClipTokenizer {
    /// Reads the bytes of `vocab.json` and `merges.txt`; texts become `context_length` ids.
    ///
    /// # Errors
    /// If the files are not a vocabulary, or a context has no room for a token.
    pub fn new(
        vocab_json: &[u8],
        merges_txt: &[u8],
        context_length: usize,
    ) -> Result<Self, TokenizerError> {
        if context_length < 2 {
            return Err(TokenizerError::Context { length: context_length });
        }
        let vocab: HashMap<String, u32> = serde_json::from_slice(vocab_json)?;
        let id = |token: &str| {
            vocab
                .get(token)
                .copied()
                .ok_or_else(|| TokenizerError::Lacking { token: token.to_owned() })
        };
        let (start, end, size) = (id(START)?, id(END)?, vocab.len());
        for token in byte_alphabet() {
            id(&token)?;
        }
        let model = BPE::builder()
            .vocab_and_merges(
                vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>(),
                parse_merges(merges_txt)?,
            )
            .unk_token(END.to_owned())
            .end_of_word_suffix(END_OF_WORD.to_owned())
            .build()?;
        let mut inner = Tokenizer::new(model);
        inner.with_normalizer(Some(normalizer()?))?.with_pre_tokenizer(Some(pre_tokenizer()?));
        inner.with_post_processor(Some(
            RobertaProcessing::new((END.to_owned(), end), (START.to_owned(), start))
                .trim_offsets(false),
        ));
        inner.add_special_tokens([AddedToken::from(START, true), AddedToken::from(END, true)])?;
        inner.with_truncation(Some(TruncationParams {
            max_length: context_length,
            ..Default::default()
        }))?;
        let strategy = PaddingStrategy::Fixed(context_length);
        inner.with_padding(Some(PaddingParams {
            strategy,
            pad_id: end,
            pad_token: END.to_owned(),
            ..Default::default()
        }));
        Ok(Self { inner, size, start, end })
    }

    /// The same, with texts filled up by the token that the bytes of `tokenizer_config.json` and
    /// `special_tokens_map.json` name, if one does, instead of the end's. As in transformers the
    /// second wins over a config without `added_tokens_decoder`: so Stable Diffusion 2's texts are
    /// filled up by `!`, which its config does not say.
    ///
    /// # Errors
    /// If a file is not JSON, or the vocabulary lacks the padding token.
    pub fn padded_as(
        mut self,
        config: Option<&[u8]>,
        special_tokens: Option<&[u8]>,
    ) -> Result<Self, TokenizerError> {
        let parsed = |name, bytes: Option<&[u8]>| -> Result<Value, TokenizerError> {
            let of_file = |problem| TokenizerError::Json { name, problem };
            bytes.map_or(Ok(Value::Null), |bytes| serde_json::from_slice(bytes).map_err(of_file))
        };
        let config = parsed("tokenizer_config.json", config)?;
        let special = parsed("special_tokens_map.json", special_tokens)?;
        // A string, or an object that has it as its content.
        let padding = |of: &Value| {
            let token = of.get("pad_token")?;
            token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
        };
        let decided = config.get("added_tokens_decoder").is_some();
        let Some(token) =
            Some(&special).filter(|_| !decided).and_then(padding).or_else(|| padding(&config))
        else {
            return Ok(self);
        };
        let id = self
            .inner
            .token_to_id(&token)
            .ok_or_else(|| TokenizerError::Lacking { token: token.clone() })?;
        // Special tokens are no part of words.
        self.inner.add_special_tokens([AddedToken::from(token.clone(), true)])?;
        if let Some(padding) = self.inner.get_padding_mut() {
            (padding.pad_id, padding.pad_token) = (id, token);
        }
        Ok(self)
    }

    /// Reads a vocabulary; see [`ClipTokenizer::new`].
    ///
    /// # Errors
    /// As [`ClipTokenizer::new`].
    pub fn of(vocabulary: &Vocabulary, context_length: usize) -> Result<Self, TokenizerError> {
        Self::new(&vocabulary.vocab_json, &vocabulary.merges_txt, context_length)
    }

    /// Number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.size
    }

    /// The id that begins every text.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The id that ends every text and fills it up to the context length.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// `context_length` ids of `text`: start, its tokens as far as they fit, end, padding.
    ///
    /// # Errors
    /// If the tokenizers library fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.inner.encode(text, true)?.get_ids().to_vec())
    }

    /// The text of `ids`, lowercase, its words a space apart, without start, end and padding.
    ///
    /// # Errors
    /// If the tokenizers library fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let mut tokens = Vec::new();
        for &id in ids.iter().filter(|id| ![self.start, self.end].contains(id)) {
            let token = self
                .inner
                .id_to_token(id)
                .ok_or_else(|| TokenizerError::Lacking { token: format!("#{id}") })?;
            tokens.push(match token.strip_suffix(END_OF_WORD) {
                Some(word) => format!("{word}Ġ"),
                None => token,
            });
        }
        Ok(ByteLevel::default().decode_chain(tokens)?.concat().trim_end().to_owned())
    }
}

fn parse_merges(merges_txt: &[u8]) -> Result<Vec<(String, String)>, TokenizerError> {
    let text = String::from_utf8_lossy(merges_txt);
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with("#version"));
    let pair = |(at, line): (usize, &str)| match line.split_once(' ') {
        Some((left, right)) if !right.contains(' ') => Ok((left.to_owned(), right.to_owned())),
        _ => Err(TokenizerError::Merges { line: at + 1 }),
    };
    lines.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTIONS: [&str; 4] = [
        "An image of psoriasis, a skin disease",
        "An image of lichen planus, a skin disease",
        "An image of lupus erythematosus, a skin disease",
        "An image of sarcoidosis, a skin disease",
    ];

    fn trained(size: usize) -> Vocabulary {
        Vocabulary::train(CAPTIONS, size).unwrap()
    }

    #[test]
    fn trained_vocabulary_is_the_same_each_time() {
        let vocabulary = trained(530);
        let backwards: Vec<&str> = CAPTIONS.into_iter().rev().collect();
        assert_eq!(vocabulary, Vocabulary::train(backwards, 530).unwrap());
        // "as" and "ma" occur five times each.
        let merges = String::from_utf8(vocabulary.merges_txt.clone()).unwrap();
        assert!(merges.starts_with("#version: 0.2\na s\nm a\na n</w>\n"), "{merges}");
        assert_eq!(merges.lines().count(), 1 + 530 - 514);
        let tokenizer = ClipTokenizer::of(&vocabulary, 16).unwrap();
        assert_eq!((tokenizer.vocab_size(), tokenizer.start(), tokenizer.end()), (530, 528, 529));
        assert!(Vocabulary::train(CAPTIONS, 500).is_err());
    }

    #[test]
    fn texts_come_back() {
        let tokenizer = ClipTokenizer::of(&trained(600), 48).unwrap();
        for (text, expected) in [
            ("An image of  PSORIASIS, a skin\ndisease", "an image of psoriasis , a skin disease"),
            ("Kératose zoster 42 naïve", "kératose zoster 4 2 naïve"),
            ("皮膚 🩺", "皮膚 🩺"),
            ("", ""),
        ] {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(ids.len(), 48);
            assert_eq!((ids[0], ids[47]), (tokenizer.start(), tokenizer.end()));
            assert_eq!(tokenizer.decode(&ids).unwrap(), expected);
        }
    }

    #[test]
    fn frequent_words_are_one_token_and_long_texts_are_cut() {
        let tokenizer = ClipTokenizer::of(&trained(600), 8).unwrap();
        let ids = tokenizer.encode("skin disease").unwrap();
        assert_eq!(
            ids.iter().filter(|id| **id != tokenizer.end()).count(),
            3,
            "start and two words: {ids:?}"
        );
        let long = tokenizer.encode("image of a skin disease image of a skin disease").unwrap();
        assert_eq!((long.len(), long[7]), (8, tokenizer.end()));
        assert_eq!(tokenizer.decode(&long).unwrap(), "image of a skin disease image");
    }

    /// CLIP's own first ids: "!" is 0, "a" is 64, "!</w>" is 256, "a</w>" is 320.
    #[test]
    fn the_byte_alphabet_lies_as_in_clip() {
        let vocab: HashMap<String, u32> = serde_json::from_slice(&trained(514).vocab_json).unwrap();
        for (token, id) in [("!", 0), ("a", 64), ("!</w>", 256), ("a</w>", 320)] {
            assert_eq!(vocab[token], id, "{token}");
        }
    }

    #[test]
    fn unreadable_files_are_refused() {
        let good = trained(520);
        let check = |vocab: &[u8], merges: &[u8]| {
            ClipTokenizer::new(vocab, merges, 8).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(check(b"[1]", &good.merges_txt).starts_with("vocab.json is not a map"));
        assert!(check(b"{}", &good.merges_txt).contains(START));
        assert!(check(&good.vocab_json, b"#version: 0.2\na b\nabc\n").contains("line 3"));
    }
}
