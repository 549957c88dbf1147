//! What is to be written into an archive, and what was.

use super::contents::LeftOut;
use crate::remote::Signing;
use crate::store::Receipt;

/// What is to be written.
pub struct Export<'a> {
    /// The study's name.
    pub study: &'a str,
    /// Its title and what it is about, for people.
    pub title: &'a str,
    /// The resolved study.
    pub resolved: &'a str,
    /// `cpu` or `cuda`.
    pub device: &'a str,
    /// What was set on the command line.
    pub sets: &'a [String],
    /// Cargo.lock of the program.
    pub lock: &'a str,
    /// The license, as an address or in words; none: that is said.
    pub license: Option<&'a str>,
    /// The person or organisation whose results they are.
    pub author: Option<&'a str>,
    /// The finished tasks: how the study calls each, and its receipt.
    pub results: &'a [(String, Receipt)],
    /// The label of the task whose output is the report.
    pub report: &'a str,
    /// With weights, latents and features.
    pub weights: bool,
    /// With images.
    pub images: bool,
    /// Signs the receipts.
    pub signing: Option<&'a Signing>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Objects.
    pub objects: usize,
    /// Bytes of those.
    pub bytes: u64,
    /// What was left out.
    pub left_out: LeftOut,
}
