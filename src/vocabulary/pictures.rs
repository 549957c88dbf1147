//! Real images: where they come from and what becomes of each.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// Rendered skin; embedded.
    Phantom,
    /// MNIST-format .gz files.
    Idx,
    /// Fitzpatrick17k's table and a folder of its pictures.
    Fitzpatrick17k,
    /// Diverse Dermatology Images: its table and pictures.
    Ddi,
    /// A folder of pictures for each class.
    Folder,
    /// Shards: tar files of pictures, each with its record.
    Webdataset,
}

impl ImageSource {
    /// Whether it is made of files of pictures, of any format and size.
    pub fn has_pictures(self) -> bool {
        match self {
            Self::Phantom | Self::Idx => false,
            Self::Fitzpatrick17k | Self::Ddi | Self::Folder | Self::Webdataset => true,
        }
    }

    /// The name in study files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Phantom => "phantom",
            Self::Idx => "idx",
            Self::Fitzpatrick17k => "fitzpatrick17k",
            Self::Ddi => "ddi",
            Self::Folder => "folder",
            Self::Webdataset => "webdataset",
        }
    }
}

/// Which of Fitzpatrick17k's annotations of the skin type counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkinTypeScale {
    /// `fitzpatrick_scale`.
    Scale,
    /// `fitzpatrick_centaur`.
    Centaur,
}

/// How a picture becomes a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Its largest centred square.
    Crop,
    /// Whole, on black.
    Pad,
    /// Whole, its sides made equal.
    Squish,
}

/// What becomes of pictures that are not there or can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unusable {
    /// Nothing runs that would need one of them.
    Refuse,
    /// They are left out, and counted in the audit.
    Drop,
}

/// What becomes of pictures that are there twice, as the audit finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dedupe {
    /// They are reported.
    Keep,
    /// Those of one picture are in one set only; a picture of the set's own test part is nowhere
    /// else.
    DropFromTrain,
}
