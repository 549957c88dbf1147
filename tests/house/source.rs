//! Rust files as modules: their tokens without tests and documentation, and what they mention by
//! path.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::items::{Item, items};

/// A folder of Rust files as a tree of modules, `lib.rs`, `main.rs` and `mod.rs` being their
/// folder's module.
pub struct Crate {
    root: PathBuf,
    /// Files by module path; modules that are compiled for tests only are left out.
    modules: BTreeMap<Vec<String>, Source>,
}

/// One file.
pub struct Source {
    /// Relative to the crate's folder, with `/`.
    pub file: String,
    pub module: Vec<String>,
    /// Without `#[cfg(test)]` items and documentation.
    pub tokens: TokenStream,
    pub items: Vec<Item>,
    pub mentions: Vec<Mention>,
    pub lines: usize,
}

/// A path of identifiers in a file.
#[derive(Clone, Debug)]
pub struct Mention {
    pub path: Vec<String>,
    /// The name that a `use` gives it; `*` for all that is below it.
    pub bound: Option<String>,
    /// Whether it only passes the name on, as `pub use` does.
    pub passed_on: bool,
    pub line: usize,
}

impl Mention {
    /// A path without a place.
    pub fn of(path: Vec<String>) -> Self {
        Self { path, bound: None, passed_on: false, line: 0 }
    }
}

impl Crate {
    /// Every module below `root`; a file that is not Rust panics with its name.
    pub fn read(root: &Path) -> Self {
        Self::from_files(root, false)
    }

    fn from_files(root: &Path, with_tests: bool) -> Self {
        let mut files = Vec::new();
        rust_files(root, &mut files);
        let texts = files.iter().map(|path| {
            let file = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            let text = fs::read_to_string(path);
            (file, text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        });
        Self::new(root, texts, with_tests)
    }

    /// Like [`Crate::read`], with the modules that are compiled for tests only and the tests within
    /// others.
    pub fn read_all(root: &Path) -> Self {
        Self::from_files(root, true)
    }

    /// The same from (file, text) pairs.
    pub fn from_texts(root: &Path, texts: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::new(root, texts, false)
    }

    fn new(
        root: &Path,
        texts: impl IntoIterator<Item = (String, String)>,
        with_tests: bool,
    ) -> Self {
        let mut modules = BTreeMap::new();
        let mut test_only = BTreeSet::new();
        for (file, text) in texts {
            let raw: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
            let module = module_of(&file);
            let mut tests = Vec::new();
            let tokens = if with_tests { raw } else { shipped(raw, &mut tests) };
            test_only.extend(tests.into_iter().map(|name| joined(&module, &[name])));
            let mut mentions = Vec::new();
            collect(tokens.clone(), &mut mentions);
            let lines = text.lines().count();
            let items = items(tokens.clone());
            let source = Source { file, module: module.clone(), tokens, items, mentions, lines };
            modules.insert(module, source);
        }
        modules.retain(|module, _| {
            !test_only.iter().any(|test: &Vec<String>| module.starts_with(test))
        });
        Self { root: root.to_owned(), modules }
    }

    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.modules.values()
    }

    /// The sources that `listed`, a file or a folder below the root, stands for; none if there is
    /// no such thing.
    pub fn listed(&self, listed: &str) -> Vec<&Source> {
        let folder = format!("{}/", listed.trim_end_matches('/'));
        self.sources()
            .filter(|source| source.file == listed || source.file.starts_with(&folder))
            .collect()
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What `mention` in `source` means, from the crate's root; `None` for what lies outside the
    /// crate or is a local name.
    pub fn absolute(&self, source: &Source, mention: &Mention) -> Option<Vec<String>> {
        let (first, rest) = mention.path.split_first()?;
        let mut module = source.module.clone();
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => return Some(joined(&module, rest)),
            "super" => {
                let ups = mention.path.iter().take_while(|name| *name == "super").count();
                module.truncate(module.len().saturating_sub(ups));
                return Some(joined(&module, &mention.path[ups..]));
            }
            _ => {}
        }
        let child = joined(&module, std::slice::from_ref(first));
        if self.modules.contains_key(&child) {
            return Some(joined(&child, rest));
        }
        let binding = source
            .mentions
            .iter()
            .find(|other| other.bound.as_ref() == Some(first) && other.path != mention.path)?;
        let base = self.absolute_if_rooted(source, binding)?;
        Some(joined(&base, rest))
    }

    fn absolute_if_rooted(&self, source: &Source, mention: &Mention) -> Option<Vec<String>> {
        let first = mention.path.first()?;
        let child = joined(&source.module, std::slice::from_ref(first));
        let rooted = ["crate", "self", "super"].contains(&first.as_str())
            || self.modules.contains_key(&child);
        if rooted { self.absolute(source, mention) } else { None }
    }

    /// The file that `path` leads to, behind any re-export, and what of the path lies within it.
    pub fn resolve(&self, path: &[String]) -> Option<(&Source, Vec<String>)> {
        self.resolve_within(path, 8)
    }

    fn resolve_within(&self, path: &[String], hops: usize) -> Option<(&Source, Vec<String>)> {
        let depth =
            (0..=path.len()).rev().find(|depth| self.modules.contains_key(&path[..*depth]))?;
        let source = &self.modules[&path[..depth]];
        let rest = &path[depth..];
        let here = Some((source, rest.to_vec()));
        let (Some((item, after)), Some(hops)) = (rest.split_first(), hops.checked_sub(1)) else {
            return here;
        };
        if source.defines(item) {
            return here;
        }
        let bound = |name: &str| {
            let named =
                source.mentions.iter().filter(|mention| mention.bound.as_deref() == Some(name));
            let targets = named.filter_map(|mention| self.absolute_if_rooted(source, mention));
            targets.collect::<Vec<_>>().into_iter()
        };
        if let Some(target) = bound(item).next() {
            return self.resolve_within(&joined(&target, after), hops);
        }
        // A glob may bring in the name; a module that it names need not define it.
        bound("*")
            .filter_map(|target| self.resolve_within(&joined(&target, rest), hops))
            .find(|(source, rest)| rest.first().is_some_and(|item| source.defines(item)))
            .or(here)
    }

    /// What a path in the file of `source` means, as [`Crate::absolute`], where its first name may
    /// also be an item of the file or come by a glob.
    pub fn within(&self, source: &Source, mention: &Mention) -> Option<Vec<String>> {
        let first = mention.path.first()?;
        if source.defines(first) {
            return Some(joined(&source.module, &mention.path));
        }
        self.absolute(source, mention).or_else(|| {
            let path = joined(&source.module, &mention.path);
            let (found, rest) = self.resolve(&path)?;
            (found.file != source.file).then(|| joined(&found.module, &rest))
        })
    }

    /// The file and name of the item that `name` stands for in the file of `source`.
    pub fn item_of(&self, source: &Source, name: &str) -> Option<(&Source, String)> {
        let path = self.within(source, &Mention::of(vec![name.to_owned()]))?;
        let (found, rest) = self.resolve(&path)?;
        let item = rest.first().filter(|item| found.defines(item))?;
        Some((found, item.clone()))
    }
}

impl Source {
    /// Whether an item of the file, not of a block in it, has this name.
    pub fn defines(&self, name: &str) -> bool {
        self.items.iter().any(|item| item.owner.is_none() && item.name == name)
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

fn module_of(file: &str) -> Vec<String> {
    let mut module: Vec<String> =
        file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

fn joined(module: &[String], rest: &[String]) -> Vec<String> {
    [module, rest].concat()
}

/// `tokens` without documentation, test-only items and test-only attributes; `tests` gets the names of test-only modules
/// in other files.
fn shipped(tokens: TokenStream, tests: &mut Vec<String>) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let bang = usize::from(is_punct(tokens.get(at + 1), '!'));
        let attribute =
            if is_punct(tokens.get(at), '#') { tokens.get(at + 1 + bang) } else { None };
        let attribute = attribute
            .map(|tree| tree.to_string().replace(char::is_whitespace, ""))
            .unwrap_or_default();
        if attribute.starts_with("[doc=") || attribute.starts_with("[cfg_attr(test,") {
            at += 2 + bang;
        } else if attribute == "[cfg(test)]" && bang == 0 {
            at = past_item(&tokens, at + 2, tests);
        } else {
            kept.push(match &tokens[at] {
                TokenTree::Group(group) => {
                    let mut inner =
                        proc_macro2::Group::new(group.delimiter(), shipped(group.stream(), tests));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                other => other.clone(),
            });
            at += 1;
        }
    }
    kept.into_iter().collect()
}

/// The index after the item that starts at `at`: after its body, or its `;`.
fn past_item(tokens: &[TokenTree], mut at: usize, tests: &mut Vec<String>) -> usize {
    let is_use = tokens.get(at).is_some_and(|tree| tree.to_string() == "use");
    let mut names = Vec::new();
    while let Some(tree) = tokens.get(at) {
        at += 1;
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_use => {
                return at;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => break,
            TokenTree::Ident(name) => names.push(name.to_string()),
            _ => {}
        }
    }
    if let Some(position) = names.iter().position(|name| name == "mod") {
        tests.extend(names.get(position + 1).cloned());
    }
    at
}

pub fn is_punct(tree: Option<&TokenTree>, wanted: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Every path of `tokens`: those of `use` declarations with the names they bind, and those of two
/// or more names elsewhere.
pub fn collect(tokens: TokenStream, mentions: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => collect(group.stream(), mentions),
            TokenTree::Ident(name) if *name == "use" => {
                let end = (at..tokens.len())
                    .find(|end| is_punct(tokens.get(*end), ';'))
                    .unwrap_or(tokens.len());
                let first = mentions.len();
                use_tree(&tokens[at + 1..end], &[], mentions);
                let is_public = tokens[at.saturating_sub(2)..at]
                    .iter()
                    .any(|tree| matches!(tree, TokenTree::Ident(word) if *word == "pub"));
                mentions[first..].iter_mut().for_each(|mention| mention.passed_on = is_public);
                at = end;
            }
            TokenTree::Ident(name) => {
                let line = name.span().start().line;
                let mut path = vec![name.to_string()];
                while let (true, Some(TokenTree::Ident(next))) =
                    (is_path_separator(&tokens, at + 1), tokens.get(at + 3))
                {
                    path.push(next.to_string());
                    at += 3;
                }
                if path.len() > 1 {
                    mentions.push(Mention { path, bound: None, passed_on: false, line });
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The files that `include!`, `include_str!` and `include_bytes!` bring in, relative to the folder
/// of the file with these tokens.
pub fn included(tokens: TokenStream, includes: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, tree) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = tree else { continue };
        let called = at.checked_sub(2).map(|name| tokens[name].to_string()).unwrap_or_default();
        if called.starts_with("include") && is_punct(tokens.get(at - 1), '!') {
            includes.push(group.stream().to_string().trim_matches('"').to_owned());
        }
        included(group.stream(), includes);
    }
}

/// The paths of one branch of a `use` declaration below `prefix`; branches are parted by commas.
fn use_tree(tokens: &[TokenTree], prefix: &[String], mentions: &mut Vec<Mention>) {
    for branch in tokens.split(|tree| is_punct(Some(tree), ',')) {
        let mut path = prefix.to_vec();
        let mut line = 0;
        let mut alias = None;
        let mut whole = true;
        let mut trees = branch.iter();
        while let Some(tree) = trees.next() {
            line = tree.span().start().line;
            match tree {
                TokenTree::Ident(name) if *name == "as" => {
                    alias = trees.next().map(TokenTree::to_string)
                }
                TokenTree::Ident(name) if *name == "self" && !path.is_empty() => {}
                TokenTree::Ident(name) => path.push(name.to_string()),
                TokenTree::Punct(star) if star.as_char() == '*' => alias = Some("*".to_owned()),
                TokenTree::Group(group) => {
                    whole = false;
                    use_tree(&group.stream().into_iter().collect::<Vec<_>>(), &path, mentions);
                }
                _ => {}
            }
        }
        if whole && let Some(last) = path.last().cloned() {
            let bound = alias.or(Some(last));
            mentions.push(Mention { path, bound, passed_on: false, line });
        }
    }
}
