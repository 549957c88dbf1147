//! What is known about one image.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::RgbImage;

/// An image and its record.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique within its set; no `.` or `/`, so that it can name the members of a shard.
    pub id: String,
    /// The class, as a lower-case name ("basal cell carcinoma").
    pub label: String,
    /// Fitzpatrick skin type 1 to 6, or 12, 34 or 56 where only the pair is known; 0 is unknown.
    pub fst: u8,
    /// Whether the condition is malignant, where the image set says so.
    pub malignant: Option<bool>,
    /// Whose picture it is, where the image set says so: pictures of one patient are no independent
    /// samples. Empty where that is not known, and for generated images, whoever's picture they
    /// were made from.
    pub patient: String,
    /// A sentence that describes the image, for text encoders.
    pub caption: String,
    /// The set that the image comes from.
    pub source: String,
    /// The pixels.
    pub image: RgbImage,
    /// How the image was generated; `None` for an image of the original set.
    pub synthetic: Option<Synthetic>,
}

/// The record of a generated image, with the field names of the released synthetic-derm shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synthetic {
    /// The generated image's name, in titrate its item id; empty where the record has none.
    #[serde(default)]
    pub name: String,
    /// The source image. The released shards put its MD5 here, titrate its item id.
    pub md5hash: String,
    /// "text-to-image", "inpaint" or "in-then-outpaint" in titrate.
    pub method: String,
    /// A detail of the method; in titrate the model that was asked, "dreambooth" or "base".
    #[serde(default)]
    pub submethod: String,
    /// The number of this image among those generated from one source image, from 0. The released
    /// shards have it as text, "07".
    #[serde(deserialize_with = "number")]
    pub generation_num: u32,
    /// The tag of the released shards; empty in titrate.
    #[serde(default)]
    pub tag: String,
}

/// A number, or the text of one.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u32),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) => text
            .trim()
            .parse()
            .map_err(|_| D::Error::custom(format!("{text:?} is not a whole number"))),
    }
}
