//! What a study may not say, each with the place where it is said.

use super::*;

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
            study.toml:1:1: unknown key `"ä"`; known there: `title`, `about`, `goal`, `seed`, `images`, `base`, `generator`, `classifier`, `head`, `transforms`, `probe`, `usage`, `usages`, `quality`, `ratings`, `claims`, `experiments`, `experiment`, `analysis`
            study.toml:3:1: unknown key `experiment.no_such_thing_here`; known there: `question`, `n`, `arms`, `doses`, `transforms`, `regimes`, `replicates`, `rare`, `comparisons`
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
            ("[experiment]\narms = [\"inpaint\", \"outpaint\"]", &[]),
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
            ("", &["experiment.arms=[\"all\"]"]),
            ("[experiment]\narms = [\"reseeded\", \"inpaint@lora\"]", &[]),
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
            study.toml:2:8: `experiment.arms`: no arm is called `outpaint`; arms are `real`, `reseeded`, `equal-steps`, `equal-passes`, `duplicate`, `pool`, and `text-to-image`, `inpaint` and `in-then-outpaint`, with `@` and a name for a variant of the generator, then `+` and a name for a use
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
            --set experiment.arms=["all"]: `experiment.arms`: no arm is called `all`; arms are `real`, `reseeded`, `equal-steps`, `equal-passes`, `duplicate`, `pool`, and `text-to-image`, `inpaint` and `in-then-outpaint`, with `@` and a name for a variant of the generator, then `+` and a name for a use
            study.toml:2:8: `experiment.arms` has "inpaint@lora": there is no `generator.variants.lora`
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
            ("[experiment]\narms = [\"inpaint\", \"inpaint\"]\ndoses = [0]\nreplicates = 0", &[]),
            ("[experiment]\narms = []", &[]),
            (
                "[experiment]\narms = [\"reseeded\", \"real\", \"equal-steps\", \"pool\"]\nn = [64]",
                &[],
            ),
            ("[experiment]\narms = [\"equal-passes\"]\n[classifier]\nsteps_per_epoch = 0", &[]),
            ("[transforms]\nflip = 1.5\nzoom = 0.5", &["transforms.probability=nan"]),
            ("[generator]\nprompt = \"a skin disease\"", &[]),
            ("[generator.dreambooth.steps_by_class]\n\"lichen planus\" = 3\nacne = 3", &[]),
            ("generator.variants.\"a/b\".prompt = \"{label}\"", &[]),
            ("generator.variants.lora.dreambooth.lora.alpha = 0.0", &[]),
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
                &[
                    "base.backbone.training.class_weights={psoriasis=2.0}",
                    "head.learning_rate=0.0",
                    "quality.sources=65",
                    "quality.perplexity=1.5",
                ],
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
            study.toml:2:8: `experiment.arms` has "inpaint" twice; each value may stand once
            study.toml:4:14: `experiment.replicates` is 0; allowed: 1 or more
            study.toml:2:8: `experiment.arms` is []; allowed: one value or more
            study.toml:2:8: `experiment.arms` has "real": `real` is always there and not named
            study.toml:2:8: `experiment.arms` has "equal-steps", but with classifier.steps_per_epoch = 12 every arm is trained for the same steps: leave it out, or set classifier.steps_per_epoch to 0
            study.toml:2:8: `experiment.arms` has "pool", but at n = 64 the pool of 64 has no further images: leave it out, or take a smaller n or a larger images.pool
            study.toml:2:8: `experiment.arms` has "equal-passes", but with classifier.steps_per_epoch = 0 every arm is shown each image as often: leave it out, or set classifier.steps_per_epoch
            study.toml:2:8: `transforms.flip` is 1.5; allowed: a probability, 0 to 1
            --set transforms.probability=nan: `transforms.probability` is nan; allowed: a probability, 0 to 1
            study.toml:3:8: `transforms.zoom` is 0.5; allowed: 1 or more
            study.toml:2:10: `generator.prompt` is "a skin disease"; allowed: a text with {label}, where the class goes
            study.toml:3:8: `generator.dreambooth.steps_by_class.acne` names no class of the study; images.classes has allergic contact dermatitis, basal cell carcinoma, lichen planus, lupus erythematosus, neutrophilic dermatoses, photodermatoses, psoriasis, sarcoidosis, squamous cell carcinoma
            study.toml:1:35: `generator.variants."a/b"`: a variant's name is made of a to z, 0 to 9 and -
            study.toml:1:35: `generator.variants."a/b"` makes images for no arm: name one, such as "text-to-image@a/b", in `arms` of an experiment
            study.toml:1:49: `generator.variants.lora.dreambooth.lora.alpha` is 0.0; allowed: more than 0
            study.toml:1:49: `generator.variants.lora` makes images for no arm: name one, such as "text-to-image@lora", in `arms` of an experiment
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
            --set quality.sources=65: `quality.sources` is 65; allowed: 0 (no comparison) to images.pool (64)
            --set quality.perplexity=1.5: `quality.perplexity` is 1.5; allowed: 2 or more
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
    loaded(text, &["experiment.arms=[\"reseeded\"]"]);
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
            study.toml:1:45: `generator.variants.long` makes images for no arm: name one, such as "text-to-image@long", in `arms` of an experiment
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
            study.toml:4:18: `generator.variants.other` makes images for no arm: name one, such as "text-to-image@other", in `arms` of an experiment
            study.toml:2:18: `generator.variants.same` makes images for no arm: name one, such as "text-to-image@same", in `arms` of an experiment
            study.toml:2:13: `generator.variants.same` differs in nothing from the generator, so its arms would be compared with themselves: say what differs, or leave it out
            study.toml:2:13: `generator.variants.same` makes images for no arm: name one, such as "text-to-image@same", in `arms` of an experiment
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
                "images = { path = \"p\", fit = \"pad\", unusable = \"drop\", exclude = [\"a\", \"a\"] }",
                &[],
            ),
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
            study.toml:5:10: `generator.variants.raw` makes images for no arm: name one, such as "text-to-image@raw", in `arms` of an experiment
            --set generator.variants.raw.dreambooth.prior.images=3: `generator.variants.raw.dreambooth.prior.images` is 3, but dreambooth.models is "untuned": leave it out, or choose models that are tuned
            --set generator.variants.raw.dreambooth.prior.images=3: `generator.variants.raw` makes images for no arm: name one, such as "text-to-image@raw", in `arms` of an experiment
            study.toml:2:13: `images.skin_type` is "centaur"; allowed: "scale" (only the source fitzpatrick17k has another)
            study.toml:1:19: `images.path` is "p"; allowed: "" (the source phantom has no files)
            study.toml:1:66: `images.exclude` is ["a", "a"]; allowed: [] (the source phantom has no pictures to name)
            study.toml:1:66: `images.exclude` has "a" twice; each value may stand once
            study.toml:1:30: `images.fit` is "pad"; allowed: "crop" (the images of the source phantom are square already)
            study.toml:1:48: `images.unusable` is "drop"; allowed: "refuse" (the images of the source phantom are all there)
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
        "{PRIOR}[generator.variants.raw.dreambooth]\nmodels = \"untuned\"\nprior.images = 3\n[experiment]\narms = [\"inpaint@raw\"]\n"
    );
    let tuned = format!(
        "{UNTUNED}prior.images = 3\n[generator.variants.tuned.dreambooth]\nmodels = \"per-class\"\n[experiment]\narms = [\"inpaint@tuned\"]\n"
    );
    let untuned: &[_] = &["images.source=phantom", "generator.dreambooth.models=untuned"];
    for (text, sets) in [
        (&low, untuned),
        (
            &low,
            &[
                "generator.variants.raw.dreambooth.models=untuned",
                "experiment.arms=[\"inpaint@raw\"]",
            ],
        ),
        (&variant, &["experiment.arms=[\"inpaint\"]"]),
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

#[test]
fn counts_beyond_any_study_are_refused() {
    let allowed = "allowed: 10000000 at most";
    for (text, key) in [
        ("images.pool = 1000000000000", "images.pool"),
        ("experiment.doses = [9000000000000000000]", "experiment.doses"),
        ("experiment.n = [4, 9000000000000000000]", "experiment.n"),
    ] {
        let said = load(&folder(&[("study.toml", text)]), &[]).unwrap_err();
        assert!(said.contains(&format!("`{key}` is ")) && said.contains(allowed), "{said}");
    }
}

#[test]
fn a_device_is_no_study() {
    let refused = Study::load(Path::new("/dev/zero"), &[]).unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!(cause, "it is a device, where a file is expected");
    let said = load(&folder(&[("study.toml", "extends = \"/dev/zero\"")]), &[]).unwrap_err();
    assert_eq!(said, "cannot read the study file /dev/zero, which study.toml extends");
}
