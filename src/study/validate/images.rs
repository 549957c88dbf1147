//! The rules of the real images.

use super::super::schema::*;
use super::rules::{Rules, join};
use crate::vocabulary::{Dedupe, ImageSource, SkinTypeScale};

pub(super) fn images(study: &Study, rules: &mut Rules) {
    let images = &study.images;
    rules.require(
        images.size >= 8 && images.size.is_multiple_of(8),
        "images.size",
        images.size,
        "a multiple of 8, at least 8",
    );
    rules.counts(
        "images",
        &[("pool", images.pool), ("validation", images.validation), ("held_out", images.held_out)],
    );
    rules.unique("images.classes", &images.classes);
    rules.require(
        images.classes.len() >= 2,
        "images.classes",
        &images.classes,
        "two classes or more",
    );
    rules.require(
        images.classes.iter().all(|class| !class.trim().is_empty()),
        "images.classes",
        &images.classes,
        "no empty name",
    );
    let source = images.source;
    // The contents of the folder, and whether the set has a table of annotations and lists of
    // pictures.
    let (what, annotated, listed) = match source {
        ImageSource::Phantom => (None, false, false),
        ImageSource::Idx => (Some(".gz files"), false, false),
        ImageSource::Fitzpatrick17k => (Some("pictures"), true, true),
        ImageSource::Ddi | ImageSource::Folder => (Some("pictures"), true, false),
        ImageSource::Webdataset => (Some("tar files"), false, false),
    };
    if let Some(what) = what.filter(|_| images.path.is_empty()) {
        rules.refuse(
            "images.path",
            format!(
                "`images.path` is empty; the source {} needs the folder of its {what}",
                source.name()
            ),
        );
    }
    let tables = [
        ("annotations", &images.annotations, annotated),
        ("held_out_list", &images.held_out_list, listed),
        ("training_list", &images.training_list, listed),
    ];
    for (name, path, read) in tables {
        let allowed = format!("\"\" (the source {} has no such table)", source.name());
        rules.require(read || path.is_empty(), &join("images", name), path, allowed);
    }
    let allowed = format!("[] (the source {} has no columns)", source.name());
    rules.require(
        source.has_pictures() || images.ignored_columns.is_empty(),
        "images.ignored_columns",
        &images.ignored_columns,
        allowed,
    );
    let read = source == ImageSource::Fitzpatrick17k
        || !rules.said.since("images.skin_type", "images.source");
    let allowed = "\"scale\" (only the source fitzpatrick17k has another)";
    rules.require(
        read || images.skin_type == SkinTypeScale::Scale,
        "images.skin_type",
        images.skin_type,
        allowed,
    );
    let kept = images.dedupe == Dedupe::Keep || source.has_pictures();
    let allowed = format!("\"keep\" (the images of the source {} are not compared)", source.name());
    rules.require(kept, "images.dedupe", images.dedupe, allowed);
    if source == ImageSource::Ddi {
        let known =
            images.classes.iter().all(|class| ["benign", "malignant"].contains(&class.as_str()));
        rules.require(
            known,
            "images.classes",
            &images.classes,
            "\"benign\" and \"malignant\" (what DDI's pictures are told apart by)",
        );
    }
}
