//! diffusers' `config.json`: the keys that this room implements, and a refusal of the others unless
//! they say nothing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

/// Why a `config.json` cannot be followed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum ConfigError {
    /// It is not JSON, or not with these keys.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It belongs to another class of diffusers.
    #[error("it is of a {found}, not of a {expected}")]
    OtherClass { expected: &'static str, found: String },
    /// A key has a value that is not implemented.
    #[error("{key} = {value} is not supported{hint}")]
    Unsupported { key: String, value: Value, hint: &'static str },
    /// The noise schedule is not implemented.
    #[error("{0}")]
    Scheduler(String),
    /// The scheduler is of a class whose keys are not known.
    #[error("it is of a {found}; schedules are read from those of {known}")]
    UnknownScheduler { found: String, known: String },
    /// Two keys contradict each other.
    #[error("{0}")]
    Inconsistent(String),
}

impl From<ConfigError> for candle_core::Error {
    fn from(error: ConfigError) -> Self {
        candle_core::Error::wrap(error)
    }
}

/// A number for all levels, or one a level from the first on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerLevel {
    /// The same number for every level.
    All(usize),
    /// A number for each level.
    Each(Vec<usize>),
}

impl PerLevel {
    /// The numbers of `levels` levels.
    ///
    /// # Errors
    /// If there are not as many numbers as levels.
    pub fn resolve(&self, key: &str, levels: usize) -> Result<Vec<usize>, ConfigError> {
        match self {
            Self::All(value) => Ok(vec![*value; levels]),
            Self::Each(values) if values.len() == levels => Ok(values.clone()),
            Self::Each(values) => Err(ConfigError::Inconsistent(format!(
                "{key} has {} values for {levels} levels",
                values.len()
            ))),
        }
    }
}

/// The activations that diffusers' `act_fn` may name here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActFn {
    /// `x * sigmoid(x)`.
    #[serde(alias = "swish")]
    Silu,
}

/// What diffusers' `EMAModel` adds to the configuration of the model that it keeps.
const OF_EMA: [&str; 7] = [
    "decay",
    "inv_gamma",
    "min_decay",
    "optimization_step",
    "power",
    "update_after_step",
    "use_ema_warmup",
];

/// Reads the configuration of a `class`. Keys that `C` doesn't have must be bookkeeping (a leading
/// underscore, or an average's), have one of the values that `neutral` gives them, or, where it
/// gives none, be null or false. A null of one of `C`'s own keys is as if it were not there.
///
/// # Errors
/// If it is not JSON, is of another class, or has a key that is not supported.
pub fn read<C: Serialize + DeserializeOwned>(
    json: &str,
    class: &'static str,
    neutral: &[(&str, Value)],
) -> Result<C, ConfigError> {
    let keys: Map<String, Value> = serde_json::from_str(json)?;
    if let Some(found) = keys.get("_class_name").filter(|found| *found != class) {
        return Err(ConfigError::OtherClass { expected: class, found: found.to_string() });
    }
    let said = keys.iter().filter(|(_, value)| !value.is_null());
    let said = said.map(|(key, value)| (key.clone(), value.clone())).collect();
    let config: C = serde_json::from_value(Value::Object(said))?;
    let known = serde_json::to_value(&config)?;
    for (key, value) in keys {
        let mut allowed = neutral.iter().filter(|(other, _)| *other == key).peekable();
        let harmless = match allowed.peek() {
            None => value.is_null() || value == Value::Bool(false),
            Some(_) => allowed.any(|(_, allowed)| is_same(allowed, &value)),
        };
        let bookkeeping = key.starts_with('_') || OF_EMA.contains(&key.as_str());
        if !bookkeeping && known.get(&key).is_none() && !harmless {
            return Err(ConfigError::Unsupported { key, value, hint: "" });
        }
    }
    Ok(config)
}

/// Whether two values are equal, numbers by what they are and not by how they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

/// diffusers' `sample_size`: a side, or a height and an equal width.
///
/// # Errors
/// If it is neither, or the sides differ.
pub fn side<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Side {
        Both(usize),
        Each([usize; 2]),
    }
    match Side::deserialize(from)? {
        Side::Both(side) => Ok(side),
        Side::Each([height, width]) if height == width => Ok(height),
        Side::Each([height, width]) => {
            let said = format!("sample_size is {height} x {width}; models of squares are read");
            Err(serde::de::Error::custom(said))
        }
    }
}

/// Whether a side is not said.
pub fn is_unsaid(side: &usize) -> bool {
    *side == 0
}

/// Writes `config` as diffusers does, with the name of its `class`.
pub fn write<C: Serialize>(config: &C, class: &str) -> String {
    let mut keys = json!({ "_class_name": class });
    if let (Value::Object(keys), Ok(Value::Object(own))) = (&mut keys, serde_json::to_value(config))
    {
        keys.extend(own);
    }
    format!("{keys:#}\n")
}
