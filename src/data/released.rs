//! The released synthetic set (lukemelas/synthetic-derm): what its shards and their records are
//! called, in titrate's words.
//!
//! Shards are `shard-<label>-<method>-<submethod>-<number>.tar`, or, shuffled for training,
//! `shard-<method>-<number>.tar`; words are joined by `_` in some versions and by `-` in others.

use super::Synthetic;

/// Methods of the released set and of titrate's own shards as slugs, and the strategies that they
/// are. An empty submethod is any.
const METHODS: [(&str, &str, &str); 6] = [
    ("finetune-text-to-image", "", "text-to-image"),
    ("finetune-inpaint", "inpaint", "inpaint"),
    ("finetune-inpaint", "inpaint-outpaint", "in-then-outpaint"),
    ("text-to-image", "dreambooth", "text-to-image"),
    ("inpaint", "dreambooth", "inpaint"),
    ("in-then-outpaint", "dreambooth", "in-then-outpaint"),
];

/// A name in small letters and digits, joined by `-`: "Basal_cell carcinoma" is
/// `basal-cell-carcinoma`.
pub fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

/// The name of the strategy by which a tuned model made an image; none of an untuned one's.
pub fn strategy(made: &Synthetic) -> Option<&'static str> {
    let (method, submethod) = (slug(&made.method), slug(&made.submethod));
    let found = METHODS
        .iter()
        .find(|(known, sub, _)| method == *known && (sub.is_empty() || submethod == *sub));
    found.map(|(_, _, strategy)| *strategy)
}

/// Whether a shard of this file name may have images of one of `classes` by one of `strategies`:
/// false only where the name says that it has none.
pub fn may_have(file: &str, classes: &[String], strategies: &[&str]) -> bool {
    let name = slug(file.trim_end_matches(".tar"));
    let Some(name) = name.strip_prefix("shard-") else { return true };
    let model =
        ["finetune-", "pretrained-"].into_iter().find_map(|model| Some((name.find(model)?, model)));
    let Some((at, model)) = model else { return true };
    let (label, rest) = (name[..at].trim_end_matches('-'), &name[at..]);
    let by = |&(method, submethod, strategy): &(&str, &str, &str)| {
        let Some(rest) = rest.strip_prefix(method) else { return false };
        let rest = rest
            .trim_start_matches('-')
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .trim_end_matches('-');
        strategies.contains(&strategy)
            && (rest.is_empty() || submethod.is_empty() || rest == submethod)
    };
    let labelled = label.is_empty() || classes.iter().any(|class| slug(class) == label);
    model == "finetune-" && labelled && METHODS.iter().any(by)
}

/// Where an image stands among all that were made from one source: by its tag, numbers in it by
/// their values, then by its number.
pub fn order(made: &Synthetic) -> (String, u64, u32, String) {
    let word = made.tag.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = made.tag[word.len()..].parse().unwrap_or(0);
    (word.to_owned(), number, made.generation_num, made.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(method: &str, submethod: &str) -> Synthetic {
        let text = |text: &str| text.to_owned();
        Synthetic {
            name: text("a.png"),
            md5hash: text("ff"),
            method: text(method),
            submethod: text(submethod),
            generation_num: 0,
            tag: String::new(),
        }
    }

    #[test]
    fn methods_of_every_version_are_known_and_untuned_ones_are_not() {
        let cases = [
            ("finetune_text_to_image", "text-to-image", Some("text-to-image")),
            ("finetune-text-to-image", "text_to_image", Some("text-to-image")),
            ("finetune_inpaint", "inpaint", Some("inpaint")),
            ("finetune-inpaint", "inpaint-outpaint", Some("in-then-outpaint")),
            ("pretrained_inpaint", "inpaint", None),
            ("pretrained-text-to-image", "text-to-image", None),
            ("inpaint", "dreambooth", Some("inpaint")),
            ("text-to-image", "base", None),
        ];
        for (method, submethod, expected) in cases {
            assert_eq!(strategy(&made(method, submethod)), expected, "{method}, {submethod}");
        }
    }

    #[test]
    fn a_name_rules_out_what_it_says() {
        let classes = ["psoriasis".to_owned(), "basal cell carcinoma".to_owned()];
        let cases = [
            (
                "shard-psoriasis-finetune-inpaint-inpaint-outpaint-00000.tar",
                &["in-then-outpaint"][..],
                true,
            ),
            ("shard-psoriasis-finetune-inpaint-inpaint-outpaint-00000.tar", &["inpaint"], false),
            ("shard-basal-cell-carcinoma-finetune-inpaint-inpaint-00012.tar", &["inpaint"], true),
            ("shard-sarcoidosis-finetune-inpaint-inpaint-00000.tar", &["inpaint"], false),
            ("shard-all-finetune-text-to-image-text-to-image-00003.tar", &["text-to-image"], false),
            ("shard-finetune-text-to-image-00133.tar", &["text-to-image"], true),
            ("shard-finetune-text-to-image-00133.tar", &["inpaint"], false),
            ("shard-finetune-inpaint-00001.tar", &["in-then-outpaint"], true),
            ("shard-pretrained-inpaint-00000.tar", &["inpaint"], false),
            ("mine-00000.tar", &["inpaint"], true),
            ("shard-00000.tar", &["inpaint"], true),
        ];
        for (file, strategies, expected) in cases {
            assert_eq!(may_have(file, &classes, strategies), expected, "{file} for {strategies:?}");
        }
    }

    #[test]
    fn numbers_come_as_numbers_and_as_text() {
        for (json, expected) in
            [("7", Some(7)), ("\"07\"", Some(7)), ("\"x\"", None), ("-1", None), ("[]", None)]
        {
            let json = format!(
                r#"{{"md5hash":"ff","method":"finetune_inpaint","generation_num":{json}}}"#
            );
            assert_eq!(
                serde_json::from_str::<Synthetic>(&json).ok().map(|made| made.generation_num),
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn images_stand_by_tag_then_number() {
        let at = |tag: &str, number: u32| Synthetic {
            tag: tag.to_owned(),
            generation_num: number,
            ..made("", "")
        };
        let sorted = [
            at("", 3),
            at("generations1", 0),
            at("generations1", 12),
            at("generations2", 1),
            at("generations10", 0),
        ];
        assert!(sorted.is_sorted_by_key(order));
    }
}
