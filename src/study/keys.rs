//! The key tree of the defaults, what a layer may say against it, and the merge of layers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use toml_edit::{Array, Document, DocumentMut, Item, Key, Table, TableLike, Value};

use super::error::{Place, Problem};
use super::layer::Layer;
use super::schema::Study;

/// The key that names a lower layer; of files only, not of studies.
pub(super) const EXTENDS: &str = "extends";

/// A table whose entries have names of the study's own. Each may say what the template may, and has
/// the template's value for what it does not say.
struct List {
    path: &'static [&'static str],
    template: &'static [&'static str],
}

const LISTS: [List; 3] = [
    List { path: &["generator", "variants"], template: &["generator"] },
    List { path: &["usages"], template: &["usage"] },
    List { path: &["experiments"], template: &["experiment"] },
];

const DEFAULTS: &str = include_str!("defaults.toml");

/// Every key of a study with its default.
pub(super) struct Known(Document<&'static str>);

pub(super) static KNOWN: LazyLock<Known> =
    LazyLock::new(|| Known(Document::parse(DEFAULTS).expect("the built-in defaults are TOML")));

/// A value's dotted key and where it is written.
pub(super) struct Leaf {
    pub key: String,
    pub span: Option<Range<usize>>,
}

/// By key, the layer that wrote it last, of layers that say what differs.
#[derive(Default)]
pub(super) struct Said(BTreeMap<String, usize>);

impl Said {
    /// The leaves of layer number `layer`, above those before. A layer that lists every key, as a
    /// resolved study does, chose none of them.
    pub fn add(&mut self, layer: usize, leaves: &[Leaf]) {
        if KNOWN.is_covered(leaves) {
            self.0.clear();
        } else {
            self.0.extend(leaves.iter().map(|leaf| (leaf.key.clone(), layer)));
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// As if `key` had not been written.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// The highest layer that wrote a key that is `wanted`.
    pub fn last(&self, wanted: impl Fn(&str) -> bool) -> Option<usize> {
        self.0.iter().filter(|(key, _)| wanted(key)).map(|(_, layer)| *layer).max()
    }

    /// Whether `key` was written in the layer that wrote `other`, or above it.
    pub fn since(&self, key: &str, other: &str) -> bool {
        self.has(key) && self.0.get(key) >= self.0.get(other)
    }

    /// Whether `key` was written above the layer that wrote `other`.
    pub fn after(&self, key: &str, other: &str) -> bool {
        self.0.get(key) > self.0.get(other)
    }
}

impl Known {
    pub fn table(&self) -> &Table {
        self.0.as_table()
    }

    /// The study that is nothing but defaults.
    pub fn study(&self) -> Study {
        toml_edit::de::from_document(DocumentMut::from(self.table().clone()))
            .expect("the built-in defaults are a study")
    }

    /// Whether `leaves` leave nothing to the defaults.
    fn is_covered(&self, leaves: &[Leaf]) -> bool {
        let said: BTreeSet<_> = leaves.iter().map(|leaf| leaf.key.as_str()).collect();
        let mut all = Vec::new();
        every_path(self.table(), &mut Vec::new(), &mut all);
        let is_table = |path: &[&str]| self.get(path).is_some_and(Item::is_table_like);
        all.iter().all(|path| is_table(path) || said.contains(dotted(path).as_str()))
    }

    /// The default at a path of names; of a key of a list's entry the template's.
    pub fn get(&self, path: &[&str]) -> Option<&Item> {
        for List { path: list, template } in &LISTS {
            if let Some([_, inner @ ..]) = path.strip_prefix(*list) {
                return self.get(&[template, inner].concat());
            }
        }
        at(self.0.as_item(), path)
    }

    /// Complaints about a layer: unknown keys, and values of the wrong kind.
    pub fn check(&self, layer: &Layer) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_table(
            layer,
            &mut Vec::new(),
            layer.document.as_table(),
            self.table(),
            &mut problems,
        );
        problems
    }

    fn check_table<'a>(
        &self,
        layer: &Layer,
        path: &mut Vec<&'a str>,
        given: &'a dyn TableLike,
        known: &dyn TableLike,
        problems: &mut Vec<Problem>,
    ) {
        for (name, item) in given.iter() {
            if path.is_empty()
                && name == EXTENDS
                && matches!(layer.origin, super::layer::Origin::File(_))
            {
                continue;
            }
            path.push(name);
            match known.get(name) {
                None => {
                    let span = given.get_key_value(name).and_then(|(key, _)| key.span());
                    problems.push(Problem {
                        place: layer.place(span),
                        message: self.unknown(path, known),
                    });
                }
                Some(default) => match (item.as_table_like(), default.as_table_like()) {
                    (Some(entries), _) if let Some(list) = List::at(path) => {
                        self.check_list(layer, path, list, entries, problems)
                    }
                    (Some(given), Some(known)) if !is_open(known) => {
                        self.check_table(layer, path, given, known, problems)
                    }
                    _ => {
                        if let Some((part, message)) = mismatch(item, default) {
                            let message = format!("`{}` {message}", dotted(path));
                            problems.push(Problem { place: layer.place(part), message });
                        }
                    }
                },
            }
            path.pop();
        }
    }

    /// Each entry of a list may say what its template may, but for the list itself.
    fn check_list<'a>(
        &self,
        layer: &Layer,
        path: &mut Vec<&'a str>,
        list: &List,
        entries: &'a dyn TableLike,
        problems: &mut Vec<Problem>,
    ) {
        let template = self
            .get(list.template)
            .and_then(Item::as_table_like)
            .expect("the defaults have every template");
        let inside = list.path.strip_prefix(list.template).and_then(|inside| inside.first());
        for (name, item) in entries.iter() {
            path.push(name);
            match item.as_table_like() {
                Some(entry) if inside.is_some_and(|inside| entry.contains_key(inside)) => {
                    let message =
                        format!("`{}` is a variant and has none of its own", dotted(path));
                    problems.push(Problem { place: layer.place(item.span()), message });
                }
                Some(entry) => self.check_table(layer, path, entry, template, problems),
                None => {
                    let message =
                        format!("`{}` is {}; a table is expected", dotted(path), kind(item));
                    problems.push(Problem { place: layer.place(item.span()), message });
                }
            }
            path.pop();
        }
    }

    /// The complaint about a key that no study has, with the nearest that one has.
    fn unknown(&self, path: &[&str], siblings: &dyn TableLike) -> String {
        let (name, parents) = path.split_last().expect("a key has a name");
        let full = dotted(path);
        if full == EXTENDS {
            return format!("`{full}` belongs in a study file");
        }
        let beside = siblings
            .iter()
            .map(|(sibling, _)| (strsim::normalized_damerau_levenshtein(name, sibling), sibling))
            .filter(|(likeness, _)| *likeness >= 0.5)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, sibling)| dotted(&[parents, &[sibling]].concat()));
        let nearest = beside.or_else(|| self.nearest_elsewhere(name, &full));
        match nearest {
            Some(nearest) => format!("unknown key `{full}`; the nearest known key is `{nearest}`"),
            None => {
                let names: Vec<_> = siblings.iter().map(|(name, _)| format!("`{name}`")).collect();
                format!("unknown key `{full}`; known there: {}", names.join(", "))
            }
        }
    }

    fn nearest_elsewhere(&self, name: &str, full: &str) -> Option<String> {
        let mut all = vec![vec![EXTENDS]];
        every_path(self.table(), &mut Vec::new(), &mut all);
        let likeness = |path: &Vec<&str>| {
            let last = path.last().expect("a key has a name");
            (
                strsim::normalized_damerau_levenshtein(name, last),
                strsim::normalized_damerau_levenshtein(full, &dotted(path)),
            )
        };
        all.iter()
            .map(|path| (likeness(path), path))
            .filter(|((last, _), _)| *last >= 0.7)
            .max_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)))
            .map(|(_, path)| dotted(path))
    }
}

/// Gives the key at `path` its default again.
pub(super) fn reset(merged: &mut Table, known: &Known, path: &[&str]) {
    let (name, parents) = path.split_last().expect("a key has a name");
    let default = known.get(path).expect("the defaults have the key").clone();
    let mut table: &mut dyn TableLike = merged;
    for parent in parents {
        table = table
            .get_mut(parent)
            .and_then(Item::as_table_like_mut)
            .expect("the defaults have its table");
    }
    table.insert(name, default);
}

/// Lays `layer` over `base`: tables merge, everything else replaces. Returns what was laid.
pub(super) fn merge(
    base: &mut Table,
    layer: &Layer,
    places: &mut BTreeMap<String, Place>,
) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    merge_table(base, layer.document.as_table(), &mut Vec::new(), &mut leaves);
    places.extend(leaves.iter().map(|leaf| (leaf.key.clone(), layer.place(leaf.span.clone()))));
    leaves
}

fn merge_table<'a>(
    base: &mut dyn TableLike,
    over: &'a dyn TableLike,
    path: &mut Vec<&'a str>,
    leaves: &mut Vec<Leaf>,
) {
    for (name, item) in over.iter() {
        if path.is_empty() && name == EXTENDS {
            continue;
        }
        path.push(name);
        match item.as_table_like() {
            Some(over) => {
                if !base.get(name).is_some_and(Item::is_table_like) {
                    base.insert(name, Item::Table(Table::new()));
                }
                let base = base
                    .get_mut(name)
                    .and_then(Item::as_table_like_mut)
                    .expect("it is a table by now");
                merge_table(base, over, path, leaves);
            }
            None => {
                base.insert(name, item.clone());
                leaves.push(Leaf { key: dotted(path), span: item.span() });
            }
        }
        path.pop();
    }
}

impl List {
    fn at(path: &[&str]) -> Option<&'static Self> {
        LISTS.iter().find(|list| list.path == path)
    }
}

/// `merged` with each entry of a list complete: the template with the entry laid over it.
pub(super) fn complete(merged: &Table) -> Table {
    let mut table = merged.clone();
    for List { path, template } in &LISTS {
        let (name, parents) = path.split_last().expect("a list has a name");
        let Some(entries) = table_at(&mut table, parents).and_then(|table| table.remove(name))
        else {
            continue;
        };
        let template = table_at(&mut table, template)
            .map(|template| template.iter().map(|(key, item)| (key.to_owned(), item.clone())))
            .map(Table::from_iter)
            .unwrap_or_default();
        let mut complete = Table::new();
        for (name, entry) in entries.as_table_like().into_iter().flat_map(|all| all.iter()) {
            let mut whole = template.clone();
            if let Some(entry) = entry.as_table_like() {
                merge_table(&mut whole, entry, &mut Vec::new(), &mut Vec::new());
            }
            complete.insert(name, Item::Table(whole));
        }
        if let Some(parent) = table_at(&mut table, parents) {
            parent.insert(name, Item::Table(complete));
        }
    }
    table
}

/// The table at a path of names.
fn table_at<'a>(table: &'a mut Table, path: &[&str]) -> Option<&'a mut dyn TableLike> {
    path.iter().try_fold(table as &mut dyn TableLike, |table, name| {
        table.get_mut(name).and_then(Item::as_table_like_mut)
    })
}

/// Complaints about a layer's arrays that are longer than their type, which reads only the
/// beginning; `read` is the study as it was read.
pub(super) fn check_lengths(layer: &Layer, read: &Item) -> Vec<Problem> {
    let mut paths = Vec::new();
    every_path(layer.document.as_table(), &mut Vec::new(), &mut paths);
    let problem = |path: &Vec<&str>| {
        let [given, read] =
            [layer.document.as_item(), read].map(|item| at(item, path).and_then(Item::as_value));
        let (longer, taken) = longer(given?, read?)?;
        let message = format!(
            "`{}`: invalid length {}, expected an array of length {taken}",
            dotted(path),
            longer.len()
        );
        Some(Problem { place: layer.place(longer.span()), message })
    };
    paths.iter().filter_map(problem).collect()
}

/// The first array in `given` that has more elements than in `read`, and how many it has there.
fn longer<'a>(given: &'a Value, read: &Value) -> Option<(&'a Array, usize)> {
    let (given, read) = (given.as_array()?, read.as_array()?);
    if given.len() > read.len() {
        return Some((given, read.len()));
    }
    given.iter().zip(read).find_map(|(given, read)| longer(given, read))
}

/// The item at a path of names below `item`.
fn at<'a>(item: &'a Item, path: &[&str]) -> Option<&'a Item> {
    path.iter().try_fold(item, |item, name| item.as_table_like()?.get(name))
}

/// An empty table among the defaults takes any key.
fn is_open(default: &dyn TableLike) -> bool {
    default.is_empty()
}

/// The span and the complaint if `item` is of another kind than the default; elements of arrays
/// count too.
fn mismatch(item: &Item, default: &Item) -> Option<(Option<Range<usize>>, String)> {
    let complaint = |span, found: &str, expected: &str| {
        Some((span, format!("is {found}; {expected} is expected")))
    };
    match (item.as_value(), default.as_value()) {
        (Some(Value::Integer(whole)), Some(Value::Integer(_))) if *whole.value() < 0 => {
            complaint(item.span(), &whole.value().to_string(), "a whole number of at least 0")
        }
        (Some(Value::Integer(_)), Some(Value::Float(_))) => None,
        (Some(Value::Array(given)), Some(Value::Array(defaults))) => {
            let example = defaults.get(0)?;
            let wrong = given.iter().find(|element| !same_kind(element, example))?;
            Some((
                wrong.span(),
                format!(
                    "has {} in it; each element must be {}",
                    value_kind(wrong),
                    value_kind(example)
                ),
            ))
        }
        _ if item.is_table_like() && default.is_table_like() => None,
        (Some(given), Some(default)) if same_kind(given, default) => None,
        _ => complaint(item.span(), kind(item), kind(default)),
    }
}

fn same_kind(a: &Value, b: &Value) -> bool {
    a.type_name() == b.type_name() && !matches!(a, Value::Integer(whole) if *whole.value() < 0)
}

/// The kind of a value in words, with an article.
pub(super) fn kind(item: &Item) -> &'static str {
    match item {
        Item::Value(value) => value_kind(value),
        Item::ArrayOfTables(_) => "an array of tables",
        Item::Table(_) | Item::None => "a table",
    }
}

fn value_kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(whole) if *whole.value() < 0 => "a negative number",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a decimal point",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "an array",
        Value::InlineTable(_) => "a table",
    }
}

/// A path of names as TOML writes it, quoted where it must be.
pub(super) fn dotted(path: &[&str]) -> String {
    path.iter()
        .map(|name| Key::new(*name).display_repr().into_owned())
        .collect::<Vec<_>>()
        .join(".")
}

/// Adds the path of every item below `table`, tables before what is in them.
pub(super) fn every_path<'a>(
    table: &'a dyn TableLike,
    path: &mut Vec<&'a str>,
    all: &mut Vec<Vec<&'a str>>,
) {
    for (name, item) in table.iter() {
        path.push(name);
        all.push(path.clone());
        if let Some(inner) = item.as_table_like() {
            every_path(inner, path, all);
        }
        path.pop();
    }
}
