//! The exchange rate: how many real images of a class an added synthetic one is worth.

use super::columns;
use crate::report::block::{Block, Column, Section, Table};
use crate::report::inputs::Part;
use crate::report::wording::interval_name;
use crate::stats::analysis::ExchangeRate;
use crate::stats::exchange::{Exchange, Point, RateInterval};

/// None where real only has been trained at one n.
pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let rates = &analysis.exchange;
    if rates.is_empty() {
        return None;
    }
    let mut columns = columns::designs(analysis, |rate: &ExchangeRate| &rate.design);
    columns.extend([
        Column::number("worth so many real images", |rate: &ExchangeRate| worth(&rate.rate)),
        Column::number("real images per synthetic one", |rate: &ExchangeRate| point(&rate.rate)),
        Column::number("interval", |rate: &ExchangeRate| interval(&rate.rate)),
    ]);
    let table = Table::new("Table of exchange rates", columns, rates);
    let table = table.captioned(format!(
        "The number of real images of a class that real images alone would need for the same \
         accuracy, from the curve of real only over n, and what a synthetic image adds to it: below \
         0 where the arm is less accurate than its real images alone [{}, by inversion].",
        interval_name(analysis)
    ));
    let answer = Block::paragraph(
        "What is a synthetic image worth? As many real ones as would raise the accuracy of real \
         images alone by as much. Where an arm lies beyond the curve, only a bound is known.",
    );
    Some(Section {
        id: "exchange".into(),
        title: "What a synthetic image is worth".into(),
        short: "Exchange rate".into(),
        blocks: vec![answer, Block::Table(table)],
    })
}

fn number(value: f64) -> String {
    format!("{value:.1}").replace('-', "\u{2212}")
}

fn rate(value: f64) -> String {
    match format!("{value:+.3}").as_str() {
        "+0.000" | "-0.000" => "0".to_owned(),
        text => text.replace('-', "\u{2212}"),
    }
}

/// In real images of a class.
fn worth(exchange: &Exchange) -> String {
    let Exchange::Rate { point, .. } = exchange else { return String::new() };
    match point {
        Point::At { n, .. } => number(*n),
        Point::Between { least, most, .. } => format!("{} to {}", number(*least), number(*most)),
        Point::MoreThan { n, .. } => format!("more than {}", number(*n)),
        Point::LessThan { n, .. } => format!("less than {}", number(*n)),
        Point::Flat => "any number".into(),
    }
}

fn point(exchange: &Exchange) -> String {
    match exchange {
        Exchange::Rate { point, .. } => match point {
            Point::At { rate: value, .. } => rate(*value),
            Point::Between { rates, .. } => {
                format!("{} to {}", rate(rates.low), rate(rates.high))
            }
            Point::MoreThan { rate: value, .. } => format!("more than {}", rate(*value)),
            Point::LessThan { rate: value, .. } => format!("less than {}", rate(*value)),
            Point::Flat => "not defined: the curve does not rise".into(),
        },
        Exchange::NoSynthetic => "no synthetic images".into(),
        Exchange::OneSize => "real only has one n".into(),
        Exchange::Unordered => "not defined".into(),
    }
}

fn interval(exchange: &Exchange) -> String {
    let Exchange::Rate { interval, .. } = exchange else { return String::new() };
    match interval {
        RateInterval::Bounded { low, high } => format!("[{}, {}]", rate(*low), rate(*high)),
        RateInterval::AtLeast { low } => format!("{} or more", rate(*low)),
        RateInterval::AtMost { high } => format!("{} or less", rate(*high)),
        RateInterval::Unbounded => "unbounded".into(),
        RateInterval::MoreThan { rate: value } => format!("more than {}", rate(*value)),
        RateInterval::LessThan { rate: value } => format!("less than {}", rate(*value)),
    }
}
