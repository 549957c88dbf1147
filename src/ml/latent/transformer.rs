//! The UNet's spatial transformer: self-attention, cross-attention to the context and a gated
//! feed-forward (diffusers' models/transformers/transformer_2d.py and models/attention.py).

use candle_core::{Result, Tensor};
use candle_nn::var_builder::VarBuilder;

use super::layers::{GroupNorm, LayerNorm, Linear};
use crate::ml::ops;

/// The settings that the transformers of one level share.
#[derive(Clone, Copy)]
pub struct TransformerStyle {
    pub heads: usize,
    pub depth: usize,
    pub context_channels: usize,
    pub groups: usize,
    /// Whether the projections in and out are stored as matrices rather than as 1x1 convolutions.
    pub linear_projection: bool,
}

struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
}

impl Attention {
    fn new(channels: usize, context_channels: usize, heads: usize, vb: VarBuilder) -> Result<Self> {
        if !channels.is_multiple_of(heads) {
            candle_core::bail!(
                "{}: {channels} channels cannot be split into {heads} heads",
                vb.prefix()
            );
        }
        Ok(Self {
            to_q: Linear::unbiased(channels, channels, vb.pp("to_q"))?,
            to_k: Linear::unbiased(context_channels, channels, vb.pp("to_k"))?,
            to_v: Linear::unbiased(context_channels, channels, vb.pp("to_v"))?,
            to_out: Linear::new(channels, channels, vb.pp("to_out").pp(0))?,
            heads,
        })
    }

    fn forward(&self, x: &Tensor, context: &Tensor) -> Result<Tensor> {
        let (q, k, v) =
            (self.to_q.forward(x)?, self.to_k.forward(context)?, self.to_v.forward(context)?);
        self.to_out.forward(&ops::attention(&q, &k, &v, self.heads, false)?)
    }
}

/// diffusers' `BasicTransformerBlock`.
struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

impl TransformerBlock {
    fn new(channels: usize, style: TransformerStyle, vb: VarBuilder) -> Result<Self> {
        let feed_forward = vb.pp("ff").pp("net");
        Ok(Self {
            norm1: LayerNorm::new(channels, vb.pp("norm1"))?,
            attn1: Attention::new(channels, channels, style.heads, vb.pp("attn1"))?,
            norm2: LayerNorm::new(channels, vb.pp("norm2"))?,
            attn2: Attention::new(channels, style.context_channels, style.heads, vb.pp("attn2"))?,
            norm3: LayerNorm::new(channels, vb.pp("norm3"))?,
            widen: Linear::new(channels, 8 * channels, feed_forward.pp(0).pp("proj"))?,
            narrow: Linear::new(4 * channels, channels, feed_forward.pp(2))?,
        })
    }

    fn forward(&self, x: &Tensor, context: &Tensor) -> Result<Tensor> {
        let normed = self.norm1.forward(x)?;
        let x = (self.attn1.forward(&normed, &normed)? + x)?;
        let x = (self.attn2.forward(&self.norm2.forward(&x)?, context)? + x)?;
        self.narrow.forward(&ops::geglu(&self.widen.forward(&self.norm3.forward(&x)?)?)?)? + x
    }
}

/// diffusers' `Transformer2DModel`: the pixels as tokens through `depth` blocks, plus the input.
pub struct SpatialTransformer {
    norm: GroupNorm,
    proj_in: Linear,
    blocks: Vec<TransformerBlock>,
    proj_out: Linear,
}

impl SpatialTransformer {
    pub fn new(channels: usize, style: TransformerStyle, vb: VarBuilder) -> Result<Self> {
        let projection = if style.linear_projection { Linear::new } else { Linear::pointwise };
        let blocks = vb.pp("transformer_blocks");
        Ok(Self {
            norm: GroupNorm::new(style.groups, channels, 1e-6, vb.pp("norm"))?,
            proj_in: projection(channels, channels, vb.pp("proj_in"))?,
            blocks: (0..style.depth)
                .map(|i| TransformerBlock::new(channels, style, blocks.pp(i)))
                .collect::<Result<_>>()?,
            proj_out: projection(channels, channels, vb.pp("proj_out"))?,
        })
    }

    /// `x [B,H,W,C]` and `context [B,M,context_channels]` to `[B,H,W,C]`.
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        let mut tokens = self.proj_in.forward(&self.norm.forward(x)?.reshape((
            batch,
            height * width,
            channels,
        ))?)?;
        for block in &self.blocks {
            tokens = block.forward(&tokens, context)?;
        }
        self.proj_out.forward(&tokens)?.reshape(x.shape())? + x
    }
}
