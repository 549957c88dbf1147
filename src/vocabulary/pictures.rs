//! Real images: where they come from and what becomes of each.

use serde::{Deserialize, Serialize};

/// An image set, or a layout that image sets have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// Rendered skin; it needs no files.
    Phantom,
    /// The `.gz` files of MNIST and of sets in its format.
    Idx,
    /// Fitzpatrick17k: its table and a folder of its pictures.
    Fitzpatrick17k,
    /// Diverse Dermatology Images: its table and pictures.
    Ddi,
    /// PAD-UFES-20: its table and pictures, in any folders. Its classes are called actinic keratosis,
    /// basal cell carcinoma, melanoma, nevus, squamous cell carcinoma and seborrheic keratosis.
    #[serde(rename = "pad-ufes-20")]
    PadUfes20,
    /// Pictures in a folder for each class.
    Folder,
    /// WebDataset shards: tar files of pictures, each with its record.
    Webdataset,
}

impl ImageSource {
    /// Whether it consists of picture files, of any format and size.
    pub fn has_pictures(self) -> bool {
        match self {
            Self::Phantom | Self::Idx => false,
            Self::Fitzpatrick17k
            | Self::Ddi
            | Self::PadUfes20
            | Self::Folder
            | Self::Webdataset => true,
        }
    }

    /// The name in study files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Phantom => "phantom",
            Self::Idx => "idx",
            Self::Fitzpatrick17k => "fitzpatrick17k",
            Self::Ddi => "ddi",
            Self::PadUfes20 => "pad-ufes-20",
            Self::Folder => "folder",
            Self::Webdataset => "webdataset",
        }
    }
}

/// An annotation of the skin type in Fitzpatrick17k.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SkinTypeScale {
    /// The column `fitzpatrick_scale`.
    Scale,
    /// The column `fitzpatrick_centaur`.
    Centaur,
}

/// How a picture becomes a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Its largest centred square is cut out.
    Crop,
    /// It is kept whole and padded with black.
    Pad,
    /// It is kept whole and its longer side is compressed.
    Squish,
}

/// What happens to pictures that are missing or cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Unusable {
    /// No task runs that needs one of them.
    Refuse,
    /// They are left out and counted in the audit.
    Drop,
}

/// What happens to copies of the same picture, as the audit finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Dedupe {
    /// They are only reported.
    Keep,
    /// All copies of a picture are in one set; copies of a picture in the image set's own test part
    /// are in no other.
    DropFromTrain,
}
