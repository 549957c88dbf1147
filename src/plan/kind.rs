//! The kinds of task: what each is called, its version, and the source files that decide its bytes.

/// A kind of task. `version` is part of every key; tests/house/versions.rs guards that it is raised
/// when `sources` change.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    pub version: u32,
    /// Files and folders under src/ whose code, with all that it uses, decides the kind's output.
    pub sources: &'static [&'static str],
}

/// Kinds whose steps run on the device that was asked for; all others run on the processor.
pub const ON_DEVICE: [&str; 5] =
    [PROMPT.name, LATENTS.name, PRIOR.name, DREAMBOOTH.name, GENERATE.name];

macro_rules! kinds {
    ($($(#[$doc:meta])* $id:ident = $name:literal v $version:literal: $sources:expr;)*) => {
        $($(#[$doc])* pub const $id: Kind = Kind { name: $name, version: $version, sources: &$sources };)*

        /// Every kind.
        pub const ALL: &[&Kind] = &[$(&$id),*];
    };
}

kinds! {
    /// The files of an image set, checked and unpacked.
    IMPORT = "import" v 1: ["steps/import.rs"];
    /// Pictures from outside as squares.
    DECODE = "decode" v 3: ["steps/decode.rs"];
    /// What there is in a set of pictures, and what is there twice.
    AUDIT = "audit" v 2: ["steps/audit.rs"];
    /// Captioned images for pretraining.
    CORPUS = "corpus" v 1: ["steps/corpus.rs"];
    /// One of the study's sets of real images.
    COHORT = "cohort" v 3: ["steps/cohort.rs"];
    AUTOENCODER = "autoencoder" v 1: ["steps/autoencoder.rs"];
    /// UNet and text encoder, trained together (Rombach et al. 2022).
    UNET = "unet" v 1: ["steps/unet.rs"];
    /// The inpainting variant of the UNet.
    INPAINTING = "inpainting" v 1: ["steps/inpainting.rs"];
    /// The classifier's pretrained body.
    BACKBONE = "backbone" v 2: ["steps/backbone.rs"];
    /// A pipeline of pretrained models, checked.
    PRETRAINED = "pretrained" v 1: ["steps/pretrained.rs"];
    /// A file of a classifier's weights, checked.
    PRETRAINED_BACKBONE = "pretrained-backbone" v 2: ["steps/pretrained_backbone.rs"];
    /// The embeddings of a prompt and of the empty one.
    PROMPT = "prompt" v 1: ["steps/prompt.rs"];
    /// Latents of transformed views of the images that a UNet is tuned on.
    LATENTS = "latents" v 1: ["steps/latents.rs"];
    /// Images that the base makes, for a tuned UNet to remember.
    PRIOR = "prior" v 3: ["steps/prior.rs"];
    /// A tuned UNet.
    DREAMBOOTH = "dreambooth" v 5: ["steps/dreambooth.rs"];
    /// A shard of a released synthetic set as squares, by strategy and class.
    UNPACK = "unpack" v 2: ["steps/unpack.rs"];
    /// Released images that were made from the pool's.
    RELEASED = "released" v 1: ["steps/released.rs"];
    /// A shard of synthetic images.
    GENERATE = "generate" v 3: ["steps/generate.rs"];
    /// What a frozen body makes of the views of images.
    FEATURES = "features" v 2: ["steps/features.rs"];
    /// A classifier of the experiment that is a head over features, and its predictions.
    HEAD = "head" v 3: ["steps/head.rs"];
    /// A classifier of the experiment and its predictions.
    CLASSIFIER = "classifier" v 3: ["steps/classifier.rs"];
    /// A classifier trained on plentiful real images, to judge generators with.
    PROBE = "probe" v 3: ["steps/probe.rs"];
    /// What the probe makes of synthetic and reconstructed images.
    CHECK = "check" v 3: ["steps/check.rs"];
    /// Real images beside synthetic ones.
    CONTACT = "contact" v 3: ["steps/contact.rs"];
    /// Scores, intervals, tests.
    ANALYSIS = "analysis" v 7: ["steps/analysis.rs"];
    REPORT = "report" v 12: ["steps/report.rs"];
}
