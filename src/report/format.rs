//! How numbers are written in reports: one form for each kind of number, the same in HTML, Markdown
//! and figures.

use crate::stats::Interval;

/// A rate as a percentage to one decimal: "41.2%".
pub fn percent(rate: f64) -> String {
    format!("{}%", decimal(rate * 100.0, 1, false))
}

/// A rate's interval in percent: "[38.1, 44.4]".
pub fn percent_interval(interval: Interval) -> String {
    format!(
        "[{}, {}]",
        decimal(interval.low * 100.0, 1, false),
        decimal(interval.high * 100.0, 1, false)
    )
}

/// An area under a curve or a score, to three decimals: "0.912".
pub fn score(value: f64) -> String {
    format!("{value:.3}")
}

/// The interval of an area or a score: "[0.891, 0.930]".
pub fn score_interval(interval: Interval) -> String {
    format!("[{:.3}, {:.3}]", interval.low, interval.high)
}

/// A standard error or deviation of rates in percentage points, without a sign: "2.6".
pub fn width(deviation: f64) -> String {
    decimal(deviation * 100.0, 1, false)
}

/// "3.5".
pub fn one_decimal(value: f64) -> String {
    decimal(value, 1, false)
}

/// A probability, never written as certain: "0.84", ">0.99", "<0.01".
pub fn probability(value: f64) -> String {
    match value {
        value if value > 0.99 => ">0.99".into(),
        value if value < 0.01 => "<0.01".into(),
        value => format!("{value:.2}"),
    }
}

/// A difference of rates in percentage points, signed: "+3.1", "−0.4", "0.0".
pub fn points(difference: f64) -> String {
    decimal(difference * 100.0, 1, true)
}

/// The interval of a difference of rates in percentage points: "[−0.2, +6.4]".
pub fn points_interval(interval: Interval) -> String {
    format!("[{}, {}]", points(interval.low), points(interval.high))
}

/// A p value: "<0.001", three decimals below 0.1, two above.
pub fn p(value: f64) -> String {
    match value {
        value if value < 0.001 => "<0.001".into(),
        value if value < 0.0995 => format!("{value:.3}"),
        value => format!("{value:.2}"),
    }
}

/// A p value in a sentence: "p = 0.034", "p < 0.001".
pub fn p_phrase(name: &str, value: f64) -> String {
    match p(value).strip_prefix('<') {
        Some(bound) => format!("{name} < {bound}"),
        None => format!("{name} = {}", p(value)),
    }
}

/// A confidence level: "95%".
pub fn level(confidence: f64) -> String {
    let text = format!("{:.1}", confidence * 100.0);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// A distance to three decimals.
pub fn distance(value: f64) -> String {
    decimal(value, 3, false)
}

/// A number without a usual size, to three significant digits and no more than six decimals:
/// "1250", "12.5", "0.0125", "−0.000125", and "0" for what would be all zeros.
pub fn significant(value: f64) -> String {
    let before = value.abs().log10().floor().clamp(-4.0, 2.0);
    let text = decimal(value, (2.0 - before) as usize, false);
    if text.bytes().all(|byte| matches!(byte, b'0' | b'.')) { "0".into() } else { text }
}

/// A round number at a figure's axis: "−20", "0.5".
pub fn tick(value: f64) -> String {
    let text = format!("{:.3}", value.abs());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if value < 0.0 && text != "0" { format!("\u{2212}{text}") } else { text.to_owned() }
}

/// "1 image", "2 images", "3 sets of features".
pub fn count(number: usize, singular: &str) -> String {
    if let Some((head, rest)) = singular.split_once(" of ") {
        return format!("{} of {rest}", count(number, head));
    }
    if let Some(stem) = singular.strip_suffix("sis").filter(|_| number != 1) {
        return format!("{number} {stem}ses");
    }
    match (number, singular.strip_suffix('s'), singular.strip_suffix('y')) {
        (1, _, _) => format!("1 {singular}"),
        (_, Some(_), _) => format!("{number} {singular}es"),
        (_, _, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {singular}s"),
    }
}

/// "a", "a and b", "a, b and c".
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A number with a true minus sign and no negative zero.
fn decimal(value: f64, places: usize, signed: bool) -> String {
    let digits = format!("{:.places$}", value.abs());
    let zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    match (zero, value < 0.0, signed) {
        (true, _, _) => digits,
        (_, true, _) => format!("\u{2212}{digits}"),
        (_, _, true) => format!("+{digits}"),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(percent(0.41249), "41.2%");
        assert_eq!(percent_interval(Interval { low: 0.0, high: 1.0 }), "[0.0, 100.0]");
        assert_eq!(
            [0.031, -0.004, -0.0001, 0.0].map(points),
            ["+3.1", "\u{2212}0.4", "0.0", "0.0"]
        );
        assert_eq!(points_interval(Interval { low: -0.002, high: 0.064 }), "[\u{2212}0.2, +6.4]");
        assert_eq!(
            [0.0, 0.00099, 0.001, 0.0344, 0.0996, 0.27, 1.0].map(p),
            ["<0.001", "<0.001", "0.001", "0.034", "0.10", "0.27", "1.00"]
        );
        assert_eq!(p_phrase("adjusted p", 0.0), "adjusted p < 0.001");
        assert_eq!([0.95, 0.975].map(level), ["95%", "97.5%"]);
        assert_eq!(
            [1250.4, 12.49, 0.01249, -0.0001, 0.0, 3e-9].map(significant),
            ["1250", "12.5", "0.0125", "\u{2212}0.000100", "0", "0"]
        );
        assert_eq!([-20.0, 0.1 * 3.0, 0.0].map(tick), ["\u{2212}20", "0.3", "0"]);
        assert_eq!(count(3, "set of latents"), "3 sets of latents");
        assert_eq!(
            ["class", "image", "family", "analysis"].map(|name| count(2, name)),
            ["2 classes", "2 images", "2 families", "2 analyses"]
        );
    }
}
