//! CLIP's byte-level BPE tokenizer: reading, writing and training a vocabulary, prompts to ids of
//! one length.

use std::collections::{BTreeMap, HashMap};

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

pub use super::error::TokenizerError;
use super::settings::{Settings, SettingsFiles};

pub(super) const START: &str = "<|startoftext|>";
pub(super) const END: &str = "<|endoftext|>";
pub(super) const END_OF_WORD: &str = "</w>";
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

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
            vocab_json: write_vocabulary(tokens.iter().zip(0u32..))?,
            merges_txt: format!("#version: 0.2\n{}\n", merges.join("\n")).into_bytes(),
        })
    }
}

/// vocab.json: `{token: id}` in the order of `tokens`, one a line.
pub(super) fn write_vocabulary<'a>(
    tokens: impl Iterator<Item = (&'a String, u32)>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, PrettyFormatter::with_indent(b""));
    serde::Serializer::collect_map(&mut serializer, tokens)?;
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
    /// Ids of a text.
    context: usize,
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
        Ok(Self { inner, context: context_length, size, start, end })
    }

    /// The same as the files beside the vocabulary say: filled up by their padding token instead of
    /// the end, and cut to their length where that is shorter than the context. Longer texts than
    /// the encoder has positions for it can't take, so a longer one says nothing.
    ///
    /// # Errors
    /// If a file is not JSON, its length has no room for a token, or the vocabulary lacks one of
    /// their tokens.
    pub fn configured(mut self, files: SettingsFiles<'_>) -> Result<Self, TokenizerError> {
        let Settings { padding, length, added } = Settings::read(files)?;
        let lacks = |token: &&String| self.inner.token_to_id(token).is_none();
        let unknown = added.iter().filter(lacks).cloned().collect::<Vec<_>>();
        if !unknown.is_empty() {
            return Err(TokenizerError::Added { tokens: unknown });
        }
        if let Some(token) = &padding {
            let id = self.inner.token_to_id(token);
            let id = id.ok_or_else(|| TokenizerError::Lacking { token: token.clone() })?;
            if let Some(padding) = self.inner.get_padding_mut() {
                (padding.pad_id, padding.pad_token) = (id, token.clone());
            }
        }
        // Such tokens are no part of words.
        let whole = added.into_iter().chain(padding).map(|token| AddedToken::from(token, true));
        self.inner.add_special_tokens(whole)?;
        match length {
            Some(length) if length < self.context => self.cut_to(length),
            _ => Ok(self),
        }
    }

    /// The same, with texts of `length` ids.
    fn cut_to(mut self, length: usize) -> Result<Self, TokenizerError> {
        if length < 3 {
            return Err(TokenizerError::Context { length });
        }
        self.inner
            .with_truncation(Some(TruncationParams { max_length: length, ..Default::default() }))?;
        if let Some(padding) = self.inner.get_padding_mut() {
            padding.strategy = PaddingStrategy::Fixed(length);
        }
        self.context = length;
        Ok(self)
    }

    /// Reads a vocabulary; see [`ClipTokenizer::new`].
    ///
    /// # Errors
    /// As [`ClipTokenizer::new`].
    pub fn of(vocabulary: &Vocabulary, context_length: usize) -> Result<Self, TokenizerError> {
        Self::new(&vocabulary.vocab_json, &vocabulary.merges_txt, context_length)
    }

    /// Ids of every text.
    pub fn context(&self) -> usize {
        self.context
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

    /// The end of `text` for which there is no room, as its tokens read; none where all of it fits.
    ///
    /// # Errors
    /// If the tokenizers library fails.
    pub fn cut(&self, text: &str) -> Result<Option<String>, TokenizerError> {
        let mut whole = self.inner.clone();
        whole.with_truncation(None)?.with_padding(None);
        let ids = whole.encode(text, true)?.get_ids().to_vec();
        let beyond = ids.get(self.context - 1..).filter(|beyond| beyond.len() > 1);
        beyond.map(|beyond| self.decode(beyond)).transpose()
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
        let cut = tokenizer.cut("image of a skin disease image of a skin disease").unwrap();
        assert_eq!(cut.as_deref(), Some("of a skin disease"));
        assert_eq!(tokenizer.cut("image of a skin disease image").unwrap(), None);
    }

    fn configured(config: &str, added: Option<&str>) -> Result<ClipTokenizer, String> {
        let files = SettingsFiles {
            config: Some(config.as_bytes()),
            added_tokens: added.map(str::as_bytes),
            ..SettingsFiles::default()
        };
        let tokenizer = ClipTokenizer::of(&trained(600), 16).unwrap();
        tokenizer.configured(files).map_err(|error| error.to_string())
    }

    /// diffusers pads to `model_max_length`; where nothing or more than the encoder takes is said, to
    /// the encoder's positions.
    #[test]
    fn texts_are_as_long_as_the_tokenizer_says() {
        for (config, expected) in [
            ("{}", 16),
            (r#"{"model_max_length": 8}"#, 8),
            (r#"{"model_max_length": 77}"#, 16),
            (r#"{"model_max_length": 1000000000000000019884624838656}"#, 16),
        ] {
            let tokenizer = configured(config, None).unwrap();
            let ids = tokenizer.encode("skin disease").unwrap();
            assert_eq!((ids.len(), tokenizer.context()), (expected, expected), "{config}");
            let long = tokenizer.encode(&"skin ".repeat(40)).unwrap();
            assert_eq!((long.len(), long[expected - 1]), (expected, tokenizer.end()), "{config}");
        }
        let error = configured(r#"{"model_max_length": 2}"#, None).err().unwrap();
        assert_eq!(error, "a context of 2 tokens has no room for start and end");
    }

    #[test]
    fn added_tokens_that_the_vocabulary_lacks_are_refused_by_name() {
        let decoder =
            r#"{"added_tokens_decoder": {"0": {"content": "!"}, "600": {"content": "<mole>"}}}"#;
        let special = r#"{"additional_special_tokens": ["<mole>"]}"#;
        let listed = r#"{"<mole>": 600}"#;
        for (config, added) in [(decoder, None), (special, None), ("{}", Some(listed))] {
            let error = configured(config, added).err().unwrap();
            assert!(error.contains("added tokens") && error.contains("`<mole>`"), "{error}");
        }
        assert!(configured("{}", Some(r#"{"!": 0}"#)).is_ok());
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
