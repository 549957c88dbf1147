//! titrate: do synthetic images help a medical image classifier, which ones, how many, and for
//! whom?
//!
//! ARCHITECTURE.md says what each room is for and which way imports run.

#![warn(missing_docs)]

pub mod archive;
pub mod cli;
pub mod data;
pub mod date;
pub mod exec;
pub mod fst;
pub mod hub;
pub mod id;
pub mod metrics;
pub mod ml;
pub mod plan;
pub mod regular;
pub mod remote;
pub mod replace;
pub mod report;
pub mod seed;
pub mod sources;
pub mod stats;
pub mod steps;
pub mod store;
pub mod study;
pub mod vocabulary;
pub mod wording;
