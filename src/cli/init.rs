//! `titrate init`: a study of somebody's own pictures, written from a look at them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cli::args::Init;
use crate::cli::common::{experiments, print};
use crate::cli::exit::Exit;
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

fn toml(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// The study file.
fn write(root: &Path, found: &Survey, ignored: &[String], base: &Path) -> Result<String> {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let [held_out, validation, plentiful, pool] = found.sizes;
    let counts = COUNTS.into_iter().filter(|n| *n <= pool).collect::<Vec<_>>();
    let counts = if counts.is_empty() { vec![pool] } else { counts };
    let list = |items: Vec<String>| items.join(", ");
    let classes = list(found.classes.keys().map(|class| toml(class)).collect());
    let mut text = format!(
        "# A study of the pictures in {}. `titrate init` wrote it; whatever is said here can be changed,\n\
         # and a run after a change makes again what depends on it and nothing else. Every key there is, with its\n\
         # meaning: experiments/KEYS.md.\n\n\
         title = {}\n\
         about = \"\"\"\n\
         Do synthetic images help a classifier of these pictures? Classifiers are trained on n real images of each class, alone \\\n\
         and with ten synthetic images for each real one, and tested on held-out pictures.\"\"\"\n\n",
        root.display().to_string().replace(['\n', '\r'], " "),
        toml(&format!("Synthetic images for a classifier of {name}"))
    );
    writeln!(text, "[images]\nsource = \"folder\"\npath = {}", toml(&root.display().to_string()))?;
    if let Some(table) = &found.table {
        let table = absolute(table)?.display().to_string();
        writeln!(text, "# What it says of each picture: class, skin type, patient.")?;
        writeln!(text, "annotations = {}", toml(&table))?;
    }
    if !ignored.is_empty() {
        let ignored = list(ignored.iter().map(|column| toml(column)).collect());
        writeln!(text, "ignored_columns = [{ignored}]")?;
    }
    let smallest = found.classes.values().min().copied().unwrap_or(0);
    text.push_str(&format!(
        "classes = [{classes}]\n\
         # Squares of so many pixels, for which the shipped base weights were made.\n\
         size = 32\n\
         # A picture that can't be read is left out and named; copies of one picture are kept in one set.\n\
         unusable = \"drop\"\n\
         dedupe = \"drop-from-train\"\n\
         # Pictures of each class in each set, of the {smallest} of the smallest class. The classifiers are tested on held_out\n\
         # and never see it; generators and classifiers learn from the pool; the judge of synthetic images learns from plentiful.\n\
         held_out = {held_out}\n\
         validation = {validation}\n\
         plentiful = {plentiful}\n\
         pool = {pool}\n\n"
    ));
    text.push_str(&recipe(&toml(&base.display().to_string()), &counts));
    Ok(text)
}

/// How generators and classifiers are trained: as in the study quick.
fn recipe(base: &str, counts: &[usize]) -> String {
    format!(
        "[base]\n\
         # Small models that ship with titrate, made for pictures of skin. Stable Diffusion instead: base.pretrained.\n\
         from = {base}\n\n\
         [generator]\n\
         # Say in it what the pictures are of.\n\
         prompt = \"a photograph of {{label}}\"\n\n\
         [generator.dreambooth]\n\
         # One model of all classes for each replicate, so that a rerun has its own.\n\
         models = \"all-per-replicate\"\n\
         steps = 300\n\
         learning_rate = 2e-3\n\n\
         [generator.sampling]\n\
         steps = 10\n\
         sources_per_shard = 8\n\
         generations_per_shard = 10\n\n\
         [experiment]\n\
         # Real images of each class, synthetic ones for each real one, and reruns. More replicates find smaller gains.\n\
         n = {counts:?}\n\
         arms = [\"text-to-image\", \"inpaint\", \"in-then-outpaint\"]\n\
         doses = [10]\n\
         transforms = [false, true]\n\
         replicates = 6\n"
    )
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
