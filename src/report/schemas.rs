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

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use schemars::generate::SchemaSettings;
    use schemars::{JsonSchema, Schema};

    use crate::report::lineage::Lineage;
    use crate::report::metrics::Metrics;
    use crate::report::numbers::Number;

    /// Of what is written, not of what could be read.
    fn schema<T: JsonSchema>() -> String {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let schema: Schema = settings.into_generator().into_root_schema_for::<T>();
        serde_json::to_string_pretty(&schema).unwrap() + "\n"
    }

    #[test]
    fn the_schemas_are_those_of_the_types() {
        expect_file!["schemas/lineage.json"].assert_eq(&schema::<Lineage>());
        expect_file!["schemas/metrics.json"].assert_eq(&schema::<Metrics<'_>>());
        expect_file!["schemas/numbers.json"].assert_eq(&schema::<Vec<Number>>());
    }
}
