//! The rules that types cannot hold: ranges, counts and what must agree with what.

mod claims;
mod experiments;
mod generators;
mod images;
mod rules;
mod usages;

use rules::{Rules, join, to_toml};

use super::keys::{Said, dotted};
use super::schema::*;
use crate::vocabulary::{BaseImages, Crop, Fit, HeadKind, NormalisationKind, Regime, Transforms};

/// Every rule that the study breaks, as the key to change and the complaint.
pub(super) fn broken_rules(study: &Study, said: &Said) -> Vec<(String, String)> {
    let mut rules = Rules { said, broken: Vec::new() };
    images::images(study, &mut rules);
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
    let (sources, pool) = (study.quality.sources, study.images.pool);
    let allowed = format!("0 (no comparison) to images.pool ({pool})");
    rules.require(sources <= pool, "quality.sources", sources, allowed);
    let perplexity = study.quality.perplexity;
    rules.require(perplexity >= 2.0, "quality.perplexity", perplexity, "2 or more");
    transforms(&study.transforms, &mut rules);
    experiments::experiments(study, &mut rules);
    analysis(&study.analysis, &mut rules);
    rules.broken
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
    match study.images.source.facts().base {
        BaseImages::Rendered => rules.require(
            classes.is_empty(),
            "base.corpus.classes",
            classes,
            "[] (the source phantom uses all of its base kinds)",
        ),
        BaseImages::OtherClasses if base.from.is_empty() => {
            rules.sweep("base.corpus.classes", classes)
        }
        BaseImages::OtherClasses => {}
        BaseImages::None => {
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
                    study.images.source.name()
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
        && study.experiments().any(|(_, experiment)| experiment.regimes.contains(&Regime::Head))
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

fn analysis(analysis: &Analysis, rules: &mut Rules) {
    for (key, share) in [("analysis.confidence", analysis.confidence), ("analysis.q", analysis.q)] {
        rules.require(share > 0.0 && share < 1.0, key, share, "more than 0, less than 1");
    }
    let assumed = &analysis.assumed;
    let deviations =
        [("rerun", assumed.rerun), ("image", assumed.image), ("residual", assumed.residual)];
    rules.not_negative("analysis.assumed", &deviations);
}
