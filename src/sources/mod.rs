//! Where a study's files are: its image set, released synthetic images, pretrained models and
//! shipped base weights. What is found becomes inputs of the study's graph, each file by its
//! digest.
//!
//! May import `data`, `hub`, `ml`, `plan`, `regular`, `store`, `study`, `vocabulary` and `wording`. It
//! runs no task and prints nothing but what a download says of itself.

mod absent;
mod models;
mod pictures;
mod prompts;
mod remote;
mod shards;
pub mod survey;

use anyhow::Result;

use crate::data::sets::{self, ImageSet};
use crate::plan::Graph;
use crate::plan::pipeline::{self, Outside};
use crate::store::Store;
use crate::study::LoadedStudy;
pub use remote::fetch;

/// The graph of a study, its shipped weights in the store. Pictures and pretrained models that are
/// not there are named by the tasks that need them, so that a study can be planned before its data
/// have come.
///
/// # Errors
/// If something that the study names is there and is not what the study says, or can't be read.
pub fn tasks(loaded: &LoadedStudy, store: &Store) -> Result<Graph> {
    let (mut files, mut of_pictures) = (None, None);
    match sets::of(loaded.study.images.source) {
        ImageSet::Embedded(set) => {
            pictures::refuse_unknown_classes(loaded, set)?;
            files = pictures::files(set, &loaded.images_folder(), store)?;
        }
        ImageSet::Pictures(set) => of_pictures = Some(pictures::pictures(loaded, set, store)?),
    }
    let base = loaded.base_folder().map(|folder| models::base(&folder, store)).transpose()?;
    let pretrained = models::pretrained(loaded, store)?;
    prompts::check(loaded, base.as_ref(), store)?;
    let weights =
        loaded.pretrained_backbone().map(|path| remote::here(loaded, path)).transpose()?;
    let backbone = weights.map(|path| models::backbone(path, store)).transpose()?;
    let released = loaded.released_folders().into_iter().map(|released| {
        let folder = remote::here(loaded, released.folder)?;
        let blocks =
            shards::released(&loaded.study, &released.variant, &released.key, &folder, store)?;
        Ok((released.variant, blocks))
    });
    let released = released.collect::<Result<_>>()?;
    let ratings = loaded.ratings_table().map(|path| models::ratings(&path, store)).transpose()?;
    let (name, resolved) = (loaded.name.clone(), loaded.resolved.clone());
    let pictures = of_pictures;
    let outside =
        Outside { files, pictures, base, released, pretrained, backbone, ratings, name, resolved };
    Ok(pipeline::tasks(&loaded.study, outside)?)
}

/// How the tables and files of a study's image set fit together, what of them is not used, and
/// which pictures are missing; a sentence each.
///
/// # Errors
/// As of [`tasks`].
pub fn listing(loaded: &LoadedStudy, store: &Store) -> Result<Vec<String>> {
    let ImageSet::Pictures(set) = sets::of(loaded.study.images.source) else {
        return Ok(Vec::new());
    };
    let found = pictures::pictures(loaded, set, store)?;
    let missing = found.missing.iter().collect::<Vec<_>>();
    let noun = if missing.len() == 1 { "that is not there" } else { "that are not there" };
    let missing = sets::count_unused("picture", noun, &missing);
    Ok(found.listing.into_iter().chain(missing).collect())
}

/// What the study's sets ask for and its pictures do not have, as a warning where pictures that are
/// left out may change it. Gzipped shards of more than 1 GiB together are asked by their tasks.
///
/// # Errors
/// If the study can't run for it, and as of [`tasks`].
pub fn shortfalls(loaded: &LoadedStudy, store: &Store) -> Result<Option<String>> {
    match sets::of(loaded.study.images.source) {
        ImageSet::Pictures(set) => pictures::shortfalls(loaded, set, store),
        ImageSet::Embedded(_) => Ok(None),
    }
}

/// What text encoders cut off the study's prompts, a sentence each.
///
/// # Errors
/// As of [`tasks`].
pub fn cut_prompts(loaded: &LoadedStudy, store: &Store) -> Result<Vec<String>> {
    // That it is not there is for the graph to say.
    let folder = loaded.base_folder().filter(|folder| folder.is_dir());
    let base = folder.map(|folder| models::base(&folder, store)).transpose()?;
    prompts::check(loaded, base.as_ref(), store)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::Input;
    use crate::study::Study;

    /// A study whose generator and one of its variants have released images that are not there.
    fn released(folder: &Path, of_generator: &str, of_variant: &str) -> LoadedStudy {
        let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/smoke.toml");
        let text = format!(
            "extends = {smoke:?}\n[generator]\nreleased = {of_generator:?}\n[generator.variants.theirs]\nreleased = {of_variant:?}\n[experiment]\narms = [\"inpaint\", \"inpaint@theirs\"]\n"
        );
        let path = folder.join("study.toml");
        std::fs::write(&path, text).unwrap();
        Study::load(&path, &[]).unwrap()
    }

    #[test]
    fn what_is_missing_is_named_by_the_key_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let graph = tasks(&released(folder.path(), "ours", "theirs"), &store).unwrap();
        let mut absent = Vec::new();
        for id in graph.ids() {
            absent.extend(graph.task(id).inputs.iter().filter_map(|(_, input)| match input {
                Input::Absent(what) => what.split(' ').next().map(str::to_owned),
                _ => None,
            }));
        }
        assert_eq!(absent, ["generator.released", "generator.variants.theirs.released"]);

        std::fs::create_dir(folder.path().join("theirs")).unwrap();
        let refused = tasks(&released(folder.path(), "ours", "theirs"), &store).unwrap_err();
        let expected = format!(
            "generator.variants.theirs.released: {} has no tar file: shards are called something.tar or something.tar.gz",
            folder.path().join("theirs").display()
        );
        assert_eq!(refused.to_string(), expected);
        let keys = remote::keys(&released(folder.path(), "hf://a/b", "hf://datasets/c/d"));
        assert_eq!(keys, ["generator.released", "generator.variants.theirs.released"]);
    }
}
