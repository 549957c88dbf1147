//! The kinds of task, a file each: what a kind is called, its version, where it computes, its
//! parameters and how much work they are. Its step is the file of the same name in `steps/`.

mod analysis;
mod audit;
mod autoencoder;
mod backbone;
mod check;
mod classifier;
mod cohort;
mod contact;
mod corpus;
mod decode;
mod dreambooth;
mod features;
mod generate;
mod head;
mod import;
mod inpainting;
mod kind;
mod latents;
mod lineage;
mod predictions;
mod pretrained;
mod pretrained_backbone;
mod prior;
mod probe;
mod prompt;
mod quality;
mod released;
mod report;
mod scores;
mod training_images;
mod tsne;
mod unet;
mod unpack;

pub use analysis::{Analysis, RATINGS};
pub use audit::{Audit, PictureSet};
pub use autoencoder::Autoencoder;
pub use backbone::Backbone;
pub use check::Check;
pub use classifier::Classifier;
pub use cohort::Cohort;
pub use contact::Contact;
pub use corpus::Corpus;
pub use decode::Decode;
pub use dreambooth::DreamBooth;
pub use features::{Features, Views};
pub use generate::Generate;
pub use head::Head;
pub use import::Import;
pub use inpainting::Inpainting;
pub use kind::{Kind, ShardSet, Spec};
pub use latents::Latents;
pub use lineage::{Classifiers, Lineage, Planned};
pub use predictions::{Predictions, TABLE as PREDICTIONS, Tabulated};
pub use pretrained::Pretrained;
pub use pretrained_backbone::PretrainedBackbone;
pub use prior::{PRIOR, Prior};
pub use probe::Probe;
pub use prompt::Prompt;
pub use quality::Quality;
pub use released::Released;
pub use report::{KindCount, Report, ReportedExperiment, Training};
pub use scores::Scores;
pub use training_images::TrainingImages;
pub use tsne::Tsne;
pub use unet::UNet;
pub use unpack::Unpack;

/// Calls a macro with all kinds, in the order in which a study needs them: each kind's file, which
/// is called alike in `plan/kinds/` and in `steps/`, and its spec.
macro_rules! for_each_kind {
    ($call:ident) => {
        $call! {
            import::Import,
            decode::Decode,
            audit::Audit,
            corpus::Corpus,
            cohort::Cohort,
            autoencoder::Autoencoder,
            unet::UNet,
            inpainting::Inpainting,
            backbone::Backbone,
            pretrained::Pretrained,
            pretrained_backbone::PretrainedBackbone,
            prompt::Prompt,
            latents::Latents,
            prior::Prior,
            dreambooth::DreamBooth,
            unpack::Unpack,
            released::Released,
            generate::Generate,
            features::Features,
            probe::Probe,
            scores::Scores,
            head::Head,
            classifier::Classifier,
            check::Check,
            contact::Contact,
            quality::Quality,
            tsne::Tsne,
            analysis::Analysis,
            predictions::Predictions,
            lineage::Lineage,
            report::Report,
        }
    };
}
pub(crate) use for_each_kind;

macro_rules! list {
    ($($file:ident::$spec:ident,)*) => {
        /// Every kind.
        pub const ALL: &[&Kind] = &[$(&$spec::KIND),*];
    };
}
for_each_kind!(list);
