//! Broken rules as they are found, and what many rules have in common.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;
use toml_edit::ser::ValueSerializer;

use super::super::keys::Said;

/// The largest count of anything in a study.
const MOST: usize = 10_000_000;

pub struct Rules<'a> {
    pub said: &'a Said,
    pub broken: Vec<(String, String)>,
}

impl Rules<'_> {
    pub fn require(
        &mut self,
        holds: bool,
        key: &str,
        value: impl Serialize,
        allowed: impl Display,
    ) {
        if !holds {
            self.refuse(key, format!("`{key}` is {}; allowed: {allowed}", to_toml(&value)));
        }
    }

    pub fn refuse(&mut self, key: &str, message: String) {
        self.broken.push((key.to_owned(), message));
    }

    /// A name of the study's own, which becomes part of labels, paths and anchors.
    pub fn plain_name(&mut self, key: &str, name: &str, whose: &str) {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if name.is_empty() || !plain {
            self.refuse(key, format!("`{key}`: {whose} name is made of a to z, 0 to 9 and -"));
        }
    }

    pub fn counts(&mut self, table: &str, counts: &[(&str, usize)]) {
        for (name, count) in counts {
            self.require(*count >= 1, &join(table, name), count, "1 or more");
            self.bounded(&join(table, name), *count);
        }
    }

    /// A count that a study can mean: what is made by it is laid out in memory.
    fn bounded(&mut self, key: &str, count: usize) {
        self.require(count <= MOST, key, count, format!("{MOST} at most"));
    }

    /// A batch that is trained in two halves side by side.
    pub fn halves(&mut self, key: &str, batch: usize) {
        self.require(
            batch >= 2 && batch.is_multiple_of(2),
            key,
            batch,
            "an even number, 2 or more (its halves are trained side by side)",
        );
    }

    pub fn positive(&mut self, table: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.require(
                *value > 0.0 && value.is_finite(),
                &join(table, name),
                value,
                "more than 0",
            );
        }
    }

    pub fn not_negative(&mut self, table: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.require(
                *value >= 0.0 && value.is_finite(),
                &join(table, name),
                value,
                "0 or more",
            );
        }
    }

    pub fn probabilities(&mut self, table: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.require(
                (0.0..=1.0).contains(value),
                &join(table, name),
                value,
                "a probability, 0 to 1",
            );
        }
    }

    pub fn below_one(&mut self, table: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.require(
                (0.0..1.0).contains(value),
                &join(table, name),
                value,
                "0 or more, less than 1",
            );
        }
    }

    pub fn range(&mut self, key: &str, [least, most]: [f64; 2], from: f64, to: f64, allowed: &str) {
        self.require(from <= least && least <= most && most <= to, key, [least, most], allowed);
    }

    pub fn unique<T: Ord + Serialize>(&mut self, key: &str, values: &[T]) {
        let mut seen = BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(*value)) {
            self.refuse(
                key,
                format!("`{key}` has {} twice; each value may stand once", to_toml(twice)),
            );
        }
    }

    /// A list that is swept over: something in it and nothing twice.
    pub fn sweep<T: Ord + Serialize>(&mut self, key: &str, values: &[T]) {
        self.require(!values.is_empty(), key, values, "one value or more");
        self.unique(key, values);
    }

    pub fn counts_sweep(&mut self, key: &str, values: &[usize], allowed: &str) {
        self.sweep(key, values);
        self.require(values.iter().all(|value| *value >= 1), key, values, allowed);
        let most = values.iter().copied().max().unwrap_or(0);
        self.bounded(key, most);
    }
}

/// A value as a study file writes it.
pub fn to_toml(value: &impl Serialize) -> String {
    value
        .serialize(ValueSerializer::new())
        .map_or_else(|error| error.to_string(), |value| value.to_string())
}

pub fn join(table: &str, name: &str) -> String {
    format!("{table}.{name}")
}
