//! What a point of a figure says in words, and how far it is known.

use crate::report::format;
use crate::stats::Interval;
use crate::stats::analysis::Accuracy;

/// How opaque the dots of replicates are.
pub const REPLICATE: f64 = 0.5;

/// The interval, or where nothing varies the accuracy itself.
pub fn ends(row: &Accuracy) -> Interval {
    row.accuracy.interval.unwrap_or(Interval { low: row.accuracy.mean, high: row.accuracy.mean })
}

/// "inpaint, n = 4, with transforms: 58.2% [54.1, 62.0]; replicates 57.0, 58.1 and 59.5".
pub fn say_accuracy(arm: &str, row: &Accuracy) -> String {
    let interval = row.accuracy.interval.map(format::percent_interval);
    let rate = |rate: &f64| format::percent(*rate).replace('%', "");
    let replicates = row.replicates.iter().map(rate).collect::<Vec<_>>();
    let replicates = match replicates.len() {
        0 | 1 => String::new(),
        _ => format!("; replicates {}", format::list(&replicates)),
    };
    format!(
        "{arm}, n = {}, {}: {}{}{replicates}",
        row.design.n,
        row.design.setting(),
        format::percent(row.accuracy.mean),
        interval.map_or(String::new(), |interval| format!(" {interval}")),
    )
}
