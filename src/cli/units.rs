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

/// An amount of memory as people write it: `20G`, `1.5GB`, `512MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl std::str::FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_size = || format!("`{text}` is no amount of memory: 20G, 1.5GB or 512MiB expected");
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number = number.parse::<f64>().map_err(|_| no_size())?;
        let (letter, rest) = unit.split_at_checked(1).ok_or_else(no_size)?;
        let power =
            ["K", "M", "G", "T"].iter().position(|known| letter.eq_ignore_ascii_case(known));
        let power = power.ok_or_else(no_size)? as i32 + 1;
        let thousand: f64 = match rest {
            "" | "B" | "b" => 1000.0,
            "iB" | "ib" => 1024.0,
            _ => return Err(no_size()),
        };
        let bytes = number * thousand.powi(power);
        if bytes >= 1.0 { Ok(Self(bytes as u64)) } else { Err(no_size()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let said: Vec<String> = [0.04, 9.4, 75.0, 3599.6, 7260.0].map(duration).into();
        assert_eq!(said, ["0.0 s", "9.4 s", "75 s", "60 min 00 s", "2 h 01 min"]);
    }

    #[test]
    fn amounts_of_memory_are_read_with_their_unit() {
        let read = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0).ok();
        let read =
            ["20G", "1.5gb", "2MiB", "20", "G", "-1G", "1.2.3G", "3 G", "0G", "1Gx"].map(read);
        let some = [Some(20_000_000_000), Some(1_500_000_000), Some(2 << 20)];
        assert_eq!(read, [&some[..], &[None; 7]].concat()[..]);
    }
}
