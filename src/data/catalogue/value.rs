//! What a cell of a table or a field of a record says, in whichever of the usual ways it is written.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

/// The parts that sets come divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The part to train on.
    Train,
    /// The part to validate with.
    Validation,
    /// The part to test on.
    Test,
}

impl Part {
    /// The part that a folder or a cell names.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        PARTS.iter().find(|(part, _)| *part == name).map(|(_, part)| *part)
    }
}

/// Names of the parts of a set, in small letters, as the `datasets` library groups them.
const PARTS: [(&str, Part); 10] = [
    ("train", Part::Train),
    ("training", Part::Train),
    ("val", Part::Validation),
    ("valid", Part::Validation),
    ("validation", Part::Validation),
    ("dev", Part::Validation),
    ("test", Part::Test),
    ("testing", Part::Test),
    ("eval", Part::Test),
    ("evaluation", Part::Test),
];

/// Ways to write that something is not known, in small letters: those of pandas, R, SQL and JSON.
const UNKNOWN: [&str; 12] =
    ["", "-1", "-1.0", "nan", "na", "<na>", "n/a", "nat", "null", "none", "unknown", "?"];

/// Whether a cell says that nothing is known.
pub fn is_unknown(cell: &str) -> bool {
    UNKNOWN.contains(&cell.trim().to_lowercase().as_str())
}

/// A patient or a lesion; empty where it is unknown. A whole number that was saved as a fraction
/// ("12.0", by pandas where another row has none) is the number.
pub fn name(cell: &str) -> String {
    let cell = cell.trim();
    if is_unknown(cell) { String::new() } else { whole(cell).to_owned() }
}

/// Yes or no; none for anything else.
pub fn flag(cell: &str) -> Option<bool> {
    match cell.trim().to_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" | "y" | "t" | "malignant" => Some(true),
        "false" | "0" | "0.0" | "no" | "n" | "f" | "benign" => Some(false),
        _ => None,
    }
}

/// The name of a file that leads to no other folder and is not hidden; none for anything else.
pub fn file_name(cell: &str) -> Option<&str> {
    let plain = !cell.is_empty() && !cell.starts_with('.') && !cell.contains(['/', '\\', '\0']);
    plain.then_some(cell)
}

/// A Fitzpatrick skin type in Arabic or Roman numerals, or a pair (12, 34, 56); 0 where it is
/// unknown, none for anything else.
pub fn skin_type(cell: &str) -> Option<u8> {
    const ROMAN: [&str; 6] = ["I", "II", "III", "IV", "V", "VI"];
    let cell = cell.trim();
    if is_unknown(cell) {
        return Some(0);
    }
    if let Some(at) = ROMAN.iter().position(|roman| roman.eq_ignore_ascii_case(cell)) {
        return Some(at as u8 + 1);
    }
    whole(cell).parse().ok().filter(|fst| matches!(fst, 1..=6 | 12 | 34 | 56))
}

/// A number without a fraction of nothing.
fn whole(cell: &str) -> &str {
    match cell.strip_suffix(".0") {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => number,
        _ => cell,
    }
}

/// A name in the one form that names are compared in: macOS writes "é" as two characters, others
/// as one.
pub fn nfc(name: &str) -> String {
    name.nfc().collect()
}

/// A text for a terminal or a page: characters that move a cursor, change colours or turn the order
/// of letters are written out. Names of files may have them.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) { seen.extend(c.escape_unicode()) } else { seen.push(c) }
    }
    seen
}

/// A JSON object with each of its fields once: of two of a name the last would count without a word.
///
/// # Errors
/// If it is no object, or has a field twice.
pub fn object(json: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    struct Once;
    impl<'de> Visitor<'de> for Once {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            let mut object = Map::new();
            while let Some((name, value)) = fields.next_entry::<String, Value>()? {
                if object.contains_key(&name) {
                    return Err(A::Error::custom(format!("`{name}` is there twice")));
                }
                object.insert(name, value);
            }
            Ok(object)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let object = deserializer.deserialize_map(Once)?;
    deserializer.end()?;
    Ok(object)
}

/// A field of a JSON record as a cell; none for a list or an object.
pub fn cell(field: &Value) -> Option<String> {
    match field {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_record_is_there_once() {
        assert_eq!(object(br#"{"a": 1, "b": null}"#).unwrap().len(), 2);
        let error = object(br#"{"file": "a", "file": "b"}"#).unwrap_err().to_string();
        assert!(error.starts_with("`file` is there twice"), "{error}");
        assert!(object(b"[1]").is_err() && object(b"{} 1").is_err());
    }

    #[test]
    fn cells_are_read_in_every_usual_spelling() {
        for cell in ["", " ", "-1", "-1.0", "nan", "NaN", "NA", "N/A", "null", "None", "<NA>"] {
            assert_eq!((name(cell).as_str(), skin_type(cell), flag(cell)), ("", Some(0), None));
        }
        for (cell, expected) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("iv", Some(4)),
            ("VI", Some(6)),
            ("56", Some(56)),
            ("0", None),
            ("7", None),
            ("3.5", None),
            ("1.0.0", None),
        ] {
            assert_eq!(skin_type(cell), expected, "{cell}");
        }
        for (cell, expected) in [
            ("True", Some(true)),
            ("1.0", Some(true)),
            ("yes", Some(true)),
            ("Malignant", Some(true)),
            ("0", Some(false)),
            ("0.0", Some(false)),
            ("benign", Some(false)),
            ("2", None),
            ("maybe", None),
        ] {
            assert_eq!(flag(cell), expected, "{cell}");
        }
        assert_eq!(["12.0", "12", "p.0", " IP_0042 "].map(name), ["12", "12", "p.0", "IP_0042"]);
        assert_eq!(nfc("e\u{301}ruption"), "\u{e9}ruption");
        assert_eq!(visible("a\u{1b}[31m\u{202e}\u{e9}\nb"), "a\\u{1b}[31m\\u{202e}\u{e9}\nb");
    }
}
