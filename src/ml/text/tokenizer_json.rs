//! `tokenizer.json`, the one file that transformers 5 saves of a tokenizer, as the two files of a
//! CLIP vocabulary.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::TokenizerError;
use super::tokenizer::{END, END_OF_WORD, START, Vocabulary, write_vocabulary};

impl Vocabulary {
    /// The vocabulary in the bytes of a `tokenizer.json`.
    ///
    /// # Errors
    /// If it is not JSON, is of another tokenizer than CLIP's, or has added tokens that its
    /// vocabulary lacks.
    pub fn from_tokenizer_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        const NAME: &str = "tokenizer.json";
        let of_file = |problem| TokenizerError::Json { name: NAME, problem };
        let json: Value = serde_json::from_slice(bytes).map_err(of_file)?;
        let model = &json["model"];
        let not_clip = |what: &str| TokenizerError::NotClip { what: what.to_owned() };
        if model.get("type").is_some_and(|kind| kind != "BPE") {
            return Err(not_clip(&format!("its model is {}", model["type"])));
        }
        if model["end_of_word_suffix"] != END_OF_WORD {
            return Err(not_clip(&format!("its words do not end in {END_OF_WORD}")));
        }
        for (key, kind) in [("normalizer", "Lowercase"), ("pre_tokenizer", "ByteLevel")] {
            if !names_type(&json[key], kind) {
                return Err(not_clip(&format!("its {key} has no {kind}")));
            }
        }
        let id = |id: &Value| id.as_u64().and_then(|id| u32::try_from(id).ok());
        let vocab = model["vocab"].as_object().into_iter().flatten();
        let vocab = vocab.map(|(token, number)| Some((token.clone(), id(number)?)));
        let mut vocab = vocab
            .collect::<Option<BTreeMap<_, _>>>()
            .ok_or_else(|| not_clip("its vocabulary has ids that are no numbers"))?;
        let mut unknown = Vec::new();
        for added in json["added_tokens"].as_array().into_iter().flatten() {
            let token = added["content"].as_str().unwrap_or_default();
            match (vocab.contains_key(token), id(&added["id"])) {
                (true, _) => {}
                (false, Some(id)) if [START, END].contains(&token) => {
                    vocab.insert(token.to_owned(), id);
                }
                _ => unknown.push(token.to_owned()),
            }
        }
        if !unknown.is_empty() {
            return Err(TokenizerError::Added { tokens: unknown });
        }
        let merges = model["merges"].as_array().into_iter().flatten().map(merge);
        let merges = merges
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| not_clip("a merge is not two tokens without spaces"))?;
        let mut tokens = vocab.into_iter().collect::<Vec<_>>();
        tokens.sort_unstable_by_key(|(_, id)| *id);
        Ok(Self {
            vocab_json: write_vocabulary(tokens.iter().map(|(token, id)| (token, *id)))?,
            merges_txt: format!("#version: 0.2\n{}\n", merges.join("\n")).into_bytes(),
        })
    }
}

/// A line of merges.txt: the file has pairs as one string or as two.
fn merge(pair: &Value) -> Option<String> {
    let line = match pair {
        Value::String(line) => line.clone(),
        Value::Array(pair) => match &pair[..] {
            [Value::String(left), Value::String(right)] => format!("{left} {right}"),
            _ => return None,
        },
        _ => return None,
    };
    let whole = line.split(' ').count() == 2 && !line.contains(['\n', '\r']);
    whole.then_some(line)
}

/// Whether a part of a tokenizer, or one of a sequence of them, is of the type `kind`.
fn names_type(part: &Value, kind: &str) -> bool {
    part["type"] == kind
        || ["normalizers", "pretokenizers"]
            .iter()
            .filter_map(|list| part[*list].as_array())
            .flatten()
            .any(|part| names_type(part, kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ml::text::tokenizer::ClipTokenizer;

    fn saved(vocabulary: &Vocabulary, as_pairs: bool) -> Value {
        let vocab: Value = serde_json::from_slice(&vocabulary.vocab_json).unwrap();
        let merges = String::from_utf8(vocabulary.merges_txt.clone()).unwrap();
        let merges = merges.lines().skip(1).map(|line| match as_pairs {
            true => json!(line.split(' ').collect::<Vec<_>>()),
            false => json!(line),
        });
        let added = [START, END].map(|token| json!({ "id": vocab[token], "content": token }));
        json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": { "type": "Sequence", "normalizers": [{ "type": "NFC" }, { "type": "Lowercase" }] },
            "pre_tokenizer": { "type": "Sequence", "pretokenizers": [{ "type": "Split" }, { "type": "ByteLevel" }] },
            "model": {
                "type": "BPE", "end_of_word_suffix": "</w>", "vocab": vocab,
                "merges": merges.collect::<Vec<_>>(),
            },
        })
    }

    #[test]
    fn a_clip_tokenizer_of_transformers_5_is_the_same_vocabulary() {
        let captions = ["an image of psoriasis", "an image of lichen planus, a skin disease"];
        let trained = Vocabulary::train(captions, 540).unwrap();
        let expected = ClipTokenizer::of(&trained, 16).unwrap();
        for as_pairs in [false, true] {
            let mut json = saved(&trained, as_pairs);
            if as_pairs {
                // The ends may be among the added tokens alone.
                json["model"]["vocab"].as_object_mut().unwrap().remove(END);
            }
            let read = Vocabulary::from_tokenizer_json(json.to_string().as_bytes()).unwrap();
            assert_eq!(read, trained);
            let ids = ClipTokenizer::of(&read, 16).unwrap().encode(captions[1]).unwrap();
            assert_eq!(ids, expected.encode(captions[1]).unwrap());
        }
    }

    #[test]
    fn other_tokenizers_are_refused_by_what_they_are() {
        let good = saved(&Vocabulary::train(["skin"], 520).unwrap(), true);
        let said = |edit: &dyn Fn(&mut Value)| {
            let mut json = good.clone();
            edit(&mut json);
            Vocabulary::from_tokenizer_json(json.to_string().as_bytes()).unwrap_err().to_string()
        };
        for (edit, expected) in [
            (
                (&|json: &mut Value| json["model"]["type"] = json!("Unigram"))
                    as &dyn Fn(&mut Value),
                "its model is \"Unigram\"",
            ),
            (&|json| json["model"]["end_of_word_suffix"] = Value::Null, "do not end in </w>"),
            (&|json| json["normalizer"] = Value::Null, "its normalizer has no Lowercase"),
            (&|json| json["model"]["merges"] = json!(["a b c"]), "a merge is not two tokens"),
            (&|json| json["model"]["vocab"]["a"] = json!("x"), "ids that are no numbers"),
            (
                &|json| json["added_tokens"] = json!([{ "id": 999, "content": "<mole>" }]),
                "`<mole>`",
            ),
        ] {
            let said = said(edit);
            assert!(said.contains(expected), "{said:?} has no {expected:?}");
        }
        assert!(Vocabulary::from_tokenizer_json(b"<html>").is_err());
    }
}
