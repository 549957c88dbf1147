//! HAM10000 (Tschandl et al. 2018): dermatoscopic images of pigmented lesions, several of some. Its
//! table has no skin types.

use super::coded::{Class, Coded, Names};
use crate::data::catalogue::Meaning;

/// The set of study files that say `ham10000`; pictures of a lesion are one patient's.
pub const SET: Coded = Coded {
    title: "HAM10000",
    table: "HAM10000_metadata.csv",
    picture: ("image_id", Names::Stems("jpg")),
    class: "dx",
    skin_type: None,
    meanings: &[Meaning::Lesion],
    // Its later versions have `dataset`.
    columns: &["image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"],
    // Among actinic keratoses are carcinomas in situ, so the class says neither.
    classes: &[
        Class::new("akiec", "actinic keratosis", None, 327),
        Class::new("bcc", "basal cell carcinoma", Some(true), 514),
        Class::new("bkl", "benign keratosis", Some(false), 1099),
        Class::new("df", "dermatofibroma", Some(false), 115),
        Class::new("mel", "melanoma", Some(true), 1113),
        Class::new("nv", "nevus", Some(false), 6705),
        Class::new("vasc", "vascular lesion", Some(false), 142),
    ],
};
