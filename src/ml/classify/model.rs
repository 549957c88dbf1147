//! Networks as training sees them, and which of their tensors each regime trains.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::efficientnet::{Config, EfficientNet, Mode};
use super::heads::Head;
use crate::ml::params::{Params, ParamsError, StateDict};
use crate::vocabulary::Regime;

/// Inputs to logits `[B,classes]`.
pub trait Network {
    /// Logits [B, classes] of `inputs`, whose first dimension is the batch.
    ///
    /// # Errors
    /// If the shape of `inputs` is not the network's.
    fn forward(&self, inputs: &Tensor, mode: Mode) -> Result<Tensor>;
}

impl Network for EfficientNet {
    fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward(images, mode)
    }
}

/// Features instead of images.
impl Network for Head {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward(features, mode)
    }
}

/// A head of its own over a body that stays as it is in training too: nothing is drawn and no
/// statistics move in it.
struct OverFrozen {
    body: Arc<EfficientNet>,
    head: Head,
}

impl Network for OverFrozen {
    fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.head.forward(&self.body.features(images, Mode::Eval)?.detach(), mode)
    }
}

/// A network that is trained, and its twin for judging meanwhile: of the same values, but no graph
/// is kept for it.
pub struct Model {
    /// The variables are what training changes; the constants are of no interest to it.
    pub params: Params,
    /// The network that is trained.
    pub learner: Box<dyn Network>,
    /// A second one on the same variables, for the other half of each batch.
    pub twin: Box<dyn Network>,
}

impl Model {
    /// The network that `construct` describes, over `params`.
    ///
    /// # Errors
    /// If `params` lacks a tensor, or has one of another shape or one too many.
    pub fn new<N: Network + 'static>(
        params: Params,
        construct: impl Fn(VarBuilder<'static>) -> Result<N>,
    ) -> std::result::Result<Self, ParamsError> {
        let learner = Box::new(params.build(&construct)?);
        let twin = Box::new(params.shared_constants().build(&construct)?);
        Ok(Self { params, learner, twin })
    }

    /// The network of `config` on `device`, from the weights `start` on, all of which it has.
    ///
    /// # Errors
    /// If `start` lacks a tensor of the network, or has one of another shape or one too many.
    pub fn of_regime(
        regime: Regime,
        config: &Config,
        start: StateDict,
        device: &Device,
    ) -> std::result::Result<Self, ParamsError> {
        let dtype = DType::F32;
        match regime {
            Regime::Full => Self::new(Params::trainable_from(start, dtype, device), |vb| {
                EfficientNet::new(config, vb)
            }),
            Regime::Authors => {
                let norms = norms(&start);
                let trains = move |name: &str| is_of_head(name) || norms.contains(layer(name));
                Self::new(Params::partly_trainable_from(start, trains, dtype, device), |vb| {
                    EfficientNet::new(config, vb)
                })
            }
            Regime::Head => {
                let head = start.iter().filter(|(name, _)| is_of_head(name));
                let head = head
                    .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
                    .collect::<StateDict>();
                let body = Params::frozen_from(start, dtype, device)
                    .build(|vb| EfficientNet::new(config, vb))?;
                let body = Arc::new(body);
                let construct = |vb: VarBuilder<'static>| {
                    Ok(OverFrozen { body: Arc::clone(&body), head: Head::new(config, vb)? })
                };
                Self::new(Params::trainable_from(head, dtype, device), construct)
            }
        }
    }
}

/// Whether a tensor is of the head.
pub fn is_of_head(name: &str) -> bool {
    name.starts_with("classifier.")
}

/// The name of the layer that a tensor is of.
fn layer(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(layer, _)| layer)
}

/// The names of the layers that are batch normalisations: those with running statistics.
fn norms(weights: &StateDict) -> std::collections::BTreeSet<String> {
    weights
        .iter()
        .filter(|(name, _)| name.ends_with(".running_mean"))
        .map(|(name, _)| layer(name).to_owned())
        .collect()
}
