//! The records of samples: titrate's own form, and whatever others write.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::data::catalogue::value;
use crate::data::{Item, Synthetic};

/// The JSON member. Everything but the label may be missing from shards that others wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The item's id; empty where the record has none.
    #[serde(default)]
    pub id: String,
    /// The class.
    pub label: String,
    /// As [`Item::fst`]; 0 where the record has none.
    #[serde(default)]
    pub fst: u8,
    /// Whether the condition is malignant, where the record says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malignant: Option<bool>,
    /// Absent where it is empty, so that shards of sets without patients are the bytes they were
    /// before there were any.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "patient")]
    pub patient: String,
    /// A sentence that describes the image; may be empty.
    #[serde(default)]
    pub caption: String,
    /// The set that the image comes from; may be empty.
    #[serde(default)]
    pub source: String,
}

/// A patient's name or number as text, without the space around it, as from a table.
fn patient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(D::Error::custom(format!("`patient` is {other}; text or a number expected"))),
    }
}

pub(super) fn record_json(item: &Item) -> Result<Vec<u8>, serde_json::Error> {
    let Item { id, label, fst, malignant, patient, caption, source, synthetic, .. } = item.clone();
    let mut record =
        serde_json::to_value(Record { id, label, fst, malignant, patient, caption, source })?;
    if let (Value::Object(record), Some(synthetic)) = (&mut record, synthetic)
        && let Value::Object(generated) = serde_json::to_value(synthetic)?
    {
        record.extend(generated);
    }
    serde_json::to_vec(&record)
}

/// What the members of a sample beside the picture say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub(super) Map<String, Value>);

impl Fields {
    /// The JSON of a member, with or without a byte order mark.
    pub(super) fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        Ok(Self(value::object(json)?))
    }

    /// Adds a field that another member says, unless the JSON says it.
    pub(super) fn add(&mut self, field: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text).trim().to_owned();
        self.0.entry(field).or_insert(Value::String(text));
    }

    /// The record as titrate writes it.
    ///
    /// # Errors
    /// If it lacks a label, or a field is of another type.
    pub fn record(&self) -> Result<Record, serde_json::Error> {
        Record::deserialize(&self.0)
    }

    /// How a generated picture was made: of records that name the source, the method and a number.
    ///
    /// # Errors
    /// If one of them is of another type.
    pub fn synthetic(&self) -> Result<Option<Synthetic>, serde_json::Error> {
        let is_generated =
            ["md5hash", "method", "generation_num"].iter().all(|field| self.0.contains_key(*field));
        is_generated.then(|| Synthetic::deserialize(&self.0)).transpose()
    }

    /// One field as a table's cell.
    pub fn cell(&self, field: &str) -> Option<String> {
        self.0.get(field).and_then(value::cell)
    }

    /// The fields as a table's cells; a list or an object as its JSON.
    pub fn cells(&self) -> BTreeMap<String, String> {
        let cell = |(field, content): (&String, &Value)| {
            (field.clone(), value::cell(content).unwrap_or_else(|| content.to_string()))
        };
        self.0.iter().map(cell).collect()
    }
}
