//! Sheets of images for pages, and what their rows and columns show.

use serde::{Deserialize, Serialize};

/// What a sheet's rows and bands of columns show.
#[derive(Serialize, Deserialize)]
pub struct Legend {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// Images of a row in each band.
    pub across: usize,
}
