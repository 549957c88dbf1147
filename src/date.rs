//! Dates as people and machines read them.

/// Milliseconds since the Unix epoch as date and time, UTC.
pub fn date(unix_ms: u64) -> String {
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

/// The same in ISO 8601, to the second.
pub fn iso8601(unix_ms: u64) -> String {
    format!("{}+00:00", date(unix_ms).trim_end_matches(" UTC").replace(' ', "T"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_well() {
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
        assert_eq!(iso8601(951_868_799_000), "2000-02-29T23:59:59+00:00");
    }
}
