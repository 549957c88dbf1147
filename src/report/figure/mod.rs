//! Figures as SVG and PDF. Colours are presentation attributes with classes, so that a figure stands alone
//! on white and a page's style sheet can repaint it: `fig-s0` .. `fig-s5` are the series,
//! `fig-paper` the background.

pub mod accuracy;
pub mod confusion;
pub mod doses;
pub mod forest;
mod pdf;
mod points;
pub mod quality;
mod series;
mod svg;
pub mod training;
