//! PAD-UFES-20 (Pacheco et al. 2020): lesions photographed with phones, of patients with known skin
//! types.

use super::coded::{Class, Coded, Names};
use crate::data::catalogue::Meaning;

/// The set of study files that say `pad-ufes-20`.
pub const SET: Coded = Coded {
    title: "PAD-UFES-20",
    table: "metadata.csv",
    picture: ("img_id", Names::Files),
    class: "diagnostic",
    skin_type: Some("fitspatrick"),
    meanings: &[Meaning::Patient, Meaning::Lesion],
    columns: &[
        "fitspatrick",
        "diagnostic",
        "img_id",
        "smoke",
        "drink",
        "background_father",
        "background_mother",
        "age",
        "pesticide",
        "gender",
        "skin_cancer_history",
        "cancer_history",
        "has_piped_water",
        "has_sewage_system",
        "region",
        "diameter_1",
        "diameter_2",
        "itch",
        "grew",
        "hurt",
        "changed",
        "bleed",
        "elevation",
        "biopsed",
    ],
    classes: &[
        Class::new("ACK", "actinic keratosis", Some(false), 730),
        Class::new("BCC", "basal cell carcinoma", Some(true), 845),
        Class::new("MEL", "melanoma", Some(true), 52),
        Class::new("NEV", "nevus", Some(false), 244),
        Class::new("SCC", "squamous cell carcinoma", Some(true), 192),
        Class::new("SEK", "seborrheic keratosis", Some(false), 235),
    ],
};
