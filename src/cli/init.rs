//! `titrate init`: a study of somebody's own pictures, written from a look at them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use minijinja::{AutoEscape, context};

use crate::cli::args::Init;
use crate::cli::common::{experiments, print};
use crate::cli::exit::Exit;
use crate::report;
use crate::sources::survey::{FEWEST, Survey, survey};
use crate::study::Study;
use crate::wording::{quoted, some_of};

/// The seed of the sets that are drawn.
const SEED: u64 = 111_108;

/// Real images a class that classifiers are trained on, where the pool has as many.
const COUNTS: [usize; 4] = [4, 8, 16, 32];

pub(super) fn init(arguments: &Init) -> Result<Exit> {
    let Init { folder, images, table, ignore } = arguments;
    let path = folder.join("study.toml");
    if path.exists() {
        bail!("{} is there already: give another folder, or edit it", path.display());
    }
    let root = absolute(images)?;
    let found = survey(&root, table.as_deref(), ignore, SEED)?;
    let base = absolute(&experiments().join("base"))?;
    if !base.is_dir() {
        bail!(
            "the base weights are not at {}: TITRATE_WORKSPACE names the folder whose \
             experiments/base they are",
            base.display()
        );
    }
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let text = write(&root, &found, ignore, &base)?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Study::load(&path, &[]).context("the study that was written")?;
    print(&describe(&root, &found, &path, folder))?;
    Ok(Exit::Done)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("find {}", path.display()))
}

/// The study file: `templates/study.toml`, filled. Names become TOML strings.
fn write(root: &Path, found: &Survey, ignored: &[String], base: &Path) -> Result<String> {
    let toml = |text: &str| toml_edit::Value::from(text).to_string();
    let list =
        |items: &[&String]| items.iter().map(|item| toml(item)).collect::<Vec<_>>().join(", ");
    let path = |path: &Path| toml(&path.display().to_string());
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let [held_out, validation, plentiful, pool] = found.sizes;
    let counts = COUNTS.into_iter().filter(|n| *n <= pool).collect::<Vec<_>>();
    let table = found.table.as_deref().map(absolute).transpose()?;
    let context = context! {
        folder => root.display().to_string().replace(['\n', '\r'], " "),
        title => toml(&format!("Synthetic images for a classifier of {name}")),
        path => path(root),
        table => table.as_deref().map(path),
        ignored => list(&ignored.iter().collect::<Vec<_>>()),
        classes => list(&found.classes.keys().collect::<Vec<_>>()),
        smallest => found.classes.values().min(),
        held_out, validation, plentiful, pool,
        base => path(base),
        counts => if counts.is_empty() { vec![pool] } else { counts },
    };
    // Nothing is escaped: what is filled in is TOML already.
    let environment = report::template_environment(AutoEscape::None);
    let template = include_str!("templates/study.toml");
    Ok(environment.render_named_str("study.toml", template, context)?)
}

/// What was found, what was left out, and how to go on.
fn describe(root: &Path, found: &Survey, path: &Path, folder: &Path) -> String {
    let named = |classes: &std::collections::BTreeMap<String, usize>| {
        let all = classes.iter().map(|(class, count)| format!("{class} ({count})"));
        some_of(&all.collect::<Vec<_>>(), 12, ", ")
    };
    let total = found.classes.values().sum::<usize>();
    let mut text = format!(
        "{}: {total} pictures of {} classes: {}\n",
        root.display(),
        found.classes.len(),
        named(&found.classes)
    );
    if !found.small.is_empty() {
        let small = named(&found.small);
        text.push_str(&format!("left out, with fewer than {FEWEST} pictures: {small}\n"));
    }
    if let Some(table) = &found.table {
        let (pictures, patients) = found.patients;
        text.push_str(&format!(
            "{}: the skin type of {} pictures; {patients} patients of {pictures} pictures\n",
            table.display(),
            found.with_skin_type
        ));
    }
    found.listing.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    let [held_out, validation, plentiful, pool] = found.sizes;
    text.push_str(&format!(
        "pictures of each class: {held_out} held out, {validation} for validation, {plentiful} for the judge of synthetic \
         images, {pool} in the pool\n"
    ));
    let study = quoted(&path.display().to_string());
    let out = quoted(&folder.join("report").display().to_string());
    let store = quoted(&folder.join("store").display().to_string());
    text.push_str(&format!(
        "wrote {study}; next:\n  titrate reproduce {study} --store {store} --out {out}\n"
    ));
    text
}
