//! What can be wrong with the annotations of a set.

use std::path::PathBuf;

/// What is wrong with a set's annotations. `place` is a row's: table and line, or a shard's member.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A set that needs a table of annotations has none.
    #[error("the set has no table of annotations")]
    NoAnnotations,
    /// A table is not valid CSV, such as one with a row longer than its header.
    #[error("`{table}` is not a CSV file: {cause}")]
    Csv {
        /// The table's name.
        table: String,
        /// The reader's error.
        cause: csv::Error,
    },
    /// A table is neither UTF-8 nor UTF-16 with a byte order mark.
    #[error("`{table}` is not text in UTF-8 or UTF-16: save it as CSV in UTF-8")]
    Text {
        /// The table's name.
        table: String,
    },
    /// A line is not a JSON object, has a field twice, or has a field that is a list or an object.
    #[error("{place}: not a JSON object of plain values: {cause}")]
    Json {
        /// The table and the line.
        place: String,
        /// What is wrong with the line, in words.
        cause: String,
    },
    /// A table lacks a column that is required.
    #[error("`{table}` has no column `{column}`; it has {columns}")]
    Column {
        /// The table's name.
        table: String,
        /// The name of the missing column.
        column: String,
        /// The names of the table's columns, joined by commas.
        columns: String,
    },
    /// Two columns of a table have the same name.
    #[error("`{table}` has two columns called `{column}`: rename one")]
    SameColumn {
        /// The table's name.
        table: String,
        /// The name of both columns.
        column: String,
    },
    /// Two columns of a table have the same meaning.
    #[error(
        "`{table}` has the columns `{first}` and `{second}`, which both say the {meaning}: list the one that does not count in \
         images.ignored_columns"
    )]
    SameMeaning {
        /// The table's name.
        table: String,
        /// The name of one column.
        first: String,
        /// The name of the other column.
        second: String,
        /// The meaning of both, by its name in messages, such as `patient`.
        meaning: &'static str,
    },
    /// A table has columns that are not read and that the study does not ignore.
    #[error(
        "columns of `{table}` are not read: {columns}. Rename them, or leave them out with images.ignored_columns = [{list}]"
    )]
    UnreadColumns {
        /// The table's name.
        table: String,
        /// The columns' names, each with the known name nearest to it, if any is near.
        columns: String,
        /// The same names, quoted and joined by commas for `images.ignored_columns`.
        list: String,
    },
    /// A table has a header and nothing below it.
    #[error("`{table}` has a header and no row")]
    NoRows {
        /// The table's name.
        table: String,
    },
    /// A cell holds a value that its column can't have.
    #[error("{place}: `{column}` is {value:?}; {expected} expected")]
    Value {
        /// Where the row is.
        place: String,
        /// The column's name.
        column: String,
        /// The value of the cell.
        value: String,
        /// The values that the column can have, in words.
        expected: String,
    },
    /// Two rows of a table are about the same picture.
    #[error("{place}: `{id}` is there already, on {first}")]
    Twice {
        /// Where the second row is.
        place: String,
        /// The picture's id, or its file.
        id: String,
        /// Where the first row is, without the table's name.
        first: String,
    },
    /// A list names a picture that the annotations do not have.
    #[error("{place}: `{id}` is not in `{annotations}`")]
    NotAnnotated {
        /// Where the list's row is.
        place: String,
        /// The picture's id.
        id: String,
        /// The name of the table of annotations.
        annotations: String,
    },
    /// A list gives a picture another label than the annotations do.
    #[error("{place}: `{id}` is a {} here and a {} in `{annotations}`", .labels[0], .labels[1])]
    OtherLabel {
        /// Where the list's row is.
        place: String,
        /// The picture's id.
        id: String,
        /// The label in the list, then the label in the annotations.
        labels: Box<[String; 2]>,
        /// The name of the table of annotations.
        annotations: String,
    },
    /// A picture is in the training list and in the held-out list.
    #[error("{place}: `{id}` is in the held-out list `{held_out}` too")]
    InBoth {
        /// Where the training list's row is.
        place: String,
        /// The picture's id.
        id: String,
        /// The name of the held-out list.
        held_out: String,
    },
    /// A record of a shard has no label.
    #[error(
        "{place}: there is no label: a field `label` of the record, or a member that ends in .cls"
    )]
    NoLabel {
        /// The shard and the member of the picture.
        place: String,
    },
    /// A folder can't be read.
    #[error("`{}` can't be read: {cause}", .path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// The name of a file or folder is not UTF-8.
    #[error("`{}`: the name is not UTF-8", .path.display())]
    Name {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder without a table of labels has no picture in a folder of a class.
    #[error(
        "`{}` has no folder of pictures: one for each class expected, or train, val and test with those, or a table in \
         images.annotations that has the columns file and label{hint}", .path.display()
    )]
    NoClasses {
        /// The set's folder.
        path: PathBuf,
        /// An addition to the message that names a table in the folder; may be empty.
        hint: String,
    },
    /// Pictures of the study's classes lie deeper than in a folder for each class.
    #[error(
        "{count} pictures lie deeper than in a folder for each class, such as `{file}`: move them up, or name them in a table with the \
         columns file, label and patient (images.annotations)"
    )]
    Deeper {
        /// How many pictures lie deeper.
        count: usize,
        /// One of them, relative to the set's folder.
        file: String,
    },
    /// A folder that is divided into parts has pictures in other folders too.
    #[error(
        "`{}` has the parts {parts} and pictures beside them: {beside}. Move them into the parts or out of the folder, or name all \
         pictures in a table with the columns file, label and part (images.annotations)", .path.display()
    )]
    BesideParts {
        /// The set's folder.
        path: PathBuf,
        /// The folders of the parts, joined by commas.
        parts: String,
        /// The other folders with their numbers of pictures, joined by commas.
        beside: String,
    },
    /// Two files would have the same id.
    #[error("`{first}` and `{second}` would have the one id `{id}`: rename one")]
    OneId {
        /// One file.
        first: String,
        /// The other file.
        second: String,
        /// The id that both would have.
        id: String,
    },
    /// A row names a picture that is not there, and neither row nor path says its class.
    #[error("{place}: there is no picture `{file}` in the folder, and nothing says its class")]
    NoFile {
        /// Where the row is.
        place: String,
        /// The file that the row names.
        file: String,
    },
    /// The file that a row names may be any of several pictures.
    #[error("{place}: `{file}` may be any of {found}: write the path from the set's folder")]
    ManyFiles {
        /// Where the row is.
        place: String,
        /// The name in the row.
        file: String,
        /// The first few of the pictures, joined by commas.
        found: String,
    },
    /// A patient has pictures in more than one part of the set.
    #[error(
        "patient `{patient}` has pictures in more than one part, such as `{first}` and `{second}`: a patient may be in one only"
    )]
    Patient {
        /// The patient's name.
        patient: String,
        /// A picture in one part.
        first: String,
        /// A picture in another part.
        second: String,
    },
    /// `images.exclude` has ids that no picture has.
    #[error(
        "images.exclude: {count} of its ids are of no picture of the set: {ids}. An id is the path from the set's folder without its ending, `-` \
         for each `/` and `.`, or the key of a shard's members"
    )]
    NoSuchId {
        /// How many of the ids no picture has.
        count: usize,
        /// The first five of them, and how many more there are.
        ids: String,
    },
    /// The study asks for a class of which the set has no picture.
    #[error(
        "images.classes has `{class}`, and no picture is of that class{nearest}; the set has {known}"
    )]
    Class {
        /// The class.
        class: String,
        /// An addition to the message that names the most similar class; may be empty.
        nearest: String,
        /// The first twelve classes of the set, and how many more there are.
        known: String,
    },
}
