//! The layers of a study are read, lowest first: the files that it extends, the file itself, each
//! `--set`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use toml_edit::{Document, Item, Key, Value};

use super::error::{Place, Problem, StudyError};
use super::keys::{self, Known};
use super::layer::{Layer, Origin};
use crate::regular;

/// Bytes that a study file may have.
const LARGEST: u64 = 4 << 20;

/// The file at `path` preceded by all that it extends, however far that goes.
///
/// The key `extends` stays in the documents; the caller passes over it.
pub(super) fn files(path: &Path) -> Result<Vec<Layer>, StudyError> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut seen = HashSet::new();
    let mut chain: Vec<PathBuf> = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let read = |source| StudyError::Read {
            path: path.clone(),
            extended_by: chain.last().cloned(),
            source,
        };
        let real = path.canonicalize().map_err(read)?;
        let text = regular::read_text(&path, LARGEST).map_err(read)?;
        chain.push(path.clone());
        if !seen.insert(real) {
            return Err(StudyError::Cycle(chain));
        }
        let layer = parse(&path, text)?;
        next = find_extended(&layer, &path)?;
        layers.push(layer);
    }
    layers.reverse();
    Ok(layers)
}

/// A document from `text`, a syntax error placed by line and column.
fn parse(path: &Path, text: String) -> Result<Layer, StudyError> {
    match Document::parse(text.clone()) {
        Ok(document) => Ok(Layer { origin: Origin::File(path.to_owned()), document }),
        Err(error) => {
            let place = Place::in_text(path, &text, error.span().map_or(0, |span| span.start));
            let message = format!("not TOML: {}", one_line(error.message()));
            Err(StudyError::Invalid(vec![Problem { place, message }]))
        }
    }
}

/// The file that a layer's `extends` names, relative to the layer's own file.
fn find_extended(layer: &Layer, path: &Path) -> Result<Option<PathBuf>, StudyError> {
    match layer.document.get(keys::EXTENDS) {
        None => Ok(None),
        Some(item) => match item.as_str() {
            Some(name) => Ok(Some(path.parent().unwrap_or(Path::new("")).join(name))),
            None => Err(layer.problem(
                item.span(),
                format!("`extends` is {}; a file's name is expected", keys::kind(item)),
            )),
        },
    }
}

/// The layer of one `--set key=value`.
///
/// The value is written as in TOML; where the study has a string, quotes may be left out.
pub(super) fn assignment(text: &str, known: &Known) -> Result<Layer, StudyError> {
    let origin = Origin::Set(text.to_owned());
    let refuse = |message: String| {
        StudyError::Invalid(vec![Problem {
            place: Place::Set { assignment: text.to_owned() },
            message,
        }])
    };
    let (path, written) =
        text.split_once('=').ok_or_else(|| refuse("key=value is expected".into()))?;
    let path = Key::parse(path).map_err(|_| refuse(format!("`{}` is not a key", path.trim())))?;
    let written = written.trim();
    let names: Vec<&str> = path.iter().map(Key::get).collect();
    let value = match (written.parse::<Value>(), known.get(&names)) {
        (Ok(value), Some(Item::Value(Value::String(_)))) if value.is_str() => value,
        (_, Some(Item::Value(Value::String(_)))) => Value::from(written),
        (Ok(value), _) => value,
        (Err(error), _)
            if written.starts_with(['[', '{', '"', '\'']) || written.parse::<u128>().is_ok() =>
        {
            return Err(refuse(format!(
                "`{written}` is not a TOML value: {}",
                one_line(error.message())
            )));
        }
        (Err(_), _) => Value::from(written),
    };
    let line = format!("{} = {}\n", keys::dotted(&names), value.to_string().trim());
    let document = Document::parse(line).map_err(|error| refuse(one_line(error.message())))?;
    Ok(Layer { origin, document })
}

fn one_line(message: &str) -> String {
    let overflow = "integer number overflowed";
    message
        .trim()
        .replace('\n', "; ")
        .replace(overflow, &format!("{overflow}; the largest is 2^63 - 1"))
}
