//! Times, sizes and speeds as people say them.

/// Seconds as people say them.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..120 => format!("{whole} s"),
        120..7200 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes as people say them.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Units a second, with two digits that count.
pub(super) fn speed(rate: f64, unit: &str) -> String {
    if rate >= 10.0 { format!("{rate:.0} {unit}/s") } else { format!("{rate:.1} {unit}/s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let said: Vec<String> = [0.04, 9.4, 75.0, 3599.6, 7260.0].map(duration).into();
        assert_eq!(said, ["0.0 s", "9.4 s", "75 s", "60 min 00 s", "2 h 01 min"]);
    }
}
