//! experiments/KEYS.md lists every key of a study: its default from `defaults.toml`, its meaning
//! from the documentation of the type that reads it. A key without documentation fails.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use expect_test::expect_file;
use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};
use toml_edit::{Document, Item, Table};

use crate::source::{Crate, is_punct};

/// Where the types of keys are.
const SCHEMA: [&str; 2] = ["study/schema", "vocabulary"];

const HEAD: &str = "\
# The keys of a study

A study file says which keys differ from the defaults, or from the file that `extends` names. `--set KEY=VALUE` does the same on the
command line, and `titrate plan` refuses unknown keys and values out of range.

This table is written from `src/study/defaults.toml` and from the documentation of the types in `src/study/schema/` and
`src/vocabulary/`: edit those, then run `UPDATE_EXPECT=1 cargo test --release --test house keys`.
";

/// A struct with its fields, or an enum with its variants.
#[derive(Debug, PartialEq, Eq)]
pub struct Type {
    doc: String,
    pub members: Vec<Member>,
}

/// A field, or a variant, which has no type.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub doc: String,
    pub of: String,
    /// The name that serde's `rename` gives it.
    pub renamed: Option<String>,
}

impl Member {
    /// A variant as study files write it.
    pub fn value(&self) -> String {
        self.renamed.clone().unwrap_or_else(|| kebab(&self.name))
    }
}

pub type Types = BTreeMap<String, Type>;

/// The types that read a study, and the defaults of its keys.
pub fn read_types() -> (Types, Document<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = Crate::read_all(&root);
    let mut types = Types::new();
    for source in SCHEMA.iter().flat_map(|folder| sources.listed(folder)) {
        for item in &source.items {
            if let (None, Some(described)) = (&item.owner, describe(item.tokens.clone())) {
                types.insert(item.name.clone(), described);
            }
        }
    }
    let defaults = std::fs::read_to_string(root.join("study/defaults.toml")).unwrap();
    (types, Document::parse(defaults).unwrap())
}

#[test]
fn every_key_of_a_study_has_a_meaning() {
    let (types, defaults) = read_types();
    let mut page = HEAD.to_owned();
    let mut missing = Vec::new();
    write_table(&types, "Study", "", defaults.as_table(), &mut page, &mut missing);
    assert!(missing.is_empty(), "no documentation: {}", missing.join(", "));
    expect_file!["../../experiments/KEYS.md"].assert_eq(&page);
}

/// A section for the keys of `table`, which the type called `name` reads, then its tables' sections.
/// The path of what has no documentation goes to `missing`.
fn write_table(
    types: &Types,
    name: &str,
    path: &str,
    table: &Table,
    page: &mut String,
    missing: &mut Vec<String>,
) {
    let fields = &types[name].members;
    let (tables, keys): (Vec<_>, Vec<_>) = fields.iter().partition(|field| {
        types.contains_key(&field.of) && table.get(&field.name).is_some_and(Item::is_table)
    });
    if !keys.is_empty() {
        page.push_str("\n| key | default | meaning |\n|---|---|---|\n");
    }
    for field in keys {
        let key = join(path, &field.name);
        let default = table.get(&field.name).unwrap_or_else(|| panic!("{key} has no default"));
        if field.doc.is_empty() {
            missing.push(key.clone());
        }
        let meaning = meaning(types, field, default, missing);
        writeln!(page, "| `{key}` | {} | {} |", written(default), meaning.replace('|', "\\|"))
            .unwrap();
    }
    for field in tables {
        let key = join(path, &field.name);
        let of = &types[&field.of];
        if field.doc.is_empty() || of.doc.is_empty() {
            missing.push(key.clone());
        }
        // A type of several tables says what they share; the field says which this one is.
        let uses = types.values().flat_map(|of| &of.members).filter(|other| other.of == field.of);
        let intro =
            if uses.count() > 1 { format!("{} {}", field.doc, of.doc) } else { of.doc.clone() };
        write!(page, "\n## {key}\n\n{intro}\n").unwrap();
        let table = table[&field.name].as_table().unwrap();
        write_table(types, &field.of, &key, table, page, missing);
    }
}

/// A key's documentation, and the values that it may have where its type lists them.
fn meaning(types: &Types, field: &Member, default: &Item, missing: &mut Vec<String>) -> String {
    let inner = field.of.trim_start_matches("Vec <").trim_end_matches('>').trim();
    let Some(listed) = types.get(inner).filter(|listed| is_enum(listed)) else {
        return field.doc.clone();
    };
    let mut text = field.doc.clone();
    for variant in &listed.members {
        let value = variant.value();
        if variant.doc.is_empty() {
            missing.push(format!("{inner}::{}", variant.name));
        }
        write!(text, "<br>`{value}`: {}", variant.doc).unwrap();
    }
    if let Some(default) = default.as_str() {
        let is_default = |variant: &Member| variant.value() == default;
        assert!(listed.members.iter().any(is_default), "{default} is no {inner}");
    }
    text
}

pub fn is_enum(of: &Type) -> bool {
    of.members.iter().all(|member| member.of.is_empty())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A default on one line of a table; an empty table is written as one.
fn written(default: &Item) -> String {
    let text = match default {
        Item::Value(value) => value.to_string(),
        _ => "{}".to_owned(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("`{}`", line.replace(",]", "]"))
}

/// serde's `rename_all = "kebab-case"`.
pub fn kebab(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// The documentation of a struct or enum and its members; `None` for any other item.
fn describe(item: TokenStream) -> Option<Type> {
    let tokens: Vec<TokenTree> = item.into_iter().collect();
    let is_type = |tree: &TokenTree| matches!(tree, TokenTree::Ident(word) if *word == "struct" || *word == "enum");
    let at = tokens.iter().position(is_type)?;
    let TokenTree::Group(body) = tokens.last()? else { return None };
    if body.delimiter() != Delimiter::Brace {
        return None;
    }
    let body: Vec<TokenTree> = body.stream().into_iter().collect();
    Some(Type { doc: documentation(&tokens[..at]), members: members(&body) })
}

/// The members that commas part; those between `<` and `>` part nothing.
fn members(body: &[TokenTree]) -> Vec<Member> {
    let mut depth = 0;
    let parted = body.split(|tree| {
        depth += i32::from(is_punct(Some(tree), '<')) - i32::from(is_punct(Some(tree), '>'));
        depth == 0 && is_punct(Some(tree), ',')
    });
    parted.filter(|member| !member.is_empty()).map(member).collect()
}

fn member(tokens: &[TokenTree]) -> Member {
    let colon = tokens.iter().position(|tree| is_punct(Some(tree), ':'));
    let of = colon.map_or(&[][..], |colon| &tokens[colon + 1..]);
    let before = &tokens[..colon.unwrap_or(tokens.len())];
    let name = before.iter().rev().find_map(|tree| match tree {
        TokenTree::Ident(name) => Some(name.to_string()),
        _ => None,
    });
    Member {
        name: name.expect("a member has a name"),
        doc: documentation(tokens),
        of: of.iter().cloned().collect::<TokenStream>().to_string(),
        renamed: tokens.iter().find_map(renamed),
    }
}

/// The name in an attribute `serde(rename = "...")`.
fn renamed(tree: &TokenTree) -> Option<String> {
    let TokenTree::Group(attribute) = tree else { return None };
    let attribute: Vec<TokenTree> = attribute.stream().into_iter().collect();
    let [TokenTree::Ident(serde), TokenTree::Group(inner)] = &attribute[..] else { return None };
    let inner: Vec<TokenTree> = inner.stream().into_iter().collect();
    let [TokenTree::Ident(key), _, TokenTree::Literal(name)] = &inner[..] else { return None };
    (*serde == "serde" && *key == "rename").then(|| unquoted(name))
}

/// The text of the `#[doc = "..."]` attributes among `tokens`, on one line.
fn documentation(tokens: &[TokenTree]) -> String {
    let lines = tokens.iter().filter_map(|tree| {
        let TokenTree::Group(attribute) = tree else { return None };
        let inner: Vec<TokenTree> = attribute.stream().into_iter().collect();
        let [TokenTree::Ident(name), _, TokenTree::Literal(text)] = &inner[..] else { return None };
        (*name == "doc").then(|| unquoted(text))
    });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The text of a string literal; documentation escapes quotes and backslashes only.
fn unquoted(text: &Literal) -> String {
    let text = text.to_string();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let quoted = quoted.expect("documentation is a string");
    quoted.replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\").trim().to_owned()
}

#[test]
fn types_are_read_with_their_documentation() {
    let source = r#"
        /// A "sample".
        #[derive(Clone)]
        pub struct Sample {
            /// How
            /// many.
            #[serde(default)]
            pub count: usize,
            pub by_name: BTreeMap<String, f64>,
        }
    "#;
    let member = |name: &str, doc: &str, of: &str| Member {
        name: name.to_owned(),
        doc: doc.to_owned(),
        of: of.to_owned(),
        renamed: None,
    };
    let fields = vec![
        member("count", "How many.", "usize"),
        member("by_name", "", "BTreeMap < String , f64 >"),
    ];
    let expected = Type { doc: "A \"sample\".".to_owned(), members: fields };
    assert_eq!(describe(source.parse().unwrap()), Some(expected));
    assert_eq!(describe("fn f() {}".parse().unwrap()), None);
    let renamed =
        "enum Set { #[serde(rename = \"pad-ufes-20\")] PadUfes20, Ddi, }".parse().unwrap();
    let values = describe(renamed).unwrap().members.iter().map(Member::value).collect::<Vec<_>>();
    assert_eq!(values, ["pad-ufes-20", "ddi"]);
    assert_eq!(
        ["F32", "VPrediction", "Fitzpatrick17k"].map(kebab),
        ["f32", "v-prediction", "fitzpatrick17k"]
    );
}
