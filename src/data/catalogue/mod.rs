//! What the annotations of an image set say: one record a picture, before any picture is opened.
//!
//! The readers of [`sets`](super::sets) turn a set's own tables and files into a [`Catalogue`]. What
//! is wrong with a table is an error that names file, line and value; what is merely worth knowing
//! is a note.

mod columns;
mod error;
mod record;
mod table;
mod text;
pub mod value;

pub use columns::{Columns, Meaning};
pub use error::CatalogueError;
pub use record::{Catalogue, Record, id_of};
pub use table::{Column, Row, Table};
pub use value::Part;

pub(in crate::data) use table::Lines;
