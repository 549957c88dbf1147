//! Studies: a TOML file becomes a typed, resolved and validated [`Study`].
//!
//! A study file says what differs from `defaults.toml`, or from the file that its `extends` names.
//! Unknown keys, wrong types and values out of range are refused with the place where they are
//! written. What leaves this room is complete: nothing further down has a default.
//!
//! May import `regular`, `seed` and `vocabulary`. It reads study files and no others; whether images and
//! weights exist is asked by the rooms that open them.

mod design;
mod error;
mod keys;
mod layer;
mod read;
mod schema;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use toml_edit::visit_mut::{
    VisitMut, visit_array_mut, visit_item_mut, visit_table_mut, visit_value_mut,
};
use toml_edit::{Array, DocumentMut, Item, Table, Value};

pub use design::Cell;
pub use error::{Place, Problem, StudyError};
pub use schema::*;

/// A study with its name, its resolved text and the places of its keys.
#[derive(Clone, Debug)]
pub struct LoadedStudy {
    /// The study, complete and validated.
    pub study: Study,
    /// The file's stem.
    pub name: String,
    /// As it was asked for.
    pub path: PathBuf,
    /// Every parameter as TOML: the same text for the same study, however its files and options are
    /// written. Loading it gives the same study again, but for its paths: each is as in the file
    /// that names it, and relative to that file.
    pub resolved: String,
    places: BTreeMap<String, Place>,
}

impl Study {
    /// Loads the study file at `path`, with `sets` (`key=value` each, later ones win) laid over it.
    ///
    /// # Errors
    /// If a file cannot be read or extends itself, or if a key is unknown, of another type or out
    /// of range; every such key is named with its place.
    pub fn load(path: &Path, sets: &[String]) -> Result<LoadedStudy, StudyError> {
        let known = &*keys::KNOWN;
        let mut layers = read::files(path)?;
        for set in sets {
            layers.push(read::assignment(set, known)?);
        }
        refuse(layers.iter().flat_map(|layer| known.check(layer)).collect())?;

        let mut merged = known.table().clone();
        let mut places = BTreeMap::new();
        let mut said = keys::Said::default();
        let mut study = known.study();
        for (number, layer) in layers.iter().enumerate() {
            if changes_images(&merged, layer) {
                // What lower layers say in words is of other pictures.
                for key in OF_IMAGES {
                    keys::reset(&mut merged, known, key);
                    places.remove(&key.join("."));
                    said.forget(&key.join("."));
                }
            }
            let leaves = keys::merge(&mut merged, layer, &mut places);
            said.add(number, &leaves);
            // Layer by layer, so that what goes wrong was written in this one.
            study = read_study(&merged, layer, &leaves)?;
        }

        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let resolved = write_resolved(&study);
        let loaded = LoadedStudy { study, name, path: path.to_owned(), resolved, places };
        refuse(
            validate::broken_rules(&loaded.study, &said)
                .into_iter()
                .map(|(key, message)| Problem { place: loaded.place(&key), message })
                .collect(),
        )?;
        Ok(loaded)
    }
}

/// Keys that describe a study's pictures in words: a study of another image source does not inherit
/// them from the one that it extends, whose words are of other pictures.
const OF_IMAGES: [&[&str]; 4] = [
    &["title"],
    &["about"],
    &["generator", "prompt"],
    &["generator", "dreambooth", "prior", "prompt"],
];

/// Whether a layer names another image source than those below it.
fn changes_images(below: &Table, layer: &layer::Layer) -> bool {
    let source = |table: &Table| {
        let images = table.get("images").and_then(Item::as_table_like);
        images.and_then(|images| images.get("source")?.as_str().map(str::to_owned))
    };
    source(layer.document.as_table()).is_some_and(|named| Some(named) != source(below))
}

impl LoadedStudy {
    /// Where the value of `key` (dotted) was written last; of a table, that of its first key.
    pub fn place(&self, key: &str) -> Place {
        let below = format!("{key}.");
        let first = || {
            self.places
                .range(below.clone()..)
                .next()
                .filter(|(key, _)| key.starts_with(&below))
                .map(|(_, place)| place)
        };
        self.places
            .get(key)
            .or_else(first)
            .cloned()
            .unwrap_or(Place::Default { path: self.path.clone() })
    }

    /// Folder of shipped base weights, or `None` where the study trains its own. Relative to the
    /// file that names it.
    pub fn base_folder(&self) -> Option<PathBuf> {
        let from = &self.study.base.from;
        (!from.is_empty()).then(|| self.relative("base.from", from))
    }

    /// Folder of the pipeline in diffusers' layout that the text-to-image and the inpainting
    /// generators start from; `None` where it is the base, and where the study's strategies need
    /// none.
    pub fn pretrained_folders(&self) -> [Option<PathBuf>; 2] {
        let Pretrained { text_to_image, inpainting, .. } = &self.study.base.pretrained;
        let [of_text, of_images] = self.study.pipelines();
        [("text_to_image", text_to_image, of_text), ("inpainting", inpainting, of_images)].map(
            |(key, path, needed)| {
                (needed && !path.is_empty())
                    .then(|| self.relative(&format!("base.pretrained.{key}"), path))
            },
        )
    }

    /// File of the weights that classifiers start from; `None` where it is the base.
    pub fn pretrained_backbone(&self) -> Option<PathBuf> {
        let path = &self.study.base.pretrained.backbone;
        (!path.is_empty()).then(|| self.relative("base.pretrained.backbone", path))
    }

    /// The folders of the shards of each generator whose images are released ones.
    pub fn released_folders(&self) -> Vec<ReleasedFolder> {
        let folder = |(variant, generator): (&str, &Generator)| {
            let own = keys::dotted(&["generator", "variants", variant, "released"]);
            // A variant that says nothing of it has the generator's, written where that was.
            let key =
                if self.places.contains_key(&own) { own } else { "generator.released".to_owned() };
            let folder = self.relative(&key, &generator.released);
            ReleasedFolder { variant: variant.to_owned(), key, folder }
        };
        self.study
            .generators()
            .filter(|(_, generator)| generator.is_released())
            .map(folder)
            .collect()
    }

    /// Table of readers' ratings; `None` where the study has none.
    pub fn ratings_table(&self) -> Option<PathBuf> {
        let path = &self.study.ratings.path;
        (!path.is_empty()).then(|| self.relative("ratings.path", path))
    }

    /// Folder of the real images' files, relative to the file that names it.
    pub fn images_folder(&self) -> PathBuf {
        self.relative("images.path", &self.study.images.path)
    }

    /// The table that the key `images.<name>` names; `None` where it is empty.
    pub fn images_table(&self, name: &str) -> Option<PathBuf> {
        let images = &self.study.images;
        let path = match name {
            "annotations" => &images.annotations,
            "held_out_list" => &images.held_out_list,
            "training_list" => &images.training_list,
            _ => return None,
        };
        (!path.is_empty()).then(|| self.relative(&format!("images.{name}"), path))
    }

    /// `path` relative to the file that names it, or as it is in the hub. Each `${NAME}` in it is
    /// replaced by the environment variable; one that is not set stays, and such a path does not
    /// exist.
    fn relative(&self, key: &str, path: &str) -> PathBuf {
        let mut expanded = String::new();
        let mut rest = path;
        while let Some((before, name, after)) = variable(rest) {
            expanded.push_str(before);
            match std::env::var(name) {
                Ok(value) => expanded.push_str(&value),
                Err(_) => expanded.push_str(&format!("${{{name}}}")),
            }
            rest = after;
        }
        expanded.push_str(rest);
        if expanded.starts_with(REMOTE) {
            return PathBuf::from(expanded);
        }
        self.place(key).folder().unwrap_or(Path::new("")).join(expanded)
    }
}

/// The shards of a generator whose images are released ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedFolder {
    /// The generator's variant; empty: the generator itself.
    pub variant: String,
    /// The key that names the folder: the variant's, or the generator's where the variant says
    /// nothing of it.
    pub key: String,
    /// The folder, or its place in the hub.
    pub folder: PathBuf,
}

/// The beginning of paths in the Hugging Face hub.
const REMOTE: &str = "hf://";

/// The parts of a path before, in and after its first `${NAME}`.
fn variable(path: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = path.split_once("${")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// The environment variable that a path of a study names and that is not set, if there is one.
pub fn unset_variable(path: &Path) -> Option<&str> {
    variable(path.to_str()?).map(|(_, name, _)| name)
}

/// The study file that `argument` stands for: a path (with a separator, or ending in `.toml`), or
/// the name of a study in `experiments`.
///
/// # Errors
/// If `experiments` has no study of this name.
pub fn find(argument: &str, experiments: &Path) -> Result<PathBuf, StudyError> {
    let path = Path::new(argument);
    if path.components().count() > 1
        || path.extension().is_some_and(|extension| extension == "toml")
    {
        return Ok(path.to_owned());
    }
    let named = experiments.join(format!("{argument}.toml"));
    match fs::metadata(&named) {
        Ok(there) if there.is_file() => return Ok(named),
        // One that can't be looked at is there; reading it says why.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Ok(named),
        _ => {}
    }
    let known = match names(experiments) {
        Ok(names) if !names.is_empty() => format!("has {}", names.join(", ")),
        Ok(_) => "has none".to_owned(),
        Err(error) => format!("cannot be read ({error})"),
    };
    Err(StudyError::UnknownStudy {
        name: argument.to_owned(),
        folder: experiments.to_owned(),
        known,
    })
}

/// The studies of a folder by name, sorted.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn refuse(problems: Vec<Problem>) -> Result<(), StudyError> {
    if problems.is_empty() { Ok(()) } else { Err(StudyError::Invalid(problems)) }
}

/// The study that the merged table describes; a value that does not fit its type is an error of the
/// layer merged last.
fn read_study(
    merged: &Table,
    layer: &layer::Layer,
    leaves: &[keys::Leaf],
) -> Result<Study, StudyError> {
    let study = toml_edit::de::from_document(DocumentMut::from(keys::complete(merged))).map_err(
        |error| {
            let span = error.span();
            let start = span.as_ref().map_or(0, |span| span.start);
            let holds =
                |leaf: &&keys::Leaf| leaf.span.as_ref().is_some_and(|span| span.contains(&start));
            let key =
                leaves.iter().find(holds).map_or(String::new(), |leaf| format!("`{}`: ", leaf.key));
            let message = format!(
                "{key}{}",
                error.message().trim().replace("expected usize", "expected a whole number")
            );
            StudyError::Invalid(vec![Problem { place: layer.place(span), message }])
        },
    )?;
    refuse(keys::check_lengths(layer, document(&study).as_item()))?;
    Ok(study)
}

fn document(study: &Study) -> DocumentMut {
    toml_edit::ser::to_document(study).expect("a study came from TOML and goes back")
}

/// The study's one canonical text.
fn write_resolved(study: &Study) -> String {
    let mut document = document(study);
    Layout.visit_document_mut(&mut document);
    document.to_string().trim_start().to_owned()
}

/// Tables under headers, arrays on one line unless they are long.
struct Layout;

impl VisitMut for Layout {
    fn visit_item_mut(&mut self, item: &mut Item) {
        if item.is_inline_table() {
            *item = std::mem::take(item).into_table().map_or_else(|item| item, Item::Table);
        }
        visit_item_mut(self, item);
    }

    fn visit_table_mut(&mut self, table: &mut Table) {
        table.decor_mut().clear();
        if table.iter().any(|(_, item)| item.is_value()) {
            table.decor_mut().set_prefix("\n");
        } else {
            table.set_implicit(!table.is_empty());
        }
        visit_table_mut(self, table);
    }

    fn visit_value_mut(&mut self, value: &mut Value) {
        value.decor_mut().clear();
        visit_value_mut(self, value);
    }

    fn visit_array_mut(&mut self, array: &mut Array) {
        visit_array_mut(self, array);
        if array.to_string().len() > 100 {
            array.iter_mut().for_each(|element| element.decor_mut().set_prefix("\n  "));
            array.set_trailing("\n");
            array.set_trailing_comma(true);
        } else {
            array.fmt();
        }
    }
}
