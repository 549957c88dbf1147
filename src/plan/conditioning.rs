//! What a UNet is conditioned on.

use serde::{Deserialize, Serialize};

/// What a UNet is conditioned on beside the prompt.
#[derive(Hash, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    TextToImage,
    Inpainting,
}

impl Conditioning {
    /// The name in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextToImage => "text-to-image",
            Self::Inpainting => "inpainting",
        }
    }
}
