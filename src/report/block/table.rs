//! Tables. A column says its head, its kind and how a row fills it in one place, so no head can be
//! over another column's cells.

use serde::Serialize;

use super::text::Text;

/// A table as a renderer sees it: heads above rows of as many cells.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Names the table where it has no visible caption.
    pub label: String,
    pub caption: Option<Text>,
    heads: Vec<Head>,
    groups: Vec<Group>,
}

/// The head of a column, and what holds for all of its cells.
#[derive(Clone, Debug, Serialize)]
struct Head {
    text: String,
    kind: Kind,
    /// Whether the column's cells are headers of their rows.
    heads_rows: bool,
}

/// The type of a column's cells, which decides their alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Prose that may wrap.
    Text,
    /// A name or a list of numbers that stays on one line.
    Line,
    /// Numbers, aligned at the end of the cell.
    Number,
}

/// Rows that belong together.
#[derive(Clone, Debug, Serialize)]
struct Group {
    /// Shown by formats in which a table can have a row across all columns.
    heading: Option<String>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    /// Whether the row stands out; its important cells are strong text as well.
    marked: bool,
    cells: Vec<Cell>,
}

/// The content of a cell.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Cell {
    /// There is no such value.
    Missing,
    Text {
        text: Text,
    },
    /// An estimate and its interval, if it has one.
    Estimate {
        value: String,
        interval: Option<String>,
        strong: bool,
    },
}

impl Cell {
    /// An estimate and its interval, if it has one.
    pub fn estimate(value: impl Into<String>, interval: Option<String>) -> Self {
        Self::Estimate { value: value.into(), interval, strong: false }
    }

    /// The same, standing out where `stands_out`.
    pub fn strong_if(mut self, stands_out: bool) -> Self {
        if let Self::Estimate { strong, .. } = &mut self {
            *strong = stands_out;
        }
        self
    }
}

/// A column of a table whose rows are made from values of type `T`.
pub struct Column<'a, T: ?Sized> {
    head: Head,
    fill: Box<dyn Fn(&T) -> Cell + 'a>,
}

impl<'a, T: ?Sized> Column<'a, T> {
    /// Prose that may wrap.
    pub fn text<C: Into<Cell>>(head: impl Into<String>, fill: impl Fn(&T) -> C + 'a) -> Self {
        Self::new(head, Kind::Text, fill)
    }

    /// Names, or short lists of numbers, each on one line.
    pub fn line<C: Into<Cell>>(head: impl Into<String>, fill: impl Fn(&T) -> C + 'a) -> Self {
        Self::new(head, Kind::Line, fill)
    }

    /// Numbers.
    pub fn number<C: Into<Cell>>(head: impl Into<String>, fill: impl Fn(&T) -> C + 'a) -> Self {
        Self::new(head, Kind::Number, fill)
    }

    fn new<C: Into<Cell>>(
        head: impl Into<String>,
        kind: Kind,
        fill: impl Fn(&T) -> C + 'a,
    ) -> Self {
        let head = Head { text: head.into(), kind, heads_rows: false };
        Self { head, fill: Box::new(move |row| fill(row).into()) }
    }

    /// The same column, whose cells name their rows.
    pub fn heading_rows(mut self) -> Self {
        self.head.heads_rows = true;
        self
    }
}

impl Table {
    /// A table with a row for each of `rows` and no caption.
    pub fn new<'r, T: ?Sized + 'r>(
        label: impl Into<String>,
        columns: Vec<Column<'_, T>>,
        rows: impl IntoIterator<Item = &'r T>,
    ) -> Self {
        Self::grouped(label, columns, [(None, rows)])
    }

    /// A table of groups of rows, each below its heading if it has one; groups without a row are
    /// left out.
    pub fn grouped<'r, T: ?Sized + 'r, R: IntoIterator<Item = &'r T>>(
        label: impl Into<String>,
        columns: Vec<Column<'_, T>>,
        groups: impl IntoIterator<Item = (Option<String>, R)>,
    ) -> Self {
        let fill = |row: &T| Row {
            marked: false,
            cells: columns.iter().map(|column| (column.fill)(row)).collect(),
        };
        let groups = groups
            .into_iter()
            .map(|(heading, rows)| Group { heading, rows: rows.into_iter().map(fill).collect() });
        let groups = groups.filter(|group| !group.rows.is_empty()).collect();
        let heads = columns.into_iter().map(|column| column.head).collect();
        Self { label: label.into(), caption: None, heads, groups }
    }

    /// The heads of the columns.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.heads.iter().map(|head| head.text.as_str())
    }

    /// Whether each column has numbers.
    pub fn numbers(&self) -> impl Iterator<Item = bool> {
        self.heads.iter().map(|head| head.kind == Kind::Number)
    }

    /// The cells of each row, with the heading of its group.
    pub fn rows(&self) -> impl Iterator<Item = (Option<&str>, &[Cell])> {
        self.groups.iter().flat_map(|group| {
            let heading = group.heading.as_deref();
            group.rows.iter().map(move |row| (heading, row.cells.as_slice()))
        })
    }

    pub fn captioned(mut self, caption: impl Into<Text>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// Makes the rows stand out for which `marked` holds, one value a row.
    pub fn marking(mut self, marked: impl IntoIterator<Item = bool>) -> Self {
        let rows = self.groups.iter_mut().flat_map(|group| &mut group.rows);
        for (row, marked) in rows.zip(marked) {
            row.marked = marked;
        }
        self
    }
}

impl<T: Into<Text>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::Text { text: text.into() }
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        count.to_string().into()
    }
}

impl From<Option<Cell>> for Cell {
    fn from(cell: Option<Cell>) -> Self {
        cell.unwrap_or(Self::Missing)
    }
}
