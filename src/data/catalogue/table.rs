//! CSV tables with a header: columns by name, cells with the line that they are on.

use std::collections::HashMap;

use super::error::CatalogueError;

/// A table, whole.
pub struct Table {
    name: String,
    columns: Vec<String>,
    rows: Vec<(u64, csv::StringRecord)>,
}

/// One row of a [`Table`].
#[derive(Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    at: usize,
}

/// A column of a [`Table`].
#[derive(Clone, Copy)]
pub struct Column(usize);

impl Table {
    /// The table in a file's bytes, UTF-8 with or without a byte order mark, lines ended in either
    /// way; `name` is for messages.
    pub fn read(bytes: &[u8], name: &str) -> Result<Self, CatalogueError> {
        let failed = |cause| CatalogueError::Csv { table: name.to_owned(), cause };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::Reader::from_reader(bytes);
        let columns = reader
            .headers()
            .map_err(failed)?
            .iter()
            .map(|column| column.trim().to_owned())
            .collect();
        let mut rows = Vec::new();
        let (mut line, mut counted) = (1, 0);
        for row in reader.into_records() {
            let row = row.map_err(failed)?;
            // csv counts a line where \r ends one and begins the row before its \n.
            let mut start = row.position().map_or(0, |position| position.byte() as usize);
            start += usize::from(bytes.get(start) == Some(&b'\n'));
            line += bytes[counted..start].iter().filter(|&&byte| byte == b'\n').count() as u64;
            counted = start;
            rows.push((line, row));
        }
        if rows.is_empty() {
            return Err(CatalogueError::NoRows { table: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), columns, rows })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

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

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|at| Row { table: self, at })
    }
}

impl<'a> Row<'a> {
    pub fn table(&self) -> &'a str {
        &self.table.name
    }

    /// From 1, the header's.
    pub fn line(&self) -> u64 {
        self.table.rows[self.at].0
    }

    /// The cell, without the space around it.
    pub fn cell(&self, column: Column) -> &'a str {
        self.table.rows[self.at].1.get(column.0).unwrap_or_default().trim()
    }

    /// What `read` makes of the cell, or the complaint that something else was expected.
    pub fn value<T>(
        &self,
        column: Column,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, CatalogueError> {
        let cell = self.cell(column);
        read(cell).ok_or_else(|| CatalogueError::Value {
            table: self.table.name.clone(),
            line: self.line(),
            column: self.table.columns[column.0].clone(),
            value: cell.to_owned(),
            expected,
        })
    }

    /// A cell that says yes or no.
    pub fn flag(&self, column: Column) -> Result<bool, CatalogueError> {
        self.value(column, "true or false", |cell| match cell.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        })
    }

    /// A Fitzpatrick skin type; -1 and an empty cell are unknown.
    pub fn skin_type(&self, column: Column) -> Result<u8, CatalogueError> {
        self.value(column, "a Fitzpatrick skin type, 1 to 6, or -1 for an unknown one,", |cell| {
            match cell {
                "" | "-1" | "-1.0" => Some(0),
                cell => {
                    cell.trim_end_matches(".0").parse().ok().filter(|fst| (1..=6).contains(fst))
                }
            }
        })
    }
}

/// Refuses an id that a table has twice.
#[derive(Default)]
pub(in crate::data) struct Lines(pub(in crate::data) HashMap<String, u64>);

impl Lines {
    pub(in crate::data) fn add(&mut self, row: &Row<'_>, id: &str) -> Result<(), CatalogueError> {
        match self.0.insert(id.to_owned(), row.line()) {
            None => Ok(()),
            Some(first) => Err(CatalogueError::Twice {
                table: row.table().to_owned(),
                line: row.line(),
                id: id.to_owned(),
                first,
            }),
        }
    }
}
