//! experiments/study.schema.json is the JSON Schema of a study file, for editors: the same keys,
//! meanings, defaults and values as in KEYS.md, from the same types.

use expect_test::expect_file;
use serde_json::{Map, Value, json};

use crate::keys::{Member, Types, is_enum, read_types};

/// Types that a study file writes as a string, whatever they are in the code.
const STRINGS: [&str; 2] = ["String", "Arm"];

/// Types with a form of their own for each kind; the study's own errors say what is wrong in one.
const OF_MANY_FORMS: [&str; 1] = ["Rule"];

#[test]
fn the_schema_has_every_key() {
    let (types, defaults) = read_types();
    let defaults: Value = toml_edit::de::from_str(defaults.raw()).unwrap();
    let mut schema = object(&types, "Study", &defaults, &[]);
    let extends = json!({
        "type": "string",
        "description": "Another study file, whose keys this one changes. Relative to this file.",
    });
    schema["properties"]["extends"] = extends;
    let mut whole = Map::new();
    whole.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    whole.insert("title".into(), "A study of titrate".into());
    whole.extend(schema.as_object().unwrap().clone());
    let text = serde_json::to_string_pretty(&whole).unwrap() + "\n";
    expect_file!["../../experiments/study.schema.json"].assert_eq(&text);
}

/// The schema of a table that the type called `name` reads. `around`: the keys and types of the
/// table and of those that it stands in.
fn object(types: &Types, name: &str, defaults: &Value, around: &[(&str, &str)]) -> Value {
    let property = |member: &Member| {
        let default = &defaults[&member.name];
        let is_table = types.get(&member.of).is_some_and(|of| !is_enum(of))
            && !OF_MANY_FORMS.contains(&member.of.as_str())
            && !STRINGS.contains(&member.of.as_str());
        let mut schema = if is_table && !around.iter().any(|(_, of)| *of == member.of) {
            let around = [around, &[(member.name.as_str(), member.of.as_str())]].concat();
            object(types, &member.of, default, &around)
        } else {
            of_type(types, &member.of, around)
        };
        if !member.doc.is_empty() {
            schema["description"] = member.doc.clone().into();
        }
        if !is_table && !default.is_null() {
            schema["default"] = default.clone();
        }
        (member.name.clone(), schema)
    };
    let properties = types[name].members.iter().map(property).collect::<Map<_, _>>();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A reference to the table of a type, where it is one of those `around`.
fn reference(name: &str, around: &[(&str, &str)]) -> Option<Value> {
    let at = around.iter().position(|(_, of)| *of == name)?;
    let keys = around[..=at].iter().map(|(key, _)| format!("/properties/{key}"));
    Some(json!({ "$ref": format!("#{}", keys.collect::<String>()) }))
}

/// The schema of a value of the type written `of`, with spaces between its tokens.
fn of_type(types: &Types, of: &str, around: &[(&str, &str)]) -> Value {
    let inner = |outer: &str| {
        let rest = of.strip_prefix(outer)?.trim_start().strip_prefix('<')?;
        Some(rest.trim_end().strip_suffix('>')?.trim())
    };
    if let Some(of) = inner("Option").or(inner("Box")) {
        return of_type(types, of, around);
    }
    if let Some(of) = inner("Vec") {
        return json!({ "type": "array", "items": of_type(types, of, around) });
    }
    if let Some(of) = inner("BTreeMap") {
        let of = of.split_once(',').expect("a map has keys and values").1.trim();
        return json!({ "type": "object", "additionalProperties": of_type(types, of, around) });
    }
    if let Some((of, count)) = of.trim_matches(['[', ']']).split_once(';') {
        let count = count.trim().parse::<usize>().unwrap();
        let items = of_type(types, of.trim(), around);
        return json!({ "type": "array", "items": items, "minItems": count, "maxItems": count });
    }
    match of {
        "usize" | "u64" => json!({ "type": "integer", "minimum": 0 }),
        "f64" => json!({ "type": "number" }),
        "bool" => json!({ "type": "boolean" }),
        name if STRINGS.contains(&name) => json!({ "type": "string" }),
        name if OF_MANY_FORMS.contains(&name) => json!({ "type": "object" }),
        name => match types.get(name) {
            Some(listed) if is_enum(listed) => {
                json!({ "enum": listed.members.iter().map(Member::value).collect::<Vec<_>>() })
            }
            Some(_) => {
                reference(name, around).unwrap_or_else(|| object(types, name, &Value::Null, around))
            }
            None => panic!("no schema for values of type `{name}`"),
        },
    }
}
