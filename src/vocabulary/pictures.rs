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
    /// HAM10000: its table and pictures, in any folders; a lesion's pictures count as a patient's. Its
    /// classes are called actinic keratosis, basal cell carcinoma, benign keratosis, dermatofibroma,
    /// melanoma, nevus and vascular lesion.
    Ham10000,
    /// Pictures in a folder for each class.
    Folder,
    /// WebDataset shards: tar files of pictures, each with its record.
    Webdataset,
}

impl ImageSource {
    /// What studies may say of it.
    pub fn facts(self) -> SourceFacts {
        match self {
            Self::Phantom => SourceFacts {
                name: "phantom",
                files: None,
                pictures: false,
                base: BaseImages::Rendered,
                ..SourceFacts::PICTURES
            },
            Self::Idx => SourceFacts {
                name: "idx",
                files: Some(".gz files"),
                pictures: false,
                base: BaseImages::OtherClasses,
                ..SourceFacts::PICTURES
            },
            Self::Fitzpatrick17k => SourceFacts {
                name: "fitzpatrick17k",
                annotations: true,
                lists: true,
                ..SourceFacts::PICTURES
            },
            Self::Ddi => SourceFacts {
                name: "ddi",
                annotations: true,
                classes: &["benign", "malignant"],
                ..SourceFacts::PICTURES
            },
            Self::PadUfes20 => {
                SourceFacts { name: "pad-ufes-20", annotations: true, ..SourceFacts::PICTURES }
            }
            Self::Ham10000 => {
                SourceFacts { name: "ham10000", annotations: true, ..SourceFacts::PICTURES }
            }
            Self::Folder => {
                SourceFacts { name: "folder", annotations: true, ..SourceFacts::PICTURES }
            }
            Self::Webdataset => SourceFacts {
                name: "webdataset",
                files: Some("tar files"),
                ..SourceFacts::PICTURES
            },
        }
    }

    /// Whether it consists of picture files.
    pub fn has_pictures(self) -> bool {
        self.facts().pictures
    }

    /// The name in study files.
    pub fn name(self) -> &'static str {
        self.facts().name
    }
}

/// What studies may say of an image set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFacts {
    /// The name in study files.
    pub name: &'static str,
    /// What the folder of a study's `images.path` has; none: there is no folder.
    pub files: Option<&'static str>,
    /// Whether it consists of picture files, of any format and size.
    pub pictures: bool,
    /// Whether there is a table of annotations.
    pub annotations: bool,
    /// Whether there are lists of held-out and of training pictures, and two scales of skin types.
    pub lists: bool,
    /// The only classes that there are; empty: any.
    pub classes: &'static [&'static str],
    /// The images that a base can be trained on.
    pub base: BaseImages,
}

impl SourceFacts {
    /// Of picture files, with nothing beside them.
    const PICTURES: Self = Self {
        name: "",
        files: Some("pictures"),
        pictures: true,
        annotations: false,
        lists: false,
        classes: &[],
        base: BaseImages::None,
    };
}

/// Images of a set that a base can be trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseImages {
    /// Kinds that are rendered for it, all of them.
    Rendered,
    /// Those of classes that the study leaves out.
    OtherClasses,
    /// None: a base is shipped or pretrained.
    None,
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
