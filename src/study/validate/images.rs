//! The rules of the real images.

use super::super::schema::*;
use super::rules::{Rules, join, to_toml};
use crate::vocabulary::{Dedupe, Fit, SkinTypeScale, SourceFacts, Unusable};

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
    let SourceFacts { files: what, annotations: annotated, lists: listed, .. } = source.facts();
    if let Some(what) = what.filter(|_| images.path.is_empty()) {
        rules.refuse(
            "images.path",
            format!(
                "`images.path` is empty; the source {} needs the folder of its {what}",
                source.name()
            ),
        );
    }
    let unread = rules.said.since("images.path", "images.source");
    rules.require(
        what.is_some() || images.path.is_empty() || !unread,
        "images.path",
        &images.path,
        format!("\"\" (the source {} has no files)", source.name()),
    );
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
    let allowed = format!("[] (the source {} has no pictures to name)", source.name());
    rules.require(
        source.has_pictures() || images.exclude.is_empty(),
        "images.exclude",
        &images.exclude,
        allowed,
    );
    rules.unique("images.exclude", &images.exclude);
    let read = listed || !rules.said.since("images.skin_type", "images.source");
    let allowed = "\"scale\" (only the source fitzpatrick17k has another)";
    rules.require(
        read || images.skin_type == SkinTypeScale::Scale,
        "images.skin_type",
        images.skin_type,
        allowed,
    );
    for (key, value, default, said) in [
        ("images.fit", to_toml(&images.fit), to_toml(&Fit::Crop), "are square already"),
        ("images.unusable", to_toml(&images.unusable), to_toml(&Unusable::Refuse), "are all there"),
    ] {
        let read = source.has_pictures() || !rules.said.since(key, "images.source");
        if !read && value != default {
            let source = source.name();
            let message = format!(
                "`{key}` is {value}; allowed: {default} (the images of the source {source} {said})"
            );
            rules.refuse(key, message);
        }
    }
    let kept = images.dedupe == Dedupe::Keep || source.has_pictures();
    let allowed = format!("\"keep\" (the images of the source {} are not compared)", source.name());
    rules.require(kept, "images.dedupe", images.dedupe, allowed);
    let known = source.facts().classes;
    if let Some(class) = images.classes.iter().find(|class| !known.contains(&class.as_str()))
        && !known.is_empty()
    {
        let message = format!(
            "`images.classes` has {class:?}; the pictures of the source {} are told apart as {}",
            source.name(),
            known.join(", ")
        );
        rules.refuse("images.classes", message);
    }
}
