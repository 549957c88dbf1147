//! CLIP's text encoder: a causal pre-norm transformer (Radford et al. 2021), with the tensor names
//! and configuration keys of transformers' `CLIPTextModel`.

use candle_core::{Result, Tensor, bail};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ml::ops;

/// The activation between the two linear maps of a layer's feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
    /// The exact GELU.
    Gelu,
}

/// The keys of a `config.json` that the encoder reads; others are ignored. A key that is not there
/// has the value of transformers' `CLIPTextConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Width of the embeddings.
    pub hidden_size: usize,
    /// Width inside each layer's multilayer perceptron.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads in each layer.
    pub num_attention_heads: usize,
    /// Longest prompt in tokens.
    pub max_position_embeddings: usize,
    /// Activation inside the multilayer perceptrons.
    pub hidden_act: HiddenAct,
    /// Added to variances by layer normalisations.
    pub layer_norm_eps: f64,
    /// Token that begins a prompt.
    #[serde(deserialize_with = "token_id")]
    pub bos_token_id: Option<u32>,
    /// Token that ends a prompt; of several the first. Only pooling, which is not done, looks for
    /// it.
    #[serde(deserialize_with = "token_id")]
    pub eos_token_id: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: HiddenAct::QuickGelu,
            layer_norm_eps: 1e-5,
            bos_token_id: Some(49406),
            eos_token_id: Some(49407),
        }
    }
}

/// A token's id: a number, the first of a list, or null.
fn token_id<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        One(u32),
        Several(Vec<u32>),
    }
    Ok(Option::<Ids>::deserialize(from)?.and_then(|ids| match ids {
        Ids::One(id) => Some(id),
        Ids::Several(ids) => ids.first().copied(),
    }))
}

/// Why a `config.json` is not of an encoder that is implemented.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum ConfigError {
    /// It is not JSON, or not with these keys.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It is of another kind of model.
    #[error(
        "{key} = {value} is not supported: the text encoder is CLIP's text model (CLIPTextModel)"
    )]
    OtherModel { key: &'static str, value: serde_json::Value },
}

impl Config {
    /// Reads transformers' `config.json` of a `CLIPTextModel`.
    ///
    /// # Errors
    /// If it is of another model, such as one with a projection.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let keys: serde_json::Value = serde_json::from_str(json)?;
        for (key, of_clip) in [
            ("model_type", serde_json::json!("clip_text_model")),
            ("architectures", serde_json::json!(["CLIPTextModel"])),
        ] {
            let value = &keys[key];
            if !value.is_null() && *value != of_clip {
                return Err(ConfigError::OtherModel { key, value: value.clone() });
            }
        }
        Ok(serde_json::from_value(keys)?)
    }
}

fn normal(stdev: f64) -> Init {
    Init::Randn { mean: 0.0, stdev }
}

/// `x weight^T + bias`.
#[derive(Debug, Clone)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn new(inputs: usize, outputs: usize, stdev: f64, vb: VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints((outputs, inputs), "weight", normal(stdev))?;
        Ok(Self { weight, bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::linear(x, &self.weight, Some(&self.bias))
    }
}

#[derive(Debug, Clone)]
struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints(config.hidden_size, "weight", Init::Const(1.0))?;
        Ok(Self {
            weight,
            bias: vb.get_with_hints(config.hidden_size, "bias", Init::Const(0.0))?,
            eps: config.layer_norm_eps,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}

#[derive(Debug, Clone)]
struct EncoderLayer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
    activation: HiddenAct,
}

impl EncoderLayer {
    /// Standard deviations as `CLIPPreTrainedModel` draws them.
    fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let into_residual = (2.0 * config.num_hidden_layers as f64 * width as f64).sqrt().recip();
        let out_std = (width as f64).sqrt().recip();
        let attention = vb.pp("self_attn");
        let projection = |name: &str, stdev| Linear::new(width, width, stdev, attention.pp(name));
        Ok(Self {
            layer_norm1: LayerNorm::new(config, vb.pp("layer_norm1"))?,
            q_proj: projection("q_proj", into_residual)?,
            k_proj: projection("k_proj", into_residual)?,
            v_proj: projection("v_proj", into_residual)?,
            out_proj: projection("out_proj", out_std)?,
            layer_norm2: LayerNorm::new(config, vb.pp("layer_norm2"))?,
            fc1: Linear::new(
                width,
                inner,
                (2.0 * width as f64).sqrt().recip(),
                vb.pp("mlp").pp("fc1"),
            )?,
            fc2: Linear::new(inner, width, into_residual, vb.pp("mlp").pp("fc2"))?,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let normed = self.layer_norm1.forward(x)?;
        let (q, k, v) = (
            self.q_proj.forward(&normed)?,
            self.k_proj.forward(&normed)?,
            self.v_proj.forward(&normed)?,
        );
        let x = (x + self.out_proj.forward(&ops::attention(&q, &k, &v, self.heads, true)?)?)?;
        let hidden = self.fc1.forward(&self.layer_norm2.forward(&x)?)?;
        let hidden = match self.activation {
            HiddenAct::QuickGelu => ops::quick_gelu(&hidden)?,
            HiddenAct::Gelu => ops::gelu(&hidden)?,
        };
        x + self.fc2.forward(&hidden)?
    }
}

/// `CLIPTextModel`, without pooling and projection.
#[derive(Debug, Clone)]
pub struct TextEncoder {
    token_embedding: Tensor,
    position_embedding: Tensor,
    layers: Vec<EncoderLayer>,
    final_layer_norm: LayerNorm,
}

/// The name, `text_model.embeddings...`, that transformers before 5 gave a tensor, for
/// [`crate::ml::params::StateDict::renamed`]: since then names have no `text_model.`.
pub fn former_name(name: &str) -> String {
    let is_present =
        ["embeddings.", "encoder.", "final_layer_norm."].iter().any(|head| name.starts_with(head));
    if is_present { format!("text_model.{name}") } else { name.to_owned() }
}

impl TextEncoder {
    /// Tensors are named as [`former_name`] names them.
    pub fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        if config.num_attention_heads == 0
            || !config.hidden_size.is_multiple_of(config.num_attention_heads)
        {
            bail!(
                "text encoder: {} heads do not divide hidden_size {}",
                config.num_attention_heads,
                config.hidden_size
            );
        }
        let vb = vb.pp("text_model");
        let embedding = |name: &str, rows: usize| {
            vb.pp("embeddings").pp(name).get_with_hints(
                (rows, config.hidden_size),
                "weight",
                normal(0.02),
            )
        };
        let layer = |index: usize| EncoderLayer::new(config, vb.pp("encoder.layers").pp(index));
        Ok(Self {
            token_embedding: embedding("token_embedding", config.vocab_size)?,
            position_embedding: embedding("position_embedding", config.max_position_embeddings)?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
            final_layer_norm: LayerNorm::new(config, vb.pp("final_layer_norm"))?,
        })
    }

    /// On the device of `ids`: the last hidden state `[B,N,hidden_size]`, after the final norm, of
    /// token ids `[B,N]` (u32; N up to `max_position_embeddings`). A position sees itself and
    /// earlier ones.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let (batch, length) = ids.dims2()?;
        let (positions, width) = self.position_embedding.dims2()?;
        if length > positions {
            bail!("text encoder: {length} tokens, but positions for {positions}");
        }
        let own = ids.flatten_all()?.to_device(self.token_embedding.device())?;
        let tokens = self.token_embedding.index_select(&own, 0)?.reshape((batch, length, width))?;
        let mut hidden = tokens.broadcast_add(&self.position_embedding.narrow(0, 0, length)?)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden)?;
        }
        self.final_layer_norm.forward(&hidden)?.to_device(ids.device())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::ml::gradcheck::check_gradients;
    use crate::ml::loss::mse;
    use crate::ml::optim::{AdamW, AdamWConfig};
    use crate::ml::params::Params;
    use crate::seed::Seed;

    fn config(layers: usize) -> Config {
        let json = format!(
            r#"{{"vocab_size": 11, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": {layers}, "num_attention_heads": 2,
            "max_position_embeddings": 5, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-05, "bos_token_id": 9, "eos_token_id": 10,
            "projection_dim": 8, "model_type": "clip_text_model"}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn model(layers: usize, dtype: DType) -> (Params, TextEncoder) {
        let params = Params::drawn(Seed::of_study(1), dtype, &Device::Cpu);
        let encoder = params.build(|vb| TextEncoder::new(&config(layers), vb)).unwrap();
        (params, encoder)
    }

    fn ids() -> Tensor {
        Tensor::new(&[[9u32, 3, 4, 10, 10], [9, 0, 1, 2, 10], [9, 5, 6, 7, 8]], &Device::Cpu)
            .unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn tensors_of_clip_l_with_and_without_prefix() {
        let (params, encoder) = model(12, DType::F32);
        assert_eq!(
            params.trainable().len(),
            196,
            "as many as openai/clip-vit-large-patch14's text model has"
        );
        let stored = params.state_dict().unwrap();
        let bare = stored
            .clone()
            .renamed(|name| name.strip_prefix("text_model.").unwrap().to_owned())
            .unwrap();
        for stored in [stored, bare] {
            let stored = stored.renamed(former_name).unwrap();
            let frozen = Params::frozen_from(stored, DType::F32, &Device::Cpu);
            let again = frozen.build(|vb| TextEncoder::new(&config(12), vb)).unwrap();
            assert_eq!(
                values(&again.forward(&ids()).unwrap()),
                values(&encoder.forward(&ids()).unwrap())
            );
        }
    }

    #[test]
    fn configurations_of_other_text_models_are_refused_by_key() {
        let read = |json: &str| Config::from_json(json).map_err(|error| error.to_string());
        let several = read(
            r#"{"model_type": "clip_text_model", "eos_token_id": [10, 2], "bos_token_id": null}"#,
        );
        let several = several.unwrap();
        assert_eq!((several.eos_token_id, several.bos_token_id), (Some(10), None));
        assert_eq!((several.max_position_embeddings, several.num_attention_heads), (77, 8));
        for (json, key) in [
            (r#"{"architectures": ["CLIPTextModelWithProjection"]}"#, "architectures = "),
            (r#"{"model_type": "t5"}"#, "model_type = \"t5\""),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.starts_with(key) && error.contains("CLIPTextModel)"), "{error}");
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        let (params, encoder) = model(2, DType::F64);
        let target = Tensor::new(Seed::of_study(2).normals(3 * 5 * 8), &Device::Cpu).unwrap();
        let target = target.to_dtype(DType::F64).unwrap().reshape((3, 5, 8)).unwrap();
        check_gradients(&params, 3, || mse(&encoder.forward(&ids())?, &target));
    }

    #[test]
    fn batches_and_causality() {
        let (_, encoder) = model(2, DType::F32);
        let all = encoder.forward(&ids()).unwrap();
        for item in 0..3 {
            let alone = encoder.forward(&ids().narrow(0, item, 1).unwrap()).unwrap();
            let difference = values(&(alone - all.narrow(0, item, 1).unwrap()).unwrap());
            assert!(difference.iter().all(|d| d.abs() < 1e-5), "item {item}: {difference:?}");
        }
        let start = encoder.forward(&ids().narrow(1, 0, 3).unwrap()).unwrap();
        let difference = values(&(start - all.narrow(1, 0, 3).unwrap()).unwrap());
        assert!(
            difference.iter().all(|d| d.abs() < 1e-5),
            "a later token changed an earlier state"
        );
        assert!(
            encoder.forward(&Tensor::zeros((1, 6), DType::U32, &Device::Cpu).unwrap()).is_err()
        );
    }

    #[test]
    fn overfits_one_batch() {
        let (params, encoder) = model(2, DType::F32);
        let other = Params::drawn(Seed::of_study(9), DType::F32, &Device::Cpu);
        let target = other
            .build(|vb| TextEncoder::new(&config(2), vb))
            .unwrap()
            .forward(&ids())
            .unwrap()
            .detach();
        let mut optimiser = AdamW::new(params.trainable(), AdamWConfig::DIFFUSERS).unwrap();
        let mut losses = Vec::new();
        for _ in 0..300 {
            let loss = mse(&encoder.forward(&ids()).unwrap(), &target).unwrap();
            losses.push(loss.to_scalar::<f32>().unwrap());
            optimiser.step(&loss.backward().unwrap(), 2e-2, Some(1.0)).unwrap();
        }
        assert!(losses[299] < 0.02 * losses[0], "{} -> {}", losses[0], losses[299]);
    }
}
