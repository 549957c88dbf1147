//! The items of a file, told apart, and which of them a kind's source reaches: parameter types with
//! their attributes, and the functions that a step calls on them.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::source::{Crate, Mention, Source, collect, is_punct};

/// A function, type, constant or trait of a file, or one member of an `impl` block.
pub struct Item {
    pub name: String,
    /// The type that an `impl` block is for.
    pub owner: Option<String>,
    /// The trait that the block implements.
    of_trait: Option<String>,
    /// Whether it is called with a dot.
    takes_self: bool,
    pub tokens: TokenStream,
}

/// The items of a file's tokens, in order. Imports and modules are none.
pub fn items(tokens: TokenStream) -> Vec<Item> {
    let mut found = Vec::new();
    for item in split(tokens) {
        let words = words(&item);
        let Some(keyword) = words.iter().find(|word| KEYWORDS.contains(&word.as_str())) else {
            continue;
        };
        let name = |keyword: &str| {
            let after = words.iter().skip_while(|word| *word != keyword).skip(1);
            after.into_iter().find(|word| !KEYWORDS.contains(&word.as_str())).cloned()
        };
        match keyword.as_str() {
            "use" | "mod" | "extern" => {}
            "impl" => found.extend(members(&item)),
            keyword => found.extend(name(keyword).map(|name| Item {
                name,
                owner: None,
                of_trait: None,
                takes_self: false,
                tokens: item.iter().cloned().collect(),
            })),
        }
    }
    found
}

const KEYWORDS: &[&str] = &[
    "use",
    "mod",
    "extern",
    "impl",
    "const",
    "static",
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "macro_rules",
    "unsafe",
    "async",
];

/// The tokens of one item after the other, each with its attributes.
fn split(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let (mut all, mut item) = (Vec::new(), Vec::new());
    for tree in tokens {
        let ends = match &tree {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => {
                group.delimiter() == Delimiter::Brace && !ends_with_semicolon(&words(&item))
            }
            _ => false,
        };
        item.push(tree);
        if ends {
            all.push(std::mem::take(&mut item));
        }
    }
    all
}

/// Whether an item that begins so ends at its `;` and not after its braces.
fn ends_with_semicolon(words: &[String]) -> bool {
    let has = |word: &str| words.iter().any(|other| other == word);
    has("use") || has("type") || has("static") || (has("const") && !has("fn") && !has("impl"))
}

/// The names of an item outside its groups, up to the first that is followed by `=`; lifetimes are
/// none.
fn words(item: &[TokenTree]) -> Vec<String> {
    let end = item.iter().position(|tree| is_punct(Some(tree), '=')).unwrap_or(item.len());
    let name = |at: usize| match &item[at] {
        TokenTree::Ident(name) if at == 0 || !is_punct(item.get(at - 1), '\'') => {
            Some(name.to_string())
        }
        _ => None,
    };
    (0..end).filter_map(name).collect()
}

/// The members of an `impl` block.
fn members(block: &[TokenTree]) -> Vec<Item> {
    let Some(TokenTree::Group(body)) = block.last() else { return Vec::new() };
    let head = block.iter().position(|tree| tree.to_string() == "impl").map_or(0, |at| at + 1);
    // The names outside angle brackets; a `where` ends them.
    let (mut depth, mut names) = (0, Vec::new());
    for (at, tree) in block[head..block.len() - 1].iter().enumerate() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => {
                depth -= i32::from(at == 0 || !is_punct(block.get(head + at - 1), '-'));
            }
            TokenTree::Ident(name) if depth == 0 => names.push(name.to_string()),
            _ => {}
        }
    }
    let end = names.iter().position(|name| name == "where").unwrap_or(names.len());
    let names = &names[..end];
    let of_trait = names.iter().position(|name| name == "for");
    let of_trait = of_trait.and_then(|at| names.get(at.checked_sub(1)?)).cloned();
    let owner = names.last().cloned();
    let mut found = items(body.stream());
    for member in &mut found {
        member.takes_self = takes_self(member.tokens.clone());
        (member.owner, member.of_trait) = (owner.clone(), of_trait.clone());
    }
    found
}

fn takes_self(function: TokenStream) -> bool {
    let parameters = function.into_iter().find_map(|tree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    });
    let first = parameters.map(|group| group.stream().into_iter().take(5));
    first.into_iter().flatten().any(|tree| tree.to_string() == "self")
}

/// Whether a file counts whole, by its items, or not at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Whole,
    ByItem,
    Never,
}

/// An item by its file and its place in it.
pub type Place<'a> = (&'a str, usize);

/// What a set of files uses, and what that uses in turn.
pub struct Reach<'a> {
    source: &'a Crate,
    counted: fn(&str) -> Counted,
    pub files: BTreeMap<&'a str, &'a Source>,
    pub items: BTreeMap<Place<'a>, &'a Item>,
    /// Types whose functions may be called, by file and name.
    types: BTreeSet<(&'a str, String)>,
    /// Names after a dot: any of them may be a function of any of `types`.
    called: BTreeSet<String>,
    /// Names that stand behind a type, as in `Type::name`.
    associated: BTreeSet<(&'a str, String, String)>,
}

impl<'a> Reach<'a> {
    pub fn of(
        source: &'a Crate,
        files: impl IntoIterator<Item = &'a Source>,
        counted: fn(&str) -> Counted,
    ) -> Self {
        let mut reach = Self {
            source,
            counted,
            files: BTreeMap::new(),
            items: BTreeMap::new(),
            types: BTreeSet::new(),
            called: BTreeSet::new(),
            associated: BTreeSet::new(),
        };
        files.into_iter().for_each(|file| reach.enter_file(file));
        while reach.enter_members() {}
        reach
    }

    fn enter_file(&mut self, file: &'a Source) {
        if self.files.insert(file.file.as_str(), file).is_none() {
            collect_calls(file.tokens.clone(), &mut self.called);
            for mention in &file.mentions {
                if let Some(path) = self.source.absolute(file, mention) {
                    self.enter(&path);
                }
            }
        }
    }

    /// Enters what `path`, from the crate's root, names.
    fn enter(&mut self, path: &[String]) {
        let Some((file, rest)) = self.source.resolve(path) else { return };
        match (self.counted)(&file.file) {
            Counted::Whole => self.enter_file(file),
            Counted::Never => {}
            Counted::ByItem => {
                if let [name, after @ ..] = rest.as_slice() {
                    self.enter_named(file, name, after.first());
                }
            }
        }
    }

    fn enter_named(&mut self, file: &'a Source, name: &str, after: Option<&String>) {
        self.types.insert((&file.file, name.to_owned()));
        if let Some(after) = after {
            self.associated.insert((&file.file, name.to_owned(), after.clone()));
        }
        for (at, item) in file.items.iter().enumerate() {
            if item.owner.is_none() && item.name == name {
                self.enter_item(file, at);
            }
        }
    }

    fn enter_item(&mut self, file: &'a Source, at: usize) {
        let item = &file.items[at];
        if self.items.insert((&file.file, at), item).is_some() {
            return;
        }
        collect_calls(item.tokens.clone(), &mut self.called);
        let mut mentions = Vec::new();
        collect(item.tokens.clone(), &mut mentions);
        let mut names = BTreeSet::new();
        collect_names(item.tokens.clone(), &mut names);
        mentions.extend(names.into_iter().map(|name| Mention::of(vec![name])));
        for Mention { path, .. } in &mut mentions {
            if path[0] == "Self"
                && let Some(owner) = &item.owner
            {
                path[0].clone_from(owner);
            }
        }
        for mention in mentions {
            if let Some(path) = self.source.within(file, &mention) {
                self.enter(&path);
            }
        }
    }

    /// Enters the members of reached types that are called, or that foreign code such as serde
    /// calls; `false` where there are no more.
    fn enter_members(&mut self) -> bool {
        let before = self.items.len();
        let (source, counted) = (self.source, self.counted);
        for file in source.sources().filter(|file| counted(&file.file) == Counted::ByItem) {
            for (at, item) in file.items.iter().enumerate() {
                let Some(owner) = &item.owner else { continue };
                let Some((home, name)) = source.item_of(file, owner) else { continue };
                if !self.types.contains(&(&home.file, name.clone())) {
                    continue;
                }
                let foreign = item
                    .of_trait
                    .as_ref()
                    .is_some_and(|of_trait| source.item_of(file, of_trait).is_none());
                let path = (home.file.as_str(), name, item.name.clone());
                if foreign
                    || item.takes_self && self.called.contains(&item.name)
                    || self.associated.contains(&path)
                {
                    self.enter_item(file, at);
                }
            }
        }
        self.items.len() > before
    }
}

/// The names after a dot.
fn collect_calls(tokens: TokenStream, called: &mut BTreeSet<String>) {
    let mut after_dot = false;
    for tree in tokens {
        match &tree {
            TokenTree::Ident(name) if after_dot => drop(called.insert(name.to_string())),
            TokenTree::Group(group) => collect_calls(group.stream(), called),
            _ => {}
        }
        after_dot = is_punct(Some(&tree), '.');
    }
}

/// All names, those of functions that attributes name in quotes among them.
fn collect_names(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Ident(name) => drop(names.insert(name.to_string())),
            TokenTree::Group(group) => collect_names(group.stream(), names),
            TokenTree::Literal(text) => {
                let text = text.to_string();
                let quoted = text.trim_matches('"');
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if quoted.len() + 2 == text.len() && quoted.chars().all(is_name) {
                    names.insert(quoted.to_owned());
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}
