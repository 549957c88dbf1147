//! What can be wrong with the annotations of a set.

use std::path::PathBuf;

/// What is wrong with a set's annotations.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("the set has no table of annotations")]
    NoAnnotations,
    #[error("`{table}` is not a CSV file: {cause}")]
    Csv { table: String, cause: csv::Error },
    #[error("`{table}` has no column `{column}`; it has {columns}")]
    Column { table: String, column: String, columns: String },
    #[error("`{table}` has a header and no row")]
    NoRows { table: String },
    #[error("`{table}`, line {line}: `{column}` is {value:?}; {expected} expected")]
    Value { table: String, line: u64, column: String, value: String, expected: &'static str },
    #[error("`{table}`, line {line}: `{id}` is there already, on line {first}")]
    Twice { table: String, line: u64, id: String, first: u64 },
    #[error("`{table}`, line {line}: `{id}` is not in `{annotations}`")]
    NotAnnotated { table: String, line: u64, id: String, annotations: String },
    #[error("`{table}`, line {line}: `{id}` is a {} here and a {} in `{annotations}`", .labels[0], .labels[1])]
    OtherLabel {
        table: String,
        line: u64,
        id: String,
        labels: Box<[String; 2]>,
        annotations: String,
    },
    #[error("`{table}`, line {line}: `{id}` is in the held-out list `{held_out}` too")]
    InBoth { table: String, line: u64, id: String, held_out: String },
    #[error("`{}` can't be read: {cause}", .path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("`{}`: the name is not UTF-8", .path.display())]
    Name { path: PathBuf },
    #[error("`{}` has no folder of pictures: one for each class expected, or train, val and test with those", .path.display())]
    NoClasses { path: PathBuf },
    #[error("`{first}` and `{second}` would have the one id `{id}`: rename one")]
    OneId { first: String, second: String, id: String },
    #[error("`{table}`, line {line}: there is no picture `{file}` in the folder")]
    NoFile { table: String, line: u64, file: String },
    #[error(
        "patient `{patient}` has pictures in more than one part, such as `{first}` and `{second}`: a patient may be in one only"
    )]
    Patient { patient: String, first: String, second: String },
    #[error(
        "images.classes has `{class}`, and no picture is of that class{nearest}; the set has {known}"
    )]
    Class { class: String, nearest: String, known: String },
}
