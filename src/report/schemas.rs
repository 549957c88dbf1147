//! JSON Schemas of the report's JSON files, written beside them.

use super::render::File;

/// `data/<name>.schema.json` with its text, of each JSON file in `data/`.
const SCHEMAS: [(&str, &str); 3] = [
    ("data/lineage.schema.json", include_str!("schemas/lineage.json")),
    ("data/metrics.schema.json", include_str!("schemas/metrics.json")),
    ("data/numbers.schema.json", include_str!("schemas/numbers.json")),
];

pub(super) fn files() -> impl Iterator<Item = File> {
    SCHEMAS.iter().map(|(path, text)| File { path: (*path).into(), bytes: text.as_bytes().into() })
}

/// The JSON Schema of what is written of a type, not of what could be read.
#[cfg(test)]
pub fn schema<T: schemars::JsonSchema>() -> String {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::schema;
    use crate::report::lineage::Lineage;
    use crate::report::metrics::Metrics;
    use crate::report::numbers::Number;

    #[test]
    fn the_schemas_are_those_of_the_types() {
        expect_file!["schemas/lineage.json"].assert_eq(&schema::<Lineage>());
        expect_file!["schemas/metrics.json"].assert_eq(&schema::<Metrics<'_>>());
        expect_file!["schemas/numbers.json"].assert_eq(&schema::<Vec<Number>>());
    }
}
