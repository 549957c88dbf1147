//! titrate: do synthetic images help a medical image classifier, which ones, how many, and for whom?
//!
//! ARCHITECTURE.md says what each room is for and which way imports run.

pub mod data;
pub mod id;
pub mod seed;
