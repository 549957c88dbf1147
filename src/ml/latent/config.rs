//! diffusers' `config.json`: the keys that this room implements, and a refusal of the others unless
//! they say nothing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Why a `config.json` cannot be followed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum ConfigError {
    /// It is not JSON, or not with these keys.
    #[error("config.json: {0}")]
    Json(#[from] serde_json::Error),
    /// It belongs to another class of diffusers.
    #[error("config.json is of a {found}, not of a {expected}")]
    OtherClass { expected: &'static str, found: String },
    /// A key has a value that is not implemented.
    #[error("config.json: {key} = {value} is not supported")]
    Unsupported { key: String, value: Value },
    /// The noise schedule is not implemented.
    #[error("scheduler_config.json: {0}")]
    Scheduler(String),
    /// The scheduler is of a class whose keys are not known.
    #[error("it is of a {found}; schedules are read from those of {known}")]
    UnknownScheduler { found: String, known: String },
    /// Two keys contradict each other.
    #[error("config: {0}")]
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

/// Reads the configuration of a `class`. Keys that `C` doesn't have must be null, false,
/// bookkeeping (a leading underscore) or as in `neutral`.
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
    let config: C = serde_json::from_value(Value::Object(keys.clone()))?;
    let known = serde_json::to_value(&config)?;
    for (key, value) in keys {
        let harmless = value.is_null()
            || value == Value::Bool(false)
            || neutral.iter().any(|(k, v)| *k == key && *v == value);
        if !key.starts_with('_') && known.get(&key).is_none() && !harmless {
            return Err(ConfigError::Unsupported { key, value });
        }
    }
    Ok(config)
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
