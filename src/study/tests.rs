use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::*;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// `study.toml` of `folder`, an error with its paths relative to the folder.
fn load(folder: &TempDir, sets: &[&str]) -> Result<LoadedStudy, String> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Study::load(&folder.path().join("study.toml"), &sets)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn loaded(text: &str, sets: &[&str]) -> LoadedStudy {
    load(&folder(&[("study.toml", text)]), sets).unwrap()
}

fn check(cases: &[(&str, &[&str])], expected: Expect) {
    let said: Vec<String> = cases
        .iter()
        .map(|(text, sets)| load(&folder(&[("study.toml", text)]), sets).unwrap_err())
        .collect();
    expected.assert_eq(&format!("{}\n", said.join("\n")));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known() {
    check(
        &[
            ("[classifer]\nepochs = 3\n", &[]),
            ("title = \"x\"\n\n[classifier]\n  epoch = 3\n", &[]),
            ("classifier.epohcs = 3", &[]),
            ("epochs = 3", &[]),
            ("[generator]\nsteps = 3", &[]),
            ("images = { size = 32, helo_out = 3 }", &[]),
            ("[base.unet]\nfrobnicate = 1", &[]),
            ("extend = \"quick.toml\"", &[]),
            ("", &["classifier.epcohs=3"]),
            ("", &["extends=quick.toml"]),
            ("\"ä\" = 1\n[experiment]\nno_such_thing_here = 2", &[]),
        ],
        expect![[r#"
            study.toml:1:2: unknown key `classifer`; the nearest known key is `classifier`
            study.toml:4:3: unknown key `classifier.epoch`; the nearest known key is `classifier.epochs`
            study.toml:1:12: unknown key `classifier.epohcs`; the nearest known key is `classifier.epochs`
            study.toml:1:1: unknown key `epochs`; the nearest known key is `probe.epochs`
            study.toml:2:1: unknown key `generator.steps`; the nearest known key is `generator.sampling.steps`
            study.toml:1:23: unknown key `images.helo_out`; the nearest known key is `images.held_out`
            study.toml:2:1: unknown key `base.unet.frobnicate`; known there: `channels`, `layers_per_block`, `heads`, `norm_groups`, `steps`, `batch`, `learning_rate`, `ema`, `caption_dropout`, `snr_gamma`
            study.toml:1:1: unknown key `extend`; the nearest known key is `extends`
            --set classifier.epcohs=3: unknown key `classifier.epcohs`; the nearest known key is `classifier.epochs`
            --set extends=quick.toml: `extends` belongs in a study file
            study.toml:1:1: unknown key `"ä"`; known there: `title`, `about`, `goal`, `seed`, `images`, `base`, `generator`, `classifier`, `head`, `transforms`, `probe`, `experiment`, `analysis`
            study.toml:3:1: unknown key `experiment.no_such_thing_here`; known there: `n`, `strategies`, `controls`, `doses`, `transforms`, `regimes`, `replicates`
        "#]],
    );
}

#[test]
fn values_of_another_type_are_refused_where_they_stand() {
    check(
        &[
            ("[classifier]\nepochs = \"many\"", &[]),
            ("[classifier]\nepochs = 2.5", &[]),
            ("[classifier]\nepochs = -2", &[]),
            ("[transforms]\nflip = true", &[]),
            ("[experiment]\nn = 4", &[]),
            ("[experiment]\nn = [\n  4,\n  \"8\",\n]", &[]),
            ("images = 3", &[]),
            ("[title]\n", &[]),
            ("[[images]]\n", &[]),
            ("goal = \"reprot\"", &[]),
            ("[experiment]\nstrategies = [\"inpaint\", \"outpaint\"]", &[]),
            ("[generator.dreambooth.steps_by_class]\npsoriasis = \"more\"", &[]),
            ("[generator.variants]\nlora = 3", &[]),
            ("[generator.variants.lora.dreambooth]\nstep = 3\nclip = \"most\"", &[]),
            ("", &["generator.variants.all.dreambooth.models=each"]),
            ("[base.corpus]\nclasses = [1]", &[]),
            ("extends = 3", &[]),
            ("[classifier]\nepochs = 3\nepochs = 4", &[]),
            ("[classifier\n", &[]),
            ("\nseed = 9223372036854775808", &[]),
            ("", &["seed=9223372036854775808"]),
            ("", &["classifier.epochs=many"]),
            ("", &["classifier.epochs"]),
            ("", &["classifier.epochs="]),
            ("", &["experiment.strategies=[\"all\"]"]),
            ("[experiment]\ncontrols = [\"reseeded\", \"shuffled\"]", &[]),
        ],
        expect![[r#"
            study.toml:2:10: `classifier.epochs` is a string; a whole number is expected
            study.toml:2:10: `classifier.epochs` is a number with a decimal point; a whole number is expected
            study.toml:2:10: `classifier.epochs` is -2; a whole number of at least 0 is expected
            study.toml:2:8: `transforms.flip` is a boolean; a number with a decimal point is expected
            study.toml:2:5: `experiment.n` is a whole number; an array is expected
            study.toml:4:3: `experiment.n` has a string in it; each element must be a whole number
            study.toml:1:10: `images` is a whole number; a table is expected
            study.toml:1:1: `title` is a table; a string is expected
            study.toml:1:1: `images` is an array of tables; a table is expected
            study.toml:1:8: `goal`: unknown variant `reprot`, expected `base` or `report`
            study.toml:2:26: `experiment.strategies`: unknown variant `outpaint`, expected one of `text-to-image`, `inpaint`, `in-then-outpaint`
            study.toml:2:13: `generator.dreambooth.steps_by_class.psoriasis`: invalid type: string "more", expected a whole number
            study.toml:2:8: `generator.variants.lora` is a whole number; a table is expected
            study.toml:2:1: unknown key `generator.variants.lora.dreambooth.step`; the nearest known key is `generator.variants.lora.dreambooth.steps`
            study.toml:3:8: `generator.variants.lora.dreambooth.clip` is a string; a number with a decimal point is expected
            --set generator.variants.all.dreambooth.models=each: `generator.variants.all.dreambooth.models`: unknown variant `each`, expected one of `per-class`, `per-replicate`, `all`, `all-per-replicate`, `leak-free`, `untuned`
            study.toml:2:12: `base.corpus.classes`: invalid type: integer `1`, expected a string
            study.toml:1:11: `extends` is a whole number; a file's name is expected
            study.toml:3:1: not TOML: duplicate key
            study.toml:1:12: not TOML: unclosed table, expected `]`
            study.toml:2:8: not TOML: integer number overflowed; the largest is 2^63 - 1
            --set seed=9223372036854775808: `9223372036854775808` is not a TOML value: integer number overflowed; the largest is 2^63 - 1
            --set classifier.epochs=many: `classifier.epochs` is a string; a whole number is expected
            --set classifier.epochs: key=value is expected
            --set classifier.epochs=: `classifier.epochs` is a string; a whole number is expected
            --set experiment.strategies=["all"]: `experiment.strategies`: unknown variant `all`, expected one of `text-to-image`, `inpaint`, `in-then-outpaint`
            study.toml:2:25: `experiment.controls`: unknown variant `shuffled`, expected `reseeded`
        "#]],
    );
}

#[test]
fn values_out_of_range_are_refused_by_full_name() {
    let idx = "[images]\nsource = \"idx\"\npath = \"data\"\nclasses = [\"coat\", \"bag\"]\n[base]\nfrom = \"\"\n";
    let idx_shared = format!("{idx}[base.corpus]\nclasses = [\"dress\", \"bag\"]");
    check(
        &[
            ("[images]\nsize = 30", &[]),
            ("[images]\nsize = 40\n[base.autoencoder]\nchannels = [32, 32, 32, 32]", &[]),
            ("[images]\nclasses = [\"acne\", \"acne\"]\npool = 0", &[]),
            ("[images]\nclasses = []", &[]),
            (
                "images = { classes = [\"acne\", \"eczema\"], pool = 64 }\nexperiment.n = [4, 128]",
                &[],
            ),
            (
                "[experiment]\nstrategies = [\"inpaint\", \"inpaint\"]\ndoses = [0]\nreplicates = 0",
                &[],
            ),
            ("[experiment]\nstrategies = []", &[]),
            ("[experiment]\ncontrols = [\"reseeded\", \"reseeded\"]", &[]),
            ("[transforms]\nflip = 1.5\nzoom = 0.5", &["transforms.probability=nan"]),
            ("[generator]\nprompt = \"a skin disease\"", &[]),
            ("[generator.dreambooth.steps_by_class]\n\"lichen planus\" = 3\nacne = 3", &[]),
            (
                "[generator.variants]\n\"a/b\" = { prompt = \"{label}\" }\nlora.dreambooth.lora.alpha = 0.0",
                &[],
            ),
            ("[generator.variants]\nlora.variants.more = {}", &[]),
            ("", &["generator.dreambooth.prior.weight=0"]),
            ("goal = \"base\"", &[]),
            ("[images]\nsource = \"idx\"", &[]),
            (idx, &[]),
            (&idx_shared, &[]),
            ("[base.corpus]\nclasses = [\"dress\"]", &[]),
            ("[base.unet]\nheads = 5\n[base.autoencoder]\nnorm_groups = 7", &[]),
            (
                "",
                &["analysis.q=1", "generator.sampling.steps=1001", "base.diffusion.beta_start=0.5"],
            ),
            (
                "",
                &[
                    "base.unet.batch=5",
                    "base.autoencoder.perceptual_weight=-1",
                    "base.unet.snr_gamma=-1",
                ],
            ),
            (
                "[generator.dreambooth]\nepochs = 4\nbetas = [0.9, 1.0]\nviews = 0",
                &["generator.dreambooth.lora.alpha=0"],
            ),
            (
                "generator.dreambooth.transforms.scale = [1.1, 0.9]\ngenerator.dreambooth.mask.sides = [0.0, 2.0]",
                &[],
            ),
            ("goal = \"base\"\n[base]\nfrom = \"\"\npretrained.inpainting = \"sd\"", &[]),
            (
                "goal = \"base\"\n[base]\nfrom = \"\"\npretrained.backbone = \"m.pth\"\nbackbone.architecture = \"v2-l\"",
                &[],
            ),
            (
                "[classifier]\nbatch_by_images = [[9, 4], [9, 8]]\nclass_weights = { measles = 2.0, psoriasis = 0.0 }",
                &[],
            ),
            (
                "[classifier]\ndrop_last = true\n[experiment]\nregimes = []\nn = [2]",
                &["base.backbone.training.class_weights={psoriasis=2.0}", "head.learning_rate=0.0"],
            ),
            (
                "images.dedupe = \"drop-from-train\"\n[classifier]\ncrop = \"random\"\n[base.backbone.training]\ncrop = \"random\"",
                &[
                    "base.backbone.training.head=concat-pool",
                    "base.backbone.training.normalisation=none",
                ],
            ),
            (
                "[classifier]\ndrop_last = true\nbatch = 8\nbatch_by_images = [[100, 128]]\n[experiment]\nn = [4, 12]",
                &[
                    "generator.dreambooth.models=all",
                    "generator.dreambooth.steps_by_class.psoriasis=3",
                ],
            ),
            (
                "[generator.dreambooth]\nmodels = \"all-per-replicate\"\nsteps_by_class = { psoriasis = 3 }",
                &[],
            ),
            (
                "[images]\nsource = \"folder\"\npath = \"p\"\nfit = \"pad\"\n[experiment]\nregimes = [\"head\"]",
                &["classifier.crop=random", "probe.crop=random"],
            ),
            (
                "[base]\nfrom = \"b\"\npretrained.inpainting = \"sd\"",
                &[
                    "generator.dreambooth.prior.images=2",
                    "generator.sampling.inpaint_strength=0.01",
                    "base.backbone.architecture=v2-s",
                    "classifier.head=concat-pool",
                    "classifier.batch=1",
                    "classifier.class_weights={psoriasis=1e-60}",
                ],
            ),
            (
                "",
                &[
                    "classifier.label_smoothing=1",
                    "generator.sampling.inpaint_strength=0",
                    "classifier.learning_rate=inf",
                ],
            ),
        ],
        expect![[r#"
            study.toml:2:8: `images.size` is 30; allowed: a multiple of 8, at least 8
            study.toml:2:8: `images.size` is 40; the levels of base.autoencoder.channels and base.unet.channels halve it 4 times, so it must be a multiple of 16
            study.toml:3:8: `images.pool` is 0; allowed: 1 or more
            study.toml:2:11: `images.classes` has "acne" twice; each value may stand once
            study.toml: experiment.n asks for 8 real images of each class, but the pool has 0 of "acne"
            study.toml:2:11: `images.classes` is []; allowed: two classes or more
            study.toml:2:16: experiment.n asks for 128 real images of each class, but the pool has 64 of "acne"
            study.toml:3:9: `experiment.doses` is [0]; allowed: values of 1 or more (the real-only arm is always there)
            study.toml:2:14: `experiment.strategies` has "inpaint" twice; each value may stand once
            study.toml:4:14: `experiment.replicates` is 0; allowed: 1 or more
            study.toml:2:14: `experiment.strategies` is []; allowed: one value or more, or none where experiment.controls has one
            study.toml:2:12: `experiment.controls` has "reseeded" twice; each value may stand once
            study.toml:2:8: `transforms.flip` is 1.5; allowed: a probability, 0 to 1
            --set transforms.probability=nan: `transforms.probability` is nan; allowed: a probability, 0 to 1
            study.toml:3:8: `transforms.zoom` is 0.5; allowed: 1 or more
            study.toml:2:10: `generator.prompt` is "a skin disease"; allowed: a text with {label}, where the class goes
            study.toml:3:8: `generator.dreambooth.steps_by_class.acne` names no class of the study; images.classes has allergic contact dermatitis, basal cell carcinoma, lichen planus, lupus erythematosus, neutrophilic dermatoses, photodermatoses, psoriasis, sarcoidosis, squamous cell carcinoma
            study.toml:2:20: `generator.variants."a/b"`: a variant's name is made of a to z, 0 to 9 and -
            study.toml:3:30: `generator.variants.lora.dreambooth.lora.alpha` is 0.0; allowed: more than 0
            study.toml:2:1: `generator.variants.lora` is a variant and has none of its own
            --set generator.dreambooth.prior.weight=0: `generator.dreambooth.prior.weight` is 0.0; allowed: more than 0
            study.toml: `base.from` is "base"; a study with goal "base" trains its own, so it must be ""
            study.toml: `images.path` is empty; the source idx needs the folder of its .gz files
            study.toml: `base.corpus.classes` is []; allowed: one value or more
            study.toml:8:11: `base.corpus.classes` has "bag", which is a class of the study; the base may not see it
            study.toml:2:11: `base.corpus.classes` is ["dress"]; allowed: [] (the source phantom uses all of its base kinds)
            study.toml: `base.autoencoder.channels` is [16, 32, 64]; allowed: one width or more, each a multiple of norm_groups (7)
            study.toml:2:9: `base.unet.heads` is 5; allowed: a divisor of channels ([48, 96])
            --set base.diffusion.beta_start=0.5: `base.diffusion.beta_start` is 0.5; allowed: more than 0, below beta_end
            --set generator.sampling.steps=1001: `generator.sampling.steps` is 1001; allowed: 1 to 1000 (timesteps)
            --set analysis.q=1: `analysis.q` is 1.0; allowed: more than 0, less than 1
            --set base.autoencoder.perceptual_weight=-1: `base.autoencoder.perceptual_weight` is -1.0; allowed: 0 or more
            --set base.unet.batch=5: `base.unet.batch` is 5; allowed: an even number, 2 or more (its halves are trained side by side)
            --set base.unet.snr_gamma=-1: `base.unet.snr_gamma` is -1.0; allowed: 0 or more
            study.toml:4:9: `generator.dreambooth.views` is 0; allowed: 1 or more
            study.toml:2:10: `generator.dreambooth.epochs` is 4; allowed: 1 or more with steps = 0, or 0 with steps of 1 or more (steps is 200)
            study.toml:3:9: `generator.dreambooth.betas` is [0.9, 1.0]; allowed: 0 or more, less than 1 each
            --set generator.dreambooth.lora.alpha=0: `generator.dreambooth.lora.alpha` is 0.0; allowed: more than 0
            study.toml:1:41: `generator.dreambooth.transforms.scale` is [1.1, 0.9]; allowed: the least and the largest, both more than 0
            study.toml:2:35: `generator.dreambooth.mask.sides` is [0.0, 2.0]; allowed: the least and the largest, 0 to 1
            study.toml:4:25: `base.pretrained.inpainting` is "sd"; allowed: "" (a study with goal "base" trains its own)
            study.toml:4:23: `base.pretrained.backbone` is "m.pth"; allowed: "" (a study with goal "base" trains its own)
            study.toml:5:25: `base.backbone.architecture` is "v2-l"; allowed: tiny, v2-s, v2-m, lite0
            study.toml:2:19: `classifier.batch_by_images` is [[9, 4], [9, 8]]; allowed: [images, batch] pairs with rising images and batches of 1 or more
            study.toml:3:29: `classifier.class_weights.measles` names no class that may have a weight here: allergic contact dermatitis, basal cell carcinoma, lichen planus, lupus erythematosus, neutrophilic dermatoses, photodermatoses, psoriasis, sarcoidosis, squamous cell carcinoma
            study.toml:3:46: `classifier.class_weights.psoriasis` is 0.0; allowed: more than 0
            --set base.backbone.training.class_weights={psoriasis=2.0}: `base.backbone.training.class_weights.psoriasis` names no class that may have a weight here: 
            --set head.learning_rate=0.0: `head.learning_rate` is 0.0; allowed: more than 0
            study.toml:4:11: `experiment.regimes` is []; allowed: one value or more
            study.toml:2:13: `classifier.drop_last` is true, but an arm has 18 training images, which do not fill a batch of 32: set classifier.batch or classifier.batch_by_images
            study.toml:1:17: `images.dedupe` is "drop-from-train"; allowed: "keep" (the images of the source phantom are not compared)
            --set base.backbone.training.head=concat-pool: `base.backbone.training.head` is "concat-pool"; allowed: "linear" (the body is what is kept)
            --set base.backbone.training.normalisation=none: `base.backbone.training.normalisation` is "none"; allowed: "backbone" (there is none before)
            study.toml:5:8: `base.backbone.training.crop` is "random"; allowed: "centre" (the corpus is square)
            study.toml:3:8: `classifier.crop` is "random", but the images of `images.source` "phantom" are square: set it to "centre"
            --set generator.dreambooth.steps_by_class.psoriasis=3: `generator.dreambooth.steps_by_class` names classes, but dreambooth.models is "all": one model learns all of them
            study.toml:2:13: `classifier.drop_last` is true, but an arm has 108 training images, which do not fill a batch of 128: set classifier.batch or classifier.batch_by_images
            study.toml:3:32: `generator.dreambooth.steps_by_class` names classes, but dreambooth.models is "all-per-replicate": one model learns all of them
            --set classifier.crop=random: `classifier.crop` is "random", but `images.fit` is "pad": set it to "centre"
            --set probe.crop=random: `probe.crop` is "random", but `images.fit` is "pad": set it to "centre"
            --set classifier.crop=random: `classifier.crop` is "random", but the regime "head" computes its features once: set it to "centre", or head.views to 0
            --set base.backbone.architecture=v2-s: `base.backbone.architecture` is "v2-s", but the backbone comes from `base.from` ("b"): name a file of weights in base.pretrained.backbone, or set base.from to "", which trains one
            --set generator.dreambooth.prior.images=2: `generator.dreambooth.prior.images` asks for images by the text-to-image model that goes with base.pretrained.inpainting: say where it is in base.pretrained.text_to_image
            --set generator.sampling.inpaint_strength=0.01: `generator.sampling.inpaint_strength` is 0.01, which leaves none of 12 steps (steps): nothing would be painted
            --set classifier.batch=1: `classifier.batch`: a batch of 1 cannot be normalised, as classifier.head "concat-pool" does: 2 or more
            --set classifier.class_weights={psoriasis=1e-60}: `classifier.class_weights.psoriasis` is 0.000000000000000000000000000000000000000000000000000000000001; allowed: more than 0
            --set generator.sampling.inpaint_strength=0: `generator.sampling.inpaint_strength` is 0.0; allowed: more than 0, at most 1
            --set classifier.learning_rate=inf: `classifier.learning_rate` is inf; allowed: more than 0
            --set classifier.label_smoothing=1: `classifier.label_smoothing` is 1.0; allowed: 0 or more, less than 1
        "#]],
    );
}

/// Without a strategy no arm is larger by a dose, so that none can leave a batch unfilled.
#[test]
fn doses_count_where_there_is_a_strategy() {
    let text = "[classifier]\ndrop_last = true\nbatch = 8\nbatch_by_images = [[100, 128]]\n[experiment]\nn = [4]\ndoses = [2]\n";
    check(
        &[(text, &[])],
        expect![[r#"
            study.toml:2:13: `classifier.drop_last` is true, but an arm has 108 training images, which do not fill a batch of 128: set classifier.batch or classifier.batch_by_images
        "#]],
    );
    loaded(text, &["experiment.strategies=[]", "experiment.controls=[\"reseeded\"]"]);
}

#[test]
fn elements_that_a_type_has_no_place_for_are_refused() {
    let tuning = "[generator.dreambooth]\nbetas = [0.9, 0.99, 7.0]\ntransforms = { scale = [0.9, 1.0, 1.1], ratio = [0.9, 1.0, 1.1] }\n";
    check(
        &[
            (tuning, &[]),
            (
                "[generator.dreambooth.mask]\nsides = [0.0, 0.5, 1.0]\n[probe]\nbatch_by_images = [[100, 32], [\n  1000, 64, 1]]",
                &[],
            ),
            ("", &["classifier.batch_by_images=[[100, 32, 1]]"]),
            ("", &["base.backbone.training.batch_by_images=[[100, 32, 1, 1]]"]),
            ("", &["generator.variants.wide.dreambooth.betas=[0.9, 0.99, 7.0]"]),
            ("", &["generator.dreambooth.betas=[0.9]"]),
        ],
        expect![[r#"
            study.toml:2:9: `generator.dreambooth.betas`: invalid length 3, expected an array of length 2
            study.toml:3:24: `generator.dreambooth.transforms.scale`: invalid length 3, expected an array of length 2
            study.toml:3:49: `generator.dreambooth.transforms.ratio`: invalid length 3, expected an array of length 2
            study.toml:2:9: `generator.dreambooth.mask.sides`: invalid length 3, expected an array of length 2
            study.toml:4:31: `probe.batch_by_images`: invalid length 3, expected an array of length 2
            --set classifier.batch_by_images=[[100, 32, 1]]: `classifier.batch_by_images`: invalid length 3, expected an array of length 2
            --set base.backbone.training.batch_by_images=[[100, 32, 1, 1]]: `base.backbone.training.batch_by_images`: invalid length 4, expected an array of length 2
            --set generator.variants.wide.dreambooth.betas=[0.9, 0.99, 7.0]: `generator.variants.wide.dreambooth.betas`: invalid length 3, expected an array of length 2
            --set generator.dreambooth.betas=[0.9]: `generator.dreambooth.betas`: invalid length 1, expected an array of length 2
        "#]],
    );
}

#[test]
fn tuning_takes_steps_or_epochs_and_the_key_written_last_is_named() {
    let low = "[generator.dreambooth]\nsteps = 0\nepochs = 4\n";
    check(
        &[
            ("generator.dreambooth.epochs = 4", &[]),
            ("generator.dreambooth.steps = 0", &[]),
            (low, &["generator.dreambooth.steps=3"]),
            (low, &["generator.dreambooth.epochs=0"]),
            ("generator.dreambooth = { steps = 3, epochs = 4 }", &[]),
            ("generator.variants.long.dreambooth.epochs = 4", &[]),
        ],
        expect![[r#"
            study.toml:1:31: `generator.dreambooth.epochs` is 4; allowed: 1 or more with steps = 0, or 0 with steps of 1 or more (steps is 200)
            study.toml:1:30: `generator.dreambooth.steps` is 0; allowed: 1 or more with epochs = 0, or 0 with epochs of 1 or more (epochs is 0)
            --set generator.dreambooth.steps=3: `generator.dreambooth.steps` is 3; allowed: 1 or more with epochs = 0, or 0 with epochs of 1 or more (epochs is 4)
            --set generator.dreambooth.epochs=0: `generator.dreambooth.epochs` is 0; allowed: 1 or more with steps = 0, or 0 with steps of 1 or more (steps is 0)
            study.toml:1:34: `generator.dreambooth.steps` is 3; allowed: 1 or more with epochs = 0, or 0 with epochs of 1 or more (epochs is 4)
            study.toml:1:45: `generator.variants.long.dreambooth.epochs` is 4; allowed: 1 or more with steps = 0, or 0 with steps of 1 or more (steps is 200)
        "#]],
    );
}

#[test]
fn a_variant_that_differs_in_nothing_is_refused() {
    check(
        &[
            ("[generator.variants.same]", &[]),
            (
                "[generator.variants.same]\nsampling.steps = 12\n[generator.variants.other]\nsampling.steps = 13",
                &[],
            ),
            (
                "[generator.variants.same.dreambooth]\nlora.rank = 2",
                &["generator.dreambooth.lora.rank=2"],
            ),
        ],
        expect![[r#"
            study.toml: `generator.variants.same` differs in nothing from the generator, so its arms would be compared with themselves: say what differs, or leave it out
            study.toml:2:18: `generator.variants.same` differs in nothing from the generator, so its arms would be compared with themselves: say what differs, or leave it out
            study.toml:2:13: `generator.variants.same` differs in nothing from the generator, so its arms would be compared with themselves: say what differs, or leave it out
        "#]],
    );
}

const UNTUNED: &str = "[generator.dreambooth]\nmodels = \"untuned\"\n";
const PRIOR: &str = "[generator.dreambooth]\nprior.images = 3\nsteps_by_class.psoriasis = 9\n";

#[test]
fn what_nothing_reads_is_refused_where_it_is_said() {
    let both =
        format!("{PRIOR}prior.weight = 0.5\nprior.prompt = \"skin\"\nmodels = \"untuned\"\n");
    let variant = format!(
        "{PRIOR}[generator.variants.raw.dreambooth]\nmodels = \"untuned\"\nprior.images = 4\n"
    );
    check(
        &[
            (&both, &[]),
            (UNTUNED, &["generator.dreambooth.prior.images=3"]),
            (&variant, &["generator.variants.raw.dreambooth.steps_by_class.psoriasis=8"]),
            (UNTUNED, &["generator.variants.raw.dreambooth.prior.images=3"]),
            ("[images]\nskin_type = \"centaur\"", &[]),
            (
                "[images]\nsource = \"ddi\"\npath = \"p\"\nclasses = [\"benign\", \"malignant\"]\n[base]\nfrom = \"b\"",
                &["images.skin_type=centaur"],
            ),
        ],
        expect![[r#"
            study.toml:2:16: `generator.dreambooth.prior.images` is 3, but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            study.toml:5:16: `generator.dreambooth.prior.prompt` is "skin", but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            study.toml:4:16: `generator.dreambooth.prior.weight` is 0.5, but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            study.toml:3:28: `generator.dreambooth.steps_by_class.psoriasis` is 9, but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            --set generator.dreambooth.prior.images=3: `generator.dreambooth.prior.images` is 3, but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            study.toml:6:16: `generator.variants.raw.dreambooth.prior.images` is 4, but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            --set generator.variants.raw.dreambooth.steps_by_class.psoriasis=8: `generator.variants.raw.dreambooth.steps_by_class.psoriasis` is 8, but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            --set generator.variants.raw.dreambooth.prior.images=3: `generator.variants.raw.dreambooth.prior.images` is 3, but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            study.toml:2:13: `images.skin_type` is "centaur"; allowed: "scale" (only the source fitzpatrick17k has another)
            --set images.skin_type=centaur: `images.skin_type` is "centaur"; allowed: "scale" (only the source fitzpatrick17k has another)
        "#]],
    );
}

#[test]
fn what_a_layer_inherits_may_be_without_effect() {
    let low = format!(
        "[images]\nsource = \"fitzpatrick17k\"\npath = \"p\"\nskin_type = \"centaur\"\n{PRIOR}"
    );
    let defaults = format!("{UNTUNED}prior.images = 0\n[images]\nskin_type = \"scale\"\n");
    let variant = format!(
        "{PRIOR}[generator.variants.raw.dreambooth]\nmodels = \"untuned\"\nprior.images = 3\n"
    );
    let tuned = format!(
        "{UNTUNED}prior.images = 3\n[generator.variants.tuned.dreambooth]\nmodels = \"per-class\"\n"
    );
    let untuned: &[_] = &["images.source=phantom", "generator.dreambooth.models=untuned"];
    for (text, sets) in [
        (&low, untuned),
        (&low, &["generator.variants.raw.dreambooth.models=untuned"]),
        (&defaults, &[]),
        (&variant, &[]),
        (&tuned, &[]),
    ] {
        let first = loaded(text, sets);
        assert_eq!(
            loaded(&first.resolved, &[]).study,
            first.study,
            "the resolved study loads: {text}"
        );
    }
    let above = load(
        &folder(&[
            ("study.toml", &format!("extends = \"low.toml\"\n{UNTUNED}")),
            ("low.toml", &low),
        ]),
        &[],
    );
    assert_eq!(above.unwrap().study.generator.dreambooth.prior.images, 3);
}

/// The authors' rule: their 100 and 1,000 images are of the larger batches already.
#[test]
fn batches_grow_with_the_images() {
    let classifier =
        loaded("", &["classifier.batch=8", "classifier.batch_by_images=[[100, 32], [1000, 64]]"])
            .study
            .classifier;
    let batches = [1, 99, 100, 999, 1000, 9000].map(|images| classifier.batch_of(images));
    assert_eq!(batches, [8, 8, 32, 32, 64, 64]);
    let classifier = Classifier { epochs: 3, steps_per_epoch: 0, ..classifier };
    assert_eq!([99, 100].map(|images| classifier.shown(images)), [297, 300]);
    let classifier = Classifier { steps_per_epoch: 5, ..classifier };
    assert_eq!([99, 100].map(|images| classifier.shown(images)), [3 * 5 * 8, 3 * 5 * 32]);
}

#[test]
fn files_extend_one_another() {
    let folder = folder(&[
        ("study.toml", "extends = \"in/middle.toml\"\n[classifier]\nepochs = 3\n"),
        (
            "in/middle.toml",
            "extends = \"../low.toml\"\n[classifier]\nepochs = 4\nbatch = 5\n[base]\nfrom = \"shipped\"\n",
        ),
        ("low.toml", "[classifier]\nbatch = 6\npatience = 7\n[experiment]\nn = [1, 2, 3]\n"),
    ]);
    let loaded = load(&folder, &["experiment.n=[9]"]).unwrap();
    let Classifier { epochs, batch, patience, .. } = loaded.study.classifier;
    assert_eq!((epochs, batch, patience), (3, 5, 7));
    assert_eq!(loaded.study.experiment.n, [9]);
    assert_eq!(loaded.name, "study");
    assert_eq!(
        loaded.base_folder().unwrap(),
        folder.path().join("in/shipped"),
        "a path starts from the file that names it"
    );
}

#[test]
fn a_broken_chain_is_named() {
    let said = |files: &[(&str, &str)]| load(&folder(files), &[]).unwrap_err();
    let expected = expect![[r#"
        studies extend each other in a circle: study.toml -> b.toml -> study.toml
        studies extend each other in a circle: study.toml -> study.toml
        cannot read the study file b.toml, which study.toml extends
        b.toml:2:2: unknown key `seeds`; the nearest known key is `seed`
        cannot read the study file study.toml"#]];
    expected.assert_eq(
        &[
            said(&[("study.toml", "extends = \"b.toml\""), ("b.toml", "extends = \"study.toml\"")]),
            said(&[("study.toml", "extends = \"study.toml\"")]),
            said(&[("study.toml", "extends = \"b.toml\"")]),
            said(&[("study.toml", "extends = \"b.toml\""), ("b.toml", "\n seeds = 3")]),
            said(&[]),
        ]
        .join("\n"),
    );
}

#[test]
fn assignments_take_bare_words_where_a_string_belongs() {
    let study = loaded(
        "",
        &[
            "title=A trial = 3",
            "images.path=/usr/share/sets",
            "base.from = ",
            "about=\"quoted\"",
            "goal=base",
            "generator.dreambooth.steps_by_class.\"lichen planus\"=300",
            "classifier={ epochs = 3, batch = 4 }",
            "transforms.rotate=12",
        ],
    )
    .study;
    assert_eq!(study.title, "A trial = 3");
    assert_eq!(study.images.path, "/usr/share/sets");
    assert_eq!(
        (study.base.from.as_str(), study.about.as_str(), study.goal),
        ("", "quoted", Goal::Base)
    );
    assert_eq!(study.generator.dreambooth.steps_by_class["lichen planus"], 300);
    assert_eq!(
        (study.classifier.epochs, study.classifier.batch, study.transforms.rotate),
        (3, 4, 12.0)
    );
}

#[test]
fn the_resolved_study_says_everything_and_loads_again() {
    let edited =
        "[generator.dreambooth.steps_by_class]\n\"lichen planus\" = 3\n[analysis]\nq = 1e-7\n";
    let varied = "[generator]\nprompt = \"{label}\"\n[generator.variants.lora.dreambooth]\nsteps = 3\nlora.rank = 2\n";
    for text in ["", edited, varied, "title = \"\"\"two\nlines, \"quoted\" # and \\\\ \"\"\""] {
        let first = loaded(text, &[]);
        let again = loaded(&first.resolved, &[]);
        assert_eq!(again.study, first.study);
        assert_eq!(again.resolved, first.resolved);
    }
    let resolved = loaded("", &[]).resolved;
    let again = toml_edit::Document::parse(resolved.as_str()).unwrap();
    let mut known = paths(keys::KNOWN.table());
    known.retain(|key| key != "generator.variants");
    assert_eq!(paths(again.as_table()), known);
    let tail = resolved.split_once("[analysis]").unwrap().1;
    assert!(tail.starts_with("\nconfidence = 0.95\n"), "a key a line under its header: {tail:?}");
}

#[test]
fn a_variant_is_the_generator_but_for_what_it_says() {
    let text =
        "[generator.variants.lora.dreambooth]\nlora.rank = 2\n[generator.dreambooth]\nsteps = 7\n";
    let study =
        loaded(text, &["generator.variants.all.dreambooth.models=all", "generator.prompt={label}"])
            .study;
    let of = |(name, generator): (&str, &Generator)| {
        let DreamBooth { models, steps, ref lora, .. } = generator.dreambooth;
        (name.to_owned(), generator.prompt.clone(), models, steps, lora.rank)
    };
    let (prompt, per_class) = ("{label}".to_owned(), Models::PerClass);
    let expected = [
        (String::new(), prompt.clone(), per_class, 7, 0),
        ("all".into(), prompt.clone(), Models::All, 7, 0),
        ("lora".into(), prompt, per_class, 7, 2),
    ];
    assert_eq!(study.generators().map(of).collect::<Vec<_>>(), expected);
    let arms = study.arms().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(arms[2..5], ["in-then-outpaint", "text-to-image@all", "inpaint@all"]);
}

#[test]
fn cells_of_controls_stand_between_real_only_and_the_synthetic_arms() {
    let small = [
        "experiment.n=[4, 8]",
        "experiment.controls=[\"reseeded\"]",
        "experiment.transforms=[true]",
        "experiment.regimes=[\"full\", \"head\"]",
        "experiment.replicates=1",
    ];
    let labels = |strategies: &str| {
        let strategies = format!("experiment.strategies={strategies}");
        let study = loaded("", &[&small[..], &[&strategies]].concat()).study;
        study.cells().iter().map(Cell::label).collect::<Vec<_>>().join("\n")
    };
    expect![[r#"
        n=4/real/transforms/r0
        n=4/real/transforms/head/r0
        n=4/reseeded/transforms/r0
        n=4/reseeded/transforms/head/r0
        n=4/inpaint-x10/transforms/r0
        n=4/inpaint-x10/transforms/head/r0
        n=8/real/transforms/r0
        n=8/real/transforms/head/r0
        n=8/reseeded/transforms/r0
        n=8/reseeded/transforms/head/r0
        n=8/inpaint-x10/transforms/r0
        n=8/inpaint-x10/transforms/head/r0"#]]
    .assert_eq(&labels("[\"inpaint\"]"));
    let alone = labels("[]");
    assert_eq!(
        alone,
        labels("[\"inpaint\"]")
            .lines()
            .filter(|label| !label.contains("inpaint"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

/// A generator and its variants make images for strategies; without one nothing of them is asked
/// for.
#[test]
fn without_a_strategy_no_generator_is_used() {
    let text = "[generator.variants.lora.dreambooth]\nlora.rank = 2\nprior.images = 4\n[generator.variants.other]\nreleased = \"shards\"";
    let sets = ["experiment.strategies=[]", "experiment.controls=[\"reseeded\"]"];
    let own = ["base.pretrained.text_to_image=sd", "base.pretrained.inpainting=sd"];
    let with = loaded(text, &own);
    let without = loaded(text, &[own, sets].concat());
    assert_eq!(
        (with.study.arms().len(), with.released_folders().len(), with.study.pipelines()),
        (9, 1, [true, true])
    );
    assert_eq!(
        (without.study.arms().len(), without.released_folders().len(), without.study.pipelines()),
        (0, 0, [false, false])
    );
    assert_eq!(
        (with.pretrained_folders().map(|folder| folder.is_some()), without.pretrained_folders()),
        ([true; 2], [None, None])
    );
    assert!(with.study.generates() && !without.study.generates());
}

/// Every dotted key below a table, sorted.
fn paths(table: &Table) -> Vec<String> {
    let mut all = Vec::new();
    keys::every_path(table, &mut Vec::new(), &mut all);
    let mut all: Vec<String> = all.iter().map(|path| keys::dotted(path)).collect();
    all.sort();
    all
}

#[test]
fn comments_and_order_change_nothing() {
    let one =
        loaded("title = \"t\"\n[classifier]\nepochs = 3\nbatch = 4\n[analysis]\nq = 0.1\n", &[]);
    let other = loaded(
        "# said\nanalysis = { q = 1e-1 }\ntitle = 't' # so\n[classifier]\nbatch = 4\n\nepochs = 0x3\n",
        &[],
    );
    assert_eq!(one.resolved, other.resolved);
}

#[test]
fn a_study_is_found_by_name_or_path() {
    let folder = folder(&[("quick.toml", ""), ("base.toml", ""), ("notes.md", "")]);
    assert_eq!(find("quick", folder.path()).unwrap(), folder.path().join("quick.toml"));
    assert_eq!(find("mine.toml", folder.path()).unwrap(), Path::new("mine.toml"));
    assert_eq!(find("some/where", folder.path()).unwrap(), Path::new("some/where"));
    let said = find("quik", folder.path()).unwrap_err().to_string();
    expect!["no study is called `quik`; experiments has base, quick, and a path to a study file works too"]
        .assert_eq(&said.replace(&folder.path().display().to_string(), "experiments"));
}

#[test]
fn the_shipped_studies_load() {
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    for name in names(&experiments).unwrap() {
        let loaded = Study::load(&find(&name, &experiments).unwrap(), &[]).unwrap();
        assert!(!loaded.study.title.is_empty(), "{name} has no title");
    }
}
