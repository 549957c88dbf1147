//! What holds for the source itself: the directions of imports, the size of files, and versions
//! that follow the code.

mod architecture;
mod items;
mod keys;
mod schema;
mod shape;
mod source;
mod versions;
