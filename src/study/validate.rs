//! The rules that types cannot hold: ranges, counts and what must agree with what.

mod generators;

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;
use toml_edit::ser::ValueSerializer;

use super::keys::{Said, dotted};
use super::schema::*;
use crate::vocabulary::{
    Crop, Dedupe, Fit, HeadKind, ImageSource, NormalisationKind, Regime, SkinTypeScale, Transforms,
};

/// Every rule that the study breaks, as the key to change and the complaint.
pub(super) fn broken_rules(study: &Study, said: &Said) -> Vec<(String, String)> {
    let mut rules = Rules { said, broken: Vec::new() };
    images(study, &mut rules);
    base(study, &mut rules);
    networks(&study.base, study.images.size, &mut rules);
    generators::generators(study, &mut rules);
    for (key, classifier) in [
        ("base.backbone.training", &study.base.backbone.training),
        ("classifier", &study.classifier),
        ("probe", &study.probe),
    ] {
        let classes =
            if key == "base.backbone.training" { &[] } else { study.images.classes.as_slice() };
        training(key, classifier, classes, &mut rules);
        // The corpus is made at the size that its backbone sees.
        let most = if classes.is_empty() { 0 } else { study.images.size };
        rules.require(
            classifier.size <= most,
            &join(key, "size"),
            classifier.size,
            format!("0 (as the images are) to {most}"),
        );
    }
    views(study, &mut rules);
    rules.positive("head", &[("learning_rate", study.head.learning_rate)]);
    transforms(&study.transforms, &mut rules);
    experiment(study, &mut rules);
    analysis(&study.analysis, &mut rules);
    rules.broken
}

struct Rules<'a> {
    said: &'a Said,
    broken: Vec<(String, String)>,
}

impl Rules<'_> {
    fn require(&mut self, holds: bool, key: &str, value: impl Serialize, allowed: impl Display) {
        if !holds {
            self.refuse(key, format!("`{key}` is {}; allowed: {allowed}", to_toml(&value)));
        }
    }

    fn refuse(&mut self, key: &str, message: String) {
        self.broken.push((key.to_owned(), message));
    }

    fn counts(&mut self, table: &str, counts: &[(&str, usize)]) {
        for (name, count) in counts {
            self.require(*count >= 1, &join(table, name), count, "1 or more");
        }
    }

    /// A batch that is trained in two halves side by side.
    fn halves(&mut self, key: &str, batch: usize) {
        self.require(
            batch >= 2 && batch.is_multiple_of(2),
            key,
            batch,
            "an even number, 2 or more (its halves are trained side by side)",
        );
    }

    fn positive(&mut self, table: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.require(
                *value > 0.0 && value.is_finite(),
                &join(table, name),
                value,
                "more than 0",
            );
        }
    }

    fn not_negative(&mut self, table: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.require(
                *value >= 0.0 && value.is_finite(),
                &join(table, name),
                value,
                "0 or more",
            );
        }
    }

    fn probabilities(&mut self, table: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.require(
                (0.0..=1.0).contains(value),
                &join(table, name),
                value,
                "a probability, 0 to 1",
            );
        }
    }

    fn below_one(&mut self, table: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.require(
                (0.0..1.0).contains(value),
                &join(table, name),
                value,
                "0 or more, less than 1",
            );
        }
    }

    fn range(&mut self, key: &str, [least, most]: [f64; 2], from: f64, to: f64, allowed: &str) {
        self.require(from <= least && least <= most && most <= to, key, [least, most], allowed);
    }

    fn unique<T: Ord + Serialize>(&mut self, key: &str, values: &[T]) {
        let mut seen = BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(*value)) {
            self.refuse(
                key,
                format!("`{key}` has {} twice; each value may stand once", to_toml(twice)),
            );
        }
    }

    /// A list that is swept over: something in it and nothing twice.
    fn sweep<T: Ord + Serialize>(&mut self, key: &str, values: &[T]) {
        self.require(!values.is_empty(), key, values, "one value or more");
        self.unique(key, values);
    }

    fn counts_sweep(&mut self, key: &str, values: &[usize], allowed: &str) {
        self.sweep(key, values);
        self.require(values.iter().all(|value| *value >= 1), key, values, allowed);
    }
}

/// A value as a study file writes it.
fn to_toml(value: &impl Serialize) -> String {
    value
        .serialize(ValueSerializer::new())
        .map_or_else(|error| error.to_string(), |value| value.to_string())
}

fn join(table: &str, name: &str) -> String {
    format!("{table}.{name}")
}

fn images(study: &Study, rules: &mut Rules) {
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

fn base(study: &Study, rules: &mut Rules) {
    let base = &study.base;
    if study.goal == Goal::Base && !base.from.is_empty() {
        let message = format!(
            "`base.from` is {}; a study with goal \"base\" trains its own, so it must be \"\"",
            to_toml(&base.from)
        );
        rules.refuse("base.from", message);
    }
    let Pretrained { text_to_image, inpainting, backbone } = &base.pretrained;
    for (key, path) in
        [("text_to_image", text_to_image), ("inpainting", inpainting), ("backbone", backbone)]
    {
        let allowed = "\"\" (a study with goal \"base\" trains its own)";
        rules.require(
            study.goal != Goal::Base || path.is_empty(),
            &join("base.pretrained", key),
            path,
            allowed,
        );
    }
    let architecture = &base.backbone.architecture;
    let known = ARCHITECTURES.contains(&architecture.as_str());
    rules.require(known, "base.backbone.architecture", architecture, ARCHITECTURES.join(", "));
    if known && !base.from.is_empty() && backbone.is_empty() && *architecture != ARCHITECTURES[0] {
        let message = format!(
            "`base.backbone.architecture` is {}, but the backbone comes from `base.from` ({}): name a file of weights in \
             base.pretrained.backbone, or set base.from to \"\", which trains one",
            to_toml(architecture),
            to_toml(&base.from),
        );
        rules.refuse("base.backbone.architecture", message);
    }
    let classes = &base.corpus.classes;
    match study.images.source {
        ImageSource::Phantom => rules.require(
            classes.is_empty(),
            "base.corpus.classes",
            classes,
            "[] (the source phantom uses all of its base kinds)",
        ),
        ImageSource::Idx if base.from.is_empty() => rules.sweep("base.corpus.classes", classes),
        ImageSource::Idx => {}
        source @ (ImageSource::Fitzpatrick17k
        | ImageSource::Ddi
        | ImageSource::Folder
        | ImageSource::Webdataset) => {
            let pretrained = &base.pretrained;
            let [text_to_image, inpainting] = study.pipelines();
            let needed = [
                ("text_to_image", &pretrained.text_to_image, text_to_image),
                ("inpainting", &pretrained.inpainting, inpainting),
                ("backbone", &pretrained.backbone, true),
            ];
            let lacks = needed.iter().filter(|(_, path, needed)| *needed && path.is_empty());
            let lacks = lacks
                .map(|(name, ..)| format!("base.pretrained.{name}"))
                .collect::<Vec<_>>()
                .join(", ");
            if base.from.is_empty() && !lacks.is_empty() {
                let message = format!(
                    "`base.from` is \"\"; a base is trained on images of the source phantom or idx, not {}: name shipped base weights, or \
                     {lacks}",
                    source.name()
                );
                rules.refuse("base.from", message);
            }
        }
    }
    if let Some(shared) = classes.iter().find(|class| study.images.classes.contains(class)) {
        let message = format!(
            "`base.corpus.classes` has {shared:?}, which is a class of the study; the base may not see it"
        );
        rules.refuse("base.corpus.classes", message);
    }
    rules.counts(
        "base.corpus",
        &[("train", base.corpus.train), ("validation", base.corpus.validation)],
    );
    rules.counts("base", &[("inpainting_steps", base.inpainting_steps)]);
}

fn networks(base: &Base, size: usize, rules: &mut Rules) {
    let Base { autoencoder, text_encoder, diffusion, unet, .. } = base;
    let counts = [
        ("latent_channels", autoencoder.latent_channels),
        ("layers_per_block", autoencoder.layers_per_block),
        ("steps", autoencoder.steps),
    ];
    rules.counts("base.autoencoder", &counts);
    rules.halves("base.autoencoder.batch", autoencoder.batch);
    rules.positive("base.autoencoder", &[("learning_rate", autoencoder.learning_rate)]);
    let weights = [
        ("kl_weight", autoencoder.kl_weight),
        ("gradient_weight", autoencoder.gradient_weight),
        ("chroma_weight", autoencoder.chroma_weight),
        ("perceptual_weight", autoencoder.perceptual_weight),
    ];
    rules.not_negative("base.autoencoder", &weights);
    channels("base.autoencoder", &autoencoder.channels, autoencoder.norm_groups, rules);

    rules.counts("base.text_encoder", &[("layers", text_encoder.layers)]);
    rules.require(
        text_encoder.context >= 3,
        "base.text_encoder.context",
        text_encoder.context,
        "3 or more (start, token, end)",
    );
    rules.require(
        text_encoder.vocabulary > 256,
        "base.text_encoder.vocabulary",
        text_encoder.vocabulary,
        "more than the 256 bytes that byte-pair encoding starts from",
    );
    heads("base.text_encoder", "width", &[text_encoder.width], text_encoder.heads, rules);

    rules.counts("base.diffusion", &[("timesteps", diffusion.timesteps)]);
    let Diffusion { beta_start, beta_end, .. } = *diffusion;
    rules.require(
        beta_start > 0.0 && beta_start < beta_end,
        "base.diffusion.beta_start",
        beta_start,
        "more than 0, below beta_end",
    );
    rules.require(beta_end < 1.0, "base.diffusion.beta_end", beta_end, "less than 1");

    rules
        .counts("base.unet", &[("layers_per_block", unet.layers_per_block), ("steps", unet.steps)]);
    rules.halves("base.unet.batch", unet.batch);
    rules.positive("base.unet", &[("learning_rate", unet.learning_rate)]);
    rules.below_one("base.unet", &[("ema", unet.ema), ("caption_dropout", unet.caption_dropout)]);
    rules.not_negative("base.unet", &[("snr_gamma", unet.snr_gamma)]);
    channels("base.unet", &unet.channels, unet.norm_groups, rules);
    heads("base.unet", "channels", &unet.channels, unet.heads, rules);

    if !size.is_multiple_of(8) {
        return;
    }
    let halvings = (autoencoder.channels.len() + unet.channels.len()).saturating_sub(2);
    let coarsest = 1usize.checked_shl(halvings as u32).unwrap_or(usize::MAX);
    if !size.is_multiple_of(coarsest) {
        let message = format!(
            "`images.size` is {size}; the levels of base.autoencoder.channels and base.unet.channels halve it {halvings} times, \
             so it must be a multiple of {coarsest}"
        );
        rules.refuse("images.size", message);
    }
}

fn channels(table: &str, channels: &[usize], groups: usize, rules: &mut Rules) {
    rules.counts(table, &[("norm_groups", groups)]);
    let whole =
        groups == 0 || channels.iter().all(|width| *width > 0 && width.is_multiple_of(groups));
    let allowed = format!("one width or more, each a multiple of norm_groups ({groups})");
    rules.require(whole && !channels.is_empty(), &join(table, "channels"), channels, allowed);
}

fn heads(table: &str, name: &str, widths: &[usize], heads: usize, rules: &mut Rules) {
    rules.counts(table, &[("heads", heads)]);
    let whole = heads == 0 || widths.iter().all(|width| *width > 0 && width.is_multiple_of(heads));
    rules.require(
        whole,
        &join(table, "heads"),
        heads,
        format!("a divisor of {name} ({})", to_toml(&widths)),
    );
}

/// `classes`: those that may have a weight.
fn training(table: &str, classifier: &Classifier, classes: &[String], rules: &mut Rules) {
    let Classifier { epochs, batch, .. } = *classifier;
    rules.counts(table, &[("epochs", epochs), ("batch", batch)]);
    let tiers = &classifier.batch_by_images;
    rules.require(
        tiers.is_sorted_by(|[a, _], [b, _]| a < b) && tiers.iter().all(|[_, batch]| *batch >= 1),
        &join(table, "batch_by_images"),
        tiers,
        "[images, batch] pairs with rising images and batches of 1 or more",
    );
    let least = tiers.iter().map(|[_, batch]| *batch).chain([batch]).min();
    if classifier.head == HeadKind::ConcatPool && least == Some(1) {
        let key = join(table, "batch");
        rules
            .refuse(&key, format!("`{key}`: a batch of 1 cannot be normalised, as {table}.head \"concat-pool\" does: 2 or more"));
    }
    rules.positive(table, &[("learning_rate", classifier.learning_rate)]);
    rules.not_negative(table, &[("weight_decay", classifier.weight_decay)]);
    rules.below_one(table, &[("label_smoothing", classifier.label_smoothing)]);
    for (class, weight) in &classifier.class_weights {
        let key = join(&join(table, "class_weights"), &dotted(&[class]));
        // As the loss has it, in single precision.
        rules.require(
            *weight as f32 > 0.0 && (*weight as f32).is_finite(),
            &key,
            weight,
            "more than 0",
        );
        if !classes.contains(class) {
            rules.refuse(
                &key,
                format!(
                    "`{key}` names no class that may have a weight here: {}",
                    classes.join(", ")
                ),
            );
        }
    }
}

/// Rules of the squares that classifiers see, and of the settings that the backbone's pretraining
/// fixes.
fn views(study: &Study, rules: &mut Rules) {
    let Study { images, classifier, probe, base, .. } = study;
    let corpus = &base.backbone.training;
    let (head, normalisation) = (corpus.head, corpus.normalisation);
    rules.require(
        head == HeadKind::Linear,
        "base.backbone.training.head",
        head,
        "\"linear\" (the body is what is kept)",
    );
    rules.require(
        normalisation == NormalisationKind::Backbone,
        "base.backbone.training.normalisation",
        normalisation,
        "\"backbone\" (there is none before)",
    );
    rules.require(
        corpus.crop == Crop::Centre,
        "base.backbone.training.crop",
        corpus.crop,
        "\"centre\" (the corpus is square)",
    );
    for (key, crop) in [("classifier.crop", classifier.crop), ("probe.crop", probe.crop)] {
        if crop == Crop::Random && !(images.source.has_pictures() && images.fit == Fit::Crop) {
            let why = match images.source.has_pictures() {
                true => format!("`images.fit` is {}", to_toml(&images.fit)),
                false => {
                    format!("the images of `images.source` {} are square", to_toml(&images.source))
                }
            };
            rules.refuse(key, format!("`{key}` is \"random\", but {why}: set it to \"centre\""));
        }
    }
    if classifier.crop == Crop::Random
        && study.experiment.regimes.contains(&Regime::Head)
        && study.head.views > 0
    {
        let message = "`classifier.crop` is \"random\", but the regime \"head\" computes its features once: set it to \"centre\", or \
                       head.views to 0";
        rules.refuse("classifier.crop", message.to_owned());
    }
}

fn transforms(transforms: &Transforms, rules: &mut Rules) {
    let Transforms { flip, warp, rotate, zoom, lighting, probability } = *transforms;
    rules.probabilities("transforms", &[("flip", flip), ("probability", probability)]);
    rules.below_one("transforms", &[("warp", warp), ("lighting", lighting)]);
    rules.require(
        (0.0..=180.0).contains(&rotate),
        "transforms.rotate",
        rotate,
        "degrees, 0 to 180",
    );
    rules.require(zoom >= 1.0 && zoom.is_finite(), "transforms.zoom", zoom, "1 or more");
}

fn experiment(study: &Study, rules: &mut Rules) {
    let experiment = &study.experiment;
    rules.counts_sweep("experiment.n", &experiment.n, "values of 1 or more");
    let allowed = "values of 1 or more (the real-only arm is always there)";
    rules.counts_sweep("experiment.doses", &experiment.doses, allowed);
    let allowed = "one value or more, or none where experiment.controls has one";
    let arms = experiment.strategies.len() + experiment.controls.len();
    rules.require(arms > 0, "experiment.strategies", &experiment.strategies, allowed);
    rules.unique("experiment.strategies", &experiment.strategies);
    rules.unique("experiment.controls", &experiment.controls);
    rules.sweep("experiment.transforms", &experiment.transforms);
    rules.sweep("experiment.regimes", &experiment.regimes);
    let doses = experiment.doses.iter().filter(|_| !experiment.strategies.is_empty()).chain([&0]);
    let arms = doses.flat_map(|dose| {
        experiment.n.iter().map(move |n| n * (1 + dose) * study.images.classes.len())
    });
    let unfilled = arms.filter(|&images| study.classifier.batch_of(images) > images).min();
    if let Some(images) = unfilled.filter(|_| study.classifier.drop_last) {
        let message = format!(
            "`classifier.drop_last` is true, but an arm has {images} training images, which do not fill a batch of {}: \
             set classifier.batch or classifier.batch_by_images",
            study.classifier.batch_of(images)
        );
        rules.refuse("classifier.drop_last", message);
    }
    rules.counts("experiment", &[("replicates", experiment.replicates)]);
    let most = experiment.n.iter().copied().max().unwrap_or(0);
    if let Some(class) = study.images.classes.first().filter(|_| most > study.images.pool) {
        let pool = study.images.pool;
        let message = format!(
            "experiment.n asks for {most} real images of each class, but the pool has {pool} of {class:?}"
        );
        rules.refuse("experiment.n", message);
    }
}

fn analysis(analysis: &Analysis, rules: &mut Rules) {
    for (key, share) in [("analysis.confidence", analysis.confidence), ("analysis.q", analysis.q)] {
        rules.require(share > 0.0 && share < 1.0, key, share, "more than 0, less than 1");
    }
    let assumed = &analysis.assumed;
    let deviations =
        [("rerun", assumed.rerun), ("image", assumed.image), ("residual", assumed.residual)];
    rules.not_negative("analysis.assumed", &deviations);
}
