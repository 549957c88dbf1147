//! The terms that a study, a plan, a step and a model all use, each defined once. May import
//! nothing.

mod arm;
mod claim;
mod comparison;
mod design;
mod diffusion;
mod pictures;
mod statistics;
mod training;
mod usage;

pub use arm::{Arm, Control, Strategy, Synthetic, UnknownArm};
pub use claim::{Among, Bound, Claim, LinearContrast, Quantifier, Rule, Term, Test, rated};
pub use comparison::{Change, Comparison, Selection};
pub use design::{Design, Setting};
pub use diffusion::{
    Conditioning, LearningRateSchedule, Lora, Precision, PredictionType, Solver, TuningMask,
    TuningTransforms,
};
pub use pictures::{BaseImages, Dedupe, Fit, ImageSource, SkinTypeScale, SourceFacts, Unusable};
pub use statistics::Correction;
pub use training::{
    ClassifierSchedule, Crop, HeadKind, NormalisationKind, Regime, Transforms, WeightsKept,
};
pub use usage::{Choice, Mixture, Usage};
