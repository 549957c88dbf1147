//! The GPUs that a run's tasks may have, one at a time each.

use crate::exec::machine;

/// The variable by which CUDA is told which GPUs a process sees.
pub(super) const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// GPUs as CUDA_VISIBLE_DEVICES names them: by index, or by UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpus(pub Vec<String>);

impl std::str::FromStr for Gpus {
    type Err = String;

    /// Reads a list such as `0,2-3`.
    fn from_str(list: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in list.split(',').map(str::trim) {
            let numbers = match part.split_once('-') {
                Some((first, last)) => first.parse().ok().zip(last.parse().ok()),
                None => part.parse::<u16>().ok().map(|only| (only, only)),
            };
            match numbers {
                Some((first, last)) if first <= last => {
                    all.extend((first..=last).map(|number| number.to_string()));
                }
                None if part.starts_with("GPU-") || part.starts_with("MIG-") => {
                    all.push(part.to_owned());
                }
                _ => return Err(format!("`{part}` is no GPU: 0, 2-3 or GPU-<UUID> expected")),
            }
        }
        for (at, gpu) in all.iter().enumerate() {
            if all[..at].contains(gpu) {
                return Err(format!("GPU {gpu} is named twice"));
            }
        }
        Ok(Self(all))
    }
}

impl Gpus {
    /// Those that CUDA_VISIBLE_DEVICES leaves, or all that the driver shows where it is not set.
    /// Empty: CUDA decides.
    pub fn visible() -> Self {
        match std::env::var(VISIBLE) {
            Ok(list) => Self::left_by(&list),
            Err(_) => Self((0..machine::gpus()).map(|number| number.to_string()).collect()),
        }
    }

    /// As CUDA reads the variable: what follows an entry that is none does not count.
    fn left_by(list: &str) -> Self {
        let entries = list.split(',').map(str::trim);
        let valid = entries.take_while(|entry| !entry.is_empty() && !entry.starts_with('-'));
        Self(valid.map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_listed_by_index_range_or_uuid() {
        let read = |list: &str| list.parse::<Gpus>().map(|gpus| gpus.0.join(" "));
        assert_eq!(read("0,2-3").as_deref(), Ok("0 2 3"));
        assert_eq!(read("GPU-8932f937, 1").as_deref(), Ok("GPU-8932f937 1"));
        for (list, error) in [
            ("", "`` is no GPU"),
            ("3-2", "`3-2` is no GPU"),
            ("one", "`one` is no GPU"),
            ("-1", "`-1` is no GPU"),
            ("0,0-1", "GPU 0 is named twice"),
        ] {
            assert!(read(list).unwrap_err().starts_with(error), "{list}");
        }
        assert_eq!(Gpus::left_by("1,0").0, ["1", "0"]);
        assert_eq!(Gpus::left_by("1,-1,0").0, ["1"]);
        assert!(Gpus::left_by("").0.is_empty());
    }
}
