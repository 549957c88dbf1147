//! What can be wrong with the annotations of a set.

use std::path::PathBuf;

/// What is wrong with a set's annotations. `place` is a row's: table and line, or a shard's member.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("the set has no table of annotations")]
    NoAnnotations,
    #[error("`{table}` is not a CSV file: {cause}")]
    Csv { table: String, cause: csv::Error },
    #[error("`{table}` is not text in UTF-8 or UTF-16: save it as CSV in UTF-8")]
    Text { table: String },
    #[error("{place}: not a JSON object of plain values: {cause}")]
    Json { place: String, cause: String },
    #[error("`{table}` has no column `{column}`; it has {columns}")]
    Column { table: String, column: String, columns: String },
    #[error("`{table}` has two columns called `{column}`: rename one")]
    SameColumn { table: String, column: String },
    #[error(
        "`{table}` has the columns `{first}` and `{second}`, which both say the {meaning}: list the one that does not count in \
         images.ignored_columns"
    )]
    SameMeaning { table: String, first: String, second: String, meaning: &'static str },
    #[error(
        "columns of `{table}` are not read: {columns}. Rename them, or leave them out with images.ignored_columns = [{list}]"
    )]
    UnreadColumns { table: String, columns: String, list: String },
    #[error("`{table}` has a header and no row")]
    NoRows { table: String },
    #[error("{place}: `{column}` is {value:?}; {expected} expected")]
    Value { place: String, column: String, value: String, expected: &'static str },
    #[error("{place}: `{id}` is there already, on {first}")]
    Twice { place: String, id: String, first: String },
    #[error("{place}: `{id}` is not in `{annotations}`")]
    NotAnnotated { place: String, id: String, annotations: String },
    #[error("{place}: `{id}` is a {} here and a {} in `{annotations}`", .labels[0], .labels[1])]
    OtherLabel { place: String, id: String, labels: Box<[String; 2]>, annotations: String },
    #[error("{place}: `{id}` is in the held-out list `{held_out}` too")]
    InBoth { place: String, id: String, held_out: String },
    #[error(
        "{place}: there is no label: a field `label` of the record, or a member that ends in .cls"
    )]
    NoLabel { place: String },
    #[error("`{}` can't be read: {cause}", .path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("`{}`: the name is not UTF-8", .path.display())]
    Name { path: PathBuf },
    #[error(
        "`{}` has no folder of pictures: one for each class expected, or train, val and test with those, or a table in \
         images.annotations that has the columns file and label{hint}", .path.display()
    )]
    NoClasses { path: PathBuf, hint: String },
    #[error(
        "{count} pictures lie deeper than in a folder for each class, such as `{file}`: move them up, or name them in a table with the \
         columns file, label and patient (images.annotations)"
    )]
    Deeper { count: usize, file: String },
    #[error(
        "`{}` has the parts {parts} and pictures beside them: {beside}. Move them into the parts or out of the folder, or name all \
         pictures in a table with the columns file, label and part (images.annotations)", .path.display()
    )]
    BesideParts { path: PathBuf, parts: String, beside: String },
    #[error("`{first}` and `{second}` would have the one id `{id}`: rename one")]
    OneId { first: String, second: String, id: String },
    #[error("{place}: there is no picture `{file}` in the folder, and nothing says its class")]
    NoFile { place: String, file: String },
    #[error("{place}: `{file}` may be any of {found}: write the path from the set's folder")]
    ManyFiles { place: String, file: String, found: String },
    #[error(
        "patient `{patient}` has pictures in more than one part, such as `{first}` and `{second}`: a patient may be in one only"
    )]
    Patient { patient: String, first: String, second: String },
    #[error(
        "images.exclude: {count} of its ids are of no picture of the set: {ids}. An id is the path from the set's folder without its ending, `-` \
         for each `/` and `.`, or the key of a shard's members"
    )]
    NoSuchId { count: usize, ids: String },
    #[error(
        "images.classes has `{class}`, and no picture is of that class{nearest}; the set has {known}"
    )]
    Class { class: String, nearest: String, known: String },
}
