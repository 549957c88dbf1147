//! JSON Schemas, for editors and for programs that read what commands print.

use crate::cli::args::Described;

/// The text of a schema.
pub fn text(of: Described) -> &'static str {
    match of {
        Described::Study => include_str!("../../../experiments/study.schema.json"),
        Described::Plan => include_str!("schemas/plan.json"),
        Described::Status => include_str!("schemas/status.json"),
        Described::Show => include_str!("schemas/show.json"),
        Described::Why => include_str!("schemas/why.json"),
        Described::Runs => include_str!("schemas/runs.json"),
        Described::Trace => include_str!("schemas/trace.json"),
        Described::Diff => include_str!("schemas/diff.json"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use crate::cli::diff::Difference;
    use crate::cli::inspect::plan::Planned;
    use crate::cli::inspect::show::Shown;
    use crate::cli::inspect::status::Counted;
    use crate::cli::inspect::why::Explained;
    use crate::cli::results::Run;
    use crate::cli::trace::Traced;
    use crate::report::schema;

    #[test]
    fn the_schemas_are_those_of_the_types() {
        expect_file!["schemas/plan.json"].assert_eq(&schema::<Planned>());
        expect_file!["schemas/status.json"].assert_eq(&schema::<Counted>());
        expect_file!["schemas/show.json"].assert_eq(&schema::<Shown>());
        expect_file!["schemas/why.json"].assert_eq(&schema::<Explained>());
        expect_file!["schemas/runs.json"].assert_eq(&schema::<Vec<Run>>());
        expect_file!["schemas/trace.json"].assert_eq(&schema::<Traced>());
        expect_file!["schemas/diff.json"].assert_eq(&schema::<Difference>());
    }
}
