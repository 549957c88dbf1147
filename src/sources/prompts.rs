//! Prompts as the study's text encoders read them: classes whose prompts come out alike are refused,
//! and what is cut off a prompt is said.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;

use super::remote::here;
use crate::ml::latent::layout::{
    ADDED_TOKENS, SPECIAL_TOKENS, TEXT, TOKENIZER, TOKENIZER_CONFIG, TOKENIZER_JSON,
};
use crate::ml::text::clip;
use crate::ml::text::settings::SettingsFiles;
use crate::ml::text::tokenizer::{ClipTokenizer, TokenizerError, Vocabulary};
use crate::plan::Input;
use crate::plan::pipeline::BaseInputs;
use crate::regular;
use crate::store::Store;
use crate::study::{Generator, LoadedStudy, Problem, StudyError};
use crate::vocabulary::Conditioning;

/// Checks the prompts of the study's generators with each tokenizer that is at hand; a base that the
/// study trains itself has none yet. Returns what is cut off prompts, a sentence each.
///
/// # Errors
/// If the prompts of two classes are the same tokens.
pub(super) fn check(
    loaded: &LoadedStudy,
    base: Option<&BaseInputs>,
    store: &Store,
) -> Result<Vec<String>> {
    let mut cut = Vec::new();
    let conditionings = [Conditioning::TextToImage, Conditioning::Inpainting];
    let folders = conditionings.into_iter().zip(loaded.pretrained_folders());
    for ((conditioning, folder), needed) in folders.zip(loaded.study.pipelines()) {
        let tokenizer = match (needed, folder) {
            (false, _) => None,
            (true, Some(folder)) => of_folder(&here(loaded, folder)?),
            (true, None) => base.and_then(|base| of_base(base, conditioning, store)),
        };
        let Some(tokenizer) = tokenizer else { continue };
        for (variant, generator) in loaded.study.generators() {
            if !generator.is_released() {
                let key = match variant {
                    "" => "generator.prompt".to_owned(),
                    variant => format!("generator.variants.{variant}.prompt"),
                };
                cut.extend(check_generator(loaded, &key, generator, &tokenizer)?);
            }
        }
    }
    let mut said = std::collections::HashSet::new();
    cut.retain(|sentence| said.insert(sentence.clone()));
    Ok(cut)
}

/// Refuses prompts of two classes that are the same tokens; what is cut off the others.
fn check_generator(
    loaded: &LoadedStudy,
    key: &str,
    generator: &Generator,
    tokenizer: &ClipTokenizer,
) -> Result<Vec<String>> {
    let (mut cut, mut classes) = (Vec::new(), HashMap::new());
    let length = tokenizer.context();
    for class in &loaded.study.images.classes {
        let prompt = generator.prompt_of(class);
        let lost = tokenizer.cut(&prompt)?;
        if let Some(other) = classes.insert(tokenizer.encode(&prompt)?, class) {
            let why = match &lost {
                Some(lost) => format!("once they are cut to its {length} tokens (off: {lost:?})"),
                None => format!("of its {length}"),
            };
            let message = format!(
                "`{key}`: the prompts of `{other}` and `{class}` are the same tokens to the text encoder, {why}: images of the two \
                 would be alike. Shorten the prompt, or name the classes otherwise"
            );
            let place = loaded.place(key);
            return Err(StudyError::Invalid(vec![Problem { place, message }]).into());
        }
        let sentence = |lost| {
            format!("the prompt of `{class}` is cut to {length} tokens: {lost:?} is left out")
        };
        cut.extend(lost.map(sentence));
    }
    let prior = &generator.dreambooth.prior;
    if generator.is_tuned() && prior.images > 0 {
        let sentence = |lost| {
            format!("the prompt of the prior is cut to {length} tokens: {lost:?} is left out")
        };
        cut.extend(tokenizer.cut(&prior.prompt)?.map(sentence));
    }
    Ok(cut)
}

/// The tokenizer of a pipeline's folder. What of it can't be read is for the task that reads all of
/// it to say.
fn of_folder(folder: &Path) -> Option<ClipTokenizer> {
    read(|name| regular::read(&folder.join(name)).ok())?.ok()
}

fn of_base(base: &BaseInputs, conditioning: Conditioning, store: &Store) -> Option<ClipTokenizer> {
    let Input::Imported(artifact) = &base.pipeline(conditioning).text else { return None };
    read(|name| store.objects().read(&artifact.entry(name)?.digest).ok())?.ok()
}

/// The tokenizer in the files that `file` gives by their names; none where one is missing.
fn read(
    file: impl Fn(&str) -> Option<Vec<u8>>,
) -> Option<std::result::Result<ClipTokenizer, TokenizerError>> {
    let config = String::from_utf8(file(TEXT.0)?).ok()?;
    let positions = clip::Config::from_json(&config).ok()?.max_position_embeddings;
    let vocabulary = match file(TOKENIZER.0) {
        Some(vocab_json) => Vocabulary { vocab_json, merges_txt: file(TOKENIZER.1)? },
        None => Vocabulary::from_tokenizer_json(&file(TOKENIZER_JSON)?).ok()?,
    };
    let [config, special, added] = [TOKENIZER_CONFIG, SPECIAL_TOKENS, ADDED_TOKENS].map(file);
    let files = SettingsFiles {
        config: config.as_deref(),
        special_tokens: special.as_deref(),
        added_tokens: added.as_deref(),
    };
    let tokenizer = ClipTokenizer::of(&vocabulary, positions);
    Some(tokenizer.and_then(|tokenizer| tokenizer.configured(files)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;
    use crate::study::Study;

    /// A study from the shipped base, whose texts have 48 tokens or so.
    fn checked(classes: &str, prompt: &str) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/smoke.toml");
        let path = folder.path().join("study.toml");
        let text = format!(
            "extends = {smoke:?}\n[images]\nclasses = {classes}\n[generator]\nprompt = {prompt:?}\n"
        );
        std::fs::write(&path, text).unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        sources::cut_prompts(&Study::load(&path, &[]).unwrap(), &store)
    }

    #[test]
    fn what_is_cut_off_a_prompt_is_said_and_classes_that_come_out_alike_are_refused() {
        let classes = r#"["lichen planus", "psoriasis"]"#;
        assert_eq!(checked(classes, "an image of {label}").unwrap(), [""; 0]);
        let long = "a skin disease seen from near ".repeat(20);
        let cut = checked(classes, &format!("{{label}}: {long}")).unwrap();
        assert_eq!(cut.len(), 2, "{cut:?}");
        assert!(cut[0].starts_with("the prompt of `lichen planus` is cut to "), "{cut:?}");
        assert!(cut[0].ends_with("seen from near\" is left out"), "{cut:?}");
        let refused = checked(classes, &format!("{long} {{label}}")).unwrap_err().to_string();
        assert!(
            refused.contains("`lichen planus` and `psoriasis` are the same tokens"),
            "{refused}"
        );
        assert!(refused.contains("study.toml:5:10: `generator.prompt`"), "{refused}");
        assert!(refused.contains("once they are cut to its "), "{refused}");
        let refused = checked(r#"["Psoriasis", "psoriasis"]"#, "an image of {label}");
        let refused = refused.map(drop).unwrap_err().to_string();
        assert!(refused.contains("`Psoriasis` and `psoriasis` are the same tokens"), "{refused}");
    }
}
