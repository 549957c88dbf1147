//! The rules of the generator and its variants.

use std::collections::BTreeMap;

use super::super::keys::{KNOWN, dotted};
use super::super::schema::*;
use super::rules::{Rules, join, to_toml};
use crate::vocabulary::{Lora, Precision, TuningMask, TuningTransforms};

pub(super) fn generators(study: &Study, rules: &mut Rules) {
    generator("generator", study, &study.generator, rules);
    for (name, variant) in &study.generator.variants {
        let key = dotted(&["generator", "variants", name]);
        rules.plain_name(&key, name, "a variant's");
        generator(&key, study, variant, rules);
        if *variant == (Generator { variants: BTreeMap::new(), ..study.generator.clone() }) {
            let message = format!(
                "`{key}` differs in nothing from the generator, so its arms would be compared with themselves: say what differs, or \
                 leave it out"
            );
            rules.refuse(&key, message);
        }
    }
}

/// A variant's broken rule is the variant's, also where the value is the generator's.
fn generator(table: &str, study: &Study, generator: &Generator, rules: &mut Rules) {
    let Generator { prompt, dreambooth, sampling, .. } = generator;
    rules.require(
        prompt.contains("{label}"),
        &join(table, "prompt"),
        prompt,
        "a text with {label}, where the class goes",
    );

    if generator.is_released() && generator.leak_free() {
        let key = join(table, "released");
        rules.refuse(&key, format!("`{key}`: released images come from models of other people's training images, so dreambooth.models can't be \"leak-free\""));
    }
    tuning(&join(table, "dreambooth"), dreambooth, rules);
    untuned(table, study, dreambooth, rules);
    for (class, steps) in &dreambooth.steps_by_class {
        let key = join(&join(table, "dreambooth.steps_by_class"), &dotted(&[class]));
        rules.require(*steps >= 1, &key, steps, "1 or more");
        if !study.images.classes.contains(class) {
            let classes = study.images.classes.join(", ");
            rules.refuse(
                &key,
                format!("`{key}` names no class of the study; images.classes has {classes}"),
            );
        }
    }

    let own = &dreambooth.steps_by_class;
    // A variant has the generator's as well, whether it can use them or not.
    let inherited = table != "generator" && *own == study.generator.dreambooth.steps_by_class;
    let models = dreambooth.models;
    if matches!(models, Models::All | Models::AllPerReplicate) && !own.is_empty() && !inherited {
        let key = join(table, "dreambooth.steps_by_class");
        let models = to_toml(&models);
        rules.refuse(&key, format!("`{key}` names classes, but dreambooth.models is {models}: one model learns all of them"));
    }

    let pretrained = &study.base.pretrained;
    if generator.is_tuned()
        && dreambooth.prior.images > 0
        && !pretrained.inpainting.is_empty()
        && pretrained.text_to_image.is_empty()
    {
        let key = join(table, "dreambooth.prior.images");
        rules.refuse(
            &key,
            format!(
                "`{key}` asks for images by the text-to-image model that goes with base.pretrained.inpainting: say where it is in \
                 base.pretrained.text_to_image"
            ),
        );
    }

    let timesteps = study.base.diffusion.timesteps;
    let steps = sampling.steps;
    let table = &join(table, "sampling");
    rules.require(
        (1..=timesteps).contains(&steps),
        &join(table, "steps"),
        steps,
        format!("1 to {timesteps} (timesteps)"),
    );
    rules.not_negative(table, &[("guidance", sampling.guidance)]);
    for (name, strength) in [
        ("inpaint_strength", sampling.inpaint_strength),
        ("outpaint_strength", sampling.outpaint_strength),
    ] {
        let key = &join(table, name);
        rules.require(strength > 0.0 && strength <= 1.0, key, strength, "more than 0, at most 1");
        if strength > 0.0 && (steps as f64 * strength) < 1.0 {
            rules.refuse(
                key,
                format!("`{key}` is {strength:?}, which leaves none of {steps} steps (steps): nothing would be painted"),
            );
        }
    }
    let shards = [
        ("sources_per_shard", sampling.sources_per_shard),
        ("generations_per_shard", sampling.generations_per_shard),
    ];
    rules.counts(table, &shards);
}

fn tuning(table: &str, dreambooth: &DreamBooth, rules: &mut Rules) {
    let DreamBooth { steps, epochs, batch, accumulate, learning_rate, epsilon, clip, .. } =
        *dreambooth;
    rules.counts(table, &[("accumulate", accumulate), ("views", dreambooth.views)]);
    let [mut one, mut other] = [("steps", steps), ("epochs", epochs)];
    if rules.said.after(&join(table, "epochs"), &join(table, "steps")) {
        std::mem::swap(&mut one, &mut other);
    }
    let ((name, count), (other, others)) = (one, other);
    let allowed =
        format!("1 or more with {other} = 0, or 0 with {other} of 1 or more ({other} is {others})");
    rules.require((steps == 0) != (epochs == 0), &join(table, name), count, allowed);
    rules.halves(&join(table, "batch"), batch);
    rules
        .positive(table, &[("learning_rate", learning_rate), ("epsilon", epsilon), ("clip", clip)]);
    rules.not_negative(
        table,
        &[("weight_decay", dreambooth.weight_decay), ("snr_gamma", dreambooth.snr_gamma)],
    );
    rules.probabilities(table, &[("caption_dropout", dreambooth.caption_dropout)]);
    rules.below_one(table, &[("ema", dreambooth.ema)]);
    let precision = dreambooth.precision;
    rules.require(
        precision != Precision::F16,
        &join(table, "precision"),
        precision,
        "f32 or bf16 (in f16 gradients vanish)",
    );
    let betas = dreambooth.betas;
    rules.require(
        betas.iter().all(|beta| (0.0..1.0).contains(beta)),
        &join(table, "betas"),
        betas,
        "0 or more, less than 1 each",
    );

    let TuningTransforms { scale, ratio, jitter, flip } = dreambooth.transforms;
    let views = &join(table, "transforms");
    rules.probabilities(views, &[("flip", flip)]);
    rules.require(
        (0.0..0.5).contains(&jitter),
        &join(views, "jitter"),
        jitter,
        "0 or more, less than 0.5",
    );
    for (name, range) in [("scale", scale), ("ratio", ratio)] {
        rules.range(
            &join(views, name),
            range,
            f64::MIN_POSITIVE,
            f64::MAX,
            "the least and the largest, both more than 0",
        );
    }
    let TuningMask { rectangles, sides } = dreambooth.mask;
    let mask = &join(table, "mask");
    rules.probabilities(mask, &[("rectangles", rectangles)]);
    rules.range(&join(mask, "sides"), sides, 0.0, 1.0, "the least and the largest, 0 to 1");

    rules.positive(&join(table, "prior"), &[("weight", dreambooth.prior.weight)]);

    let Lora { rank, alpha, ref targets } = dreambooth.lora;
    let lora = &join(table, "lora");
    rules.positive(lora, &[("alpha", alpha)]);
    rules.require(
        rank == 0 || !targets.is_empty(),
        &join(lora, "targets"),
        targets,
        "one layer's name or more",
    );
    rules.unique(&join(lora, "targets"), targets);
}

/// Refuses keys that only tuning reads where they were written since `models` became "untuned".
/// Values of the defaults or of the generator may stay, and so may those that a tuned variant
/// inherits.
fn untuned(table: &str, study: &Study, dreambooth: &DreamBooth, rules: &mut Rules) {
    let is_variant = table != "generator";
    let is_tuned = |dreambooth: &DreamBooth| dreambooth.models != Models::Untuned;
    let mut variants = study.generator.variants.values();
    if is_tuned(dreambooth) || !is_variant && variants.any(|variant| is_tuned(&variant.dreambooth))
    {
        return;
    }
    let own = join(table, "dreambooth.models");
    let models = if rules.said.has(&own) { &own } else { "generator.dreambooth.models" };
    let default = KNOWN.study().generator.dreambooth;
    let usual = [&default, if is_variant { &study.generator.dreambooth } else { &default }]
        .map(read_by_tuning);
    for (name, value) in read_by_tuning(dreambooth) {
        let key = join(&join(table, "dreambooth"), &name);
        if rules.said.since(&key, models)
            && usual.iter().all(|usual| usual.get(&name) != Some(&value))
        {
            let message = format!(
                "`{key}` is {value}, but dreambooth.models is \"untuned\": leave it out, or choose models that are tuned"
            );
            rules.refuse(&key, message);
        }
    }
}

/// Keys of `prior` and `steps_by_class` with their values, as a study file writes them.
fn read_by_tuning(dreambooth: &DreamBooth) -> BTreeMap<String, String> {
    let Prior { images, weight, prompt } = &dreambooth.prior;
    let prior =
        [("images", to_toml(images)), ("weight", to_toml(weight)), ("prompt", to_toml(prompt))];
    let prior = prior.map(|(name, value)| (join("prior", name), value));
    let steps = |(class, steps): (&String, &usize)| {
        (join("steps_by_class", &dotted(&[class])), to_toml(steps))
    };
    prior.into_iter().chain(dreambooth.steps_by_class.iter().map(steps)).collect()
}
