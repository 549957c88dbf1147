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

/// Milliseconds since the Unix epoch as date and time, UTC.
pub(super) fn date(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    // Days since 1 March of the year 0, so that a leap day ends a year: Howard Hinnant's
    // `civil_from_days`.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
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
    fn durations_and_dates_read_well() {
        let said: Vec<String> = [0.04, 9.4, 75.0, 3599.6, 7260.0].map(duration).into();
        assert_eq!(said, ["0.0 s", "9.4 s", "75 s", "60 min 00 s", "2 h 01 min"]);
        let seconds = [0, 951_782_400, 951_868_799, 1_764_358_757, 4_107_542_400, u64::MAX / 1000];
        let dates: Vec<String> = seconds.map(|seconds| date(seconds * 1000)).into();
        expect_test::expect![[r#"
            1970-01-01 00:00:00 UTC
            2000-02-29 00:00:00 UTC
            2000-02-29 23:59:59 UTC
            2025-11-28 19:39:17 UTC
            2100-03-01 00:00:00 UTC
            584556019-04-03 14:25:51 UTC"#]]
        .assert_eq(&dates.join("\n"));
    }
}
