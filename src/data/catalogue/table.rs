//! Tables of annotations: CSV, tab-separated text, JSON lines, or the records of shards. Columns are
//! found by name, and a cell knows the place that it is written at.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::error::CatalogueError;
use super::{text, value};

/// A table, whole.
pub struct Table {
    name: String,
    columns: Vec<String>,
    rows: Vec<(Place, Vec<String>)>,
}

/// Where a row is written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A line of the table, from 1.
    Line(u64),
    /// A member of a shard.
    Member(String),
}

/// One row of a [`Table`].
#[derive(Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    at: usize,
}

/// A column of a [`Table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(usize);

impl Table {
    /// The table in a file's bytes: UTF-8 or UTF-16, with or without a byte order mark, lines ended
    /// in either way; JSON lines where it begins as such, else columns apart by comma, semicolon or
    /// tab, whichever its header has most of. `name` is for messages.
    ///
    /// # Errors
    /// If it is no such table, has no row, or has two columns of one name.
    pub fn read(bytes: &[u8], name: &str) -> Result<Self, CatalogueError> {
        let text =
            text::decoded(bytes).ok_or_else(|| CatalogueError::Text { table: name.to_owned() })?;
        let table = match text.trim_start().starts_with('{') {
            true => Self::json_lines(&text, name)?,
            false => Self::separated(&text, name)?,
        };
        if table.rows.is_empty() {
            return Err(CatalogueError::NoRows { table: name.to_owned() });
        }
        let mut seen = HashMap::new();
        for column in table.columns.iter().filter(|column| !column.is_empty()) {
            if seen.insert(column.as_str(), ()).is_some() {
                let (table, column) = (name.to_owned(), column.clone());
                return Err(CatalogueError::SameColumn { table, column });
            }
        }
        Ok(table)
    }

    fn separated(text: &str, name: &str) -> Result<Self, CatalogueError> {
        let failed = |cause| CatalogueError::Csv { table: name.to_owned(), cause };
        let mut reader =
            csv::ReaderBuilder::new().delimiter(text::delimiter(text)).from_reader(text.as_bytes());
        let columns = reader
            .headers()
            .map_err(failed)?
            .iter()
            .map(|column| value::nfc(column.trim()))
            .collect();
        let mut rows = Vec::new();
        let (mut line, mut counted) = (1, 0);
        let bytes = text.as_bytes();
        for row in reader.into_records() {
            let row = row.map_err(failed)?;
            // csv counts a line where \r ends one and begins the row before its \n.
            let mut start = row.position().map_or(0, |position| position.byte() as usize);
            start += usize::from(bytes.get(start) == Some(&b'\n'));
            line += bytes[counted..start].iter().filter(|&&byte| byte == b'\n').count() as u64;
            counted = start;
            let cells = row.iter().map(|cell| cell.trim().to_owned()).collect();
            rows.push((Place::Line(line), cells));
        }
        Ok(Self { name: name.to_owned(), columns, rows })
    }

    fn json_lines(text: &str, name: &str) -> Result<Self, CatalogueError> {
        let mut rows = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = Place::Line(at as u64 + 1);
            let failed = |cause| CatalogueError::Json { place: place.clone().of(name), cause };
            let fields =
                value::object(line.as_bytes()).map_err(|cause| failed(cause.to_string()))?;
            let mut cells = BTreeMap::new();
            for (field, content) in fields {
                let cell = value::cell(&content)
                    .ok_or_else(|| failed(format!("`{field}` is a list or an object")))?;
                cells.insert(field, cell);
            }
            rows.push((place, cells));
        }
        Ok(Self::of_cells(rows, name))
    }

    /// The records of shards: the member that each is written in, and its fields as cells.
    pub fn of_records(records: Vec<(String, BTreeMap<String, String>)>, name: &str) -> Self {
        let rows = records.into_iter().map(|(member, cells)| (Place::Member(member), cells));
        Self::of_cells(rows.collect(), name)
    }

    fn of_cells(rows: Vec<(Place, BTreeMap<String, String>)>, name: &str) -> Self {
        let mut columns = Vec::<String>::new();
        let mut places = HashMap::new();
        for field in rows.iter().flat_map(|(_, cells)| cells.keys()) {
            if !places.contains_key(field) {
                places.insert(field.clone(), columns.len());
                columns.push(field.clone());
            }
        }
        let row = |(place, cells): (Place, BTreeMap<String, String>)| {
            let mut row = vec![String::new(); columns.len()];
            for (field, cell) in cells {
                row[places[&field]] = cell;
            }
            (place, row)
        };
        let rows = rows.into_iter().map(row).collect();
        Self { name: name.to_owned(), columns, rows }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A column that has to be there.
    ///
    /// # Errors
    /// If it is not.
    pub fn column(&self, name: &str) -> Result<Column, CatalogueError> {
        self.find(name).ok_or_else(|| CatalogueError::Column {
            table: self.name.clone(),
            column: name.to_owned(),
            columns: self.columns.join(", "),
        })
    }

    /// A column that may be missing.
    pub fn find(&self, name: &str) -> Option<Column> {
        self.columns.iter().position(|column| column == name).map(Column)
    }

    /// Every column with its name.
    pub fn named(&self) -> impl Iterator<Item = (&str, Column)> {
        self.columns.iter().enumerate().map(|(at, name)| (name.as_str(), Column(at)))
    }

    /// The name of a column.
    pub fn name_of(&self, column: Column) -> &str {
        &self.columns[column.0]
    }

    /// The rows below the header.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|at| Row { table: self, at })
    }
}

impl Place {
    fn of(self, table: &str) -> String {
        match self {
            Self::Line(line) => format!("`{table}`, line {line}"),
            Self::Member(member) => format!("`{member}`"),
        }
    }
}

impl<'a> Row<'a> {
    /// Where it is written, for messages.
    pub fn place(&self) -> String {
        self.table.rows[self.at].0.clone().of(&self.table.name)
    }

    /// Where it is written, said without the table.
    fn short_place(&self) -> Cow<'a, str> {
        match &self.table.rows[self.at].0 {
            Place::Line(line) => format!("line {line}").into(),
            Place::Member(member) => member.as_str().into(),
        }
    }

    /// The cell, without the space around it.
    pub fn cell(&self, column: Column) -> &'a str {
        self.table.rows[self.at].1.get(column.0).map(String::as_str).unwrap_or_default()
    }

    /// What `read` makes of the cell, or the complaint that something else was expected.
    ///
    /// # Errors
    /// If it makes nothing of it.
    pub fn value<T>(
        &self,
        column: Column,
        expected: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, CatalogueError> {
        let cell = self.cell(column);
        read(cell).ok_or_else(|| CatalogueError::Value {
            place: self.place(),
            column: self.table.name_of(column).to_owned(),
            value: cell.to_owned(),
            expected: expected.to_owned(),
        })
    }

    /// A cell that says yes or no.
    ///
    /// # Errors
    /// If it says neither.
    pub fn flag(&self, column: Column) -> Result<bool, CatalogueError> {
        self.value(column, "true or false", value::flag)
    }

    /// A Fitzpatrick skin type; 0 is unknown.
    ///
    /// # Errors
    /// If it is none.
    pub fn skin_type(&self, column: Column) -> Result<u8, CatalogueError> {
        let expected = "a Fitzpatrick skin type, 1 to 6, or -1 for an unknown one,";
        self.value(column, expected, value::skin_type)
    }
}

/// Refuses an id that a table has twice.
#[derive(Default)]
pub(in crate::data) struct Lines(HashMap<String, String>);

impl Lines {
    pub(in crate::data) fn add(&mut self, row: &Row<'_>, id: &str) -> Result<(), CatalogueError> {
        match self.0.insert(id.to_owned(), row.short_place().into_owned()) {
            None => Ok(()),
            Some(first) => {
                Err(CatalogueError::Twice { place: row.place(), id: id.to_owned(), first })
            }
        }
    }
}
