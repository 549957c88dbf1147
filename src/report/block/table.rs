//! Tables. A column says its head, its kind and how a row fills it in one place, so no head can be
//! over another column's cells.

use std::collections::BTreeSet;

use serde::Serialize;

use super::cell::Cell;
use super::text::Text;
use crate::vocabulary::Design;

/// A table as a renderer sees it: heads above rows of as many cells.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Names the table where it has no visible caption.
    pub label: String,
    /// Names its files and begins the ids of its numbers, e.g. "accuracy-accuracy-table"; its page
    /// gives it.
    pub name: String,
    pub caption: Option<Text>,
    heads: Vec<Head>,
    groups: Vec<Group>,
}

/// The stored results that a number was computed from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The label of the task that computed it; empty: the one that computed the whole table.
    pub task: String,
    /// The designs whose classifiers' predictions that task computed it from; none: all of its
    /// inputs.
    pub designs: Vec<Design>,
}

/// Where a number is found and proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// The number's id, unique in the report, e.g. "accuracy-accuracy-table/no-transforms.4/real".
    pub id: String,
    /// The place of its proof in the report's list of proofs.
    pub proof: usize,
}

/// A number of a table, as those who give it an id see it.
pub struct Number<'t> {
    /// The names of its row.
    pub row: Vec<String>,
    /// The head of its column.
    pub column: String,
    /// The number and its interval.
    pub cell: &'t Cell,
    /// The results that it was computed from.
    pub origin: Origin,
    /// The number's anchor, to be filled in.
    pub anchor: &'t mut Option<Anchor>,
}

/// The head of a column, and what holds for all of its cells.
#[derive(Clone, Debug, Serialize)]
struct Head {
    text: String,
    kind: Kind,
    /// Whether the column's cells are headers of their rows.
    heads_rows: bool,
    /// Whether the column's cells tell rows apart, and so are no results.
    #[serde(skip)]
    names_rows: bool,
    /// Whether the column says where its cells are from, and so has numbers whatever its kind.
    #[serde(skip)]
    traces: bool,
    /// What all numbers of the column are about, where columns differ in it.
    about: About,
}

/// The arm and the number of real images that numbers are about, by which readers filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct About {
    arm: Option<String>,
    n: Option<usize>,
}

impl About {
    /// What the subjects of numbers have in common: of each, the first of its origin's designs.
    fn common<'o>(origins: impl Iterator<Item = &'o Origin>) -> Self {
        let mut subjects = origins.filter_map(|origin| origin.designs.first());
        let Some(first) = subjects.next() else { return Self::default() };
        let (mut arm, mut n) = (Some(&first.arm), Some(first.n));
        for design in subjects {
            arm = arm.filter(|arm| **arm == design.arm);
            n = n.filter(|n| *n == design.n);
        }
        Self { arm: arm.map(ToString::to_string), n }
    }
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
    /// What all numbers of the row are about.
    about: About,
    cells: Vec<Cell>,
    /// The anchor of each cell that is a number.
    anchors: Vec<Option<Anchor>>,
    #[serde(skip)]
    origins: Vec<Origin>,
}

/// Says what the cell of a row was computed from.
type Trace<'a, T> = Box<dyn Fn(&T) -> Origin + 'a>;

/// A column of a table whose rows are made from values of type `T`.
pub struct Column<'a, T: ?Sized> {
    head: Head,
    fill: Box<dyn Fn(&T) -> Cell + 'a>,
    trace: Option<Trace<'a, T>>,
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
        let head = Head {
            text: head.into(),
            kind,
            heads_rows: false,
            names_rows: false,
            traces: false,
            about: About::default(),
        };
        Self { head, fill: Box::new(move |row| fill(row).into()), trace: None }
    }

    /// The same column, whose cells name their rows.
    pub fn heading_rows(mut self) -> Self {
        self.head.heads_rows = true;
        self.naming_rows()
    }

    /// The same column, whose cells tell rows apart and are no results.
    pub fn naming_rows(mut self) -> Self {
        self.head.names_rows = true;
        self
    }

    /// The same column, whose numbers were computed from the results that `trace` names.
    pub fn tracing(mut self, trace: impl Fn(&T) -> Origin + 'a) -> Self {
        self.trace = Some(Box::new(trace));
        self.head.traces = true;
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
        let trace = |column: &Column<'_, T>, row: &T| {
            column.trace.as_ref().map_or_else(Origin::default, |trace| trace(row))
        };
        let fill = |row: &T| Row {
            marked: false,
            about: About::default(),
            cells: columns.iter().map(|column| (column.fill)(row)).collect(),
            anchors: vec![None; columns.len()],
            origins: columns.iter().map(|column| trace(column, row)).collect(),
        };
        let groups = groups
            .into_iter()
            .map(|(heading, rows)| Group { heading, rows: rows.into_iter().map(fill).collect() });
        let groups = groups.filter(|group| !group.rows.is_empty()).collect();
        let heads = columns.into_iter().map(|column| column.head).collect();
        Self { label: label.into(), name: String::new(), caption: None, heads, groups }
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

    /// Says which results the rows were computed from, one origin a row, where a column does not say
    /// it of its own.
    pub fn tracing(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        let rows = self.groups.iter_mut().flat_map(|group| &mut group.rows);
        for (row, origin) in rows.zip(origins) {
            for own in row.origins.iter_mut().filter(|own| **own == Origin::default()) {
                *own = origin.clone();
            }
        }
        self
    }

    /// Names the task that computed the table, for all of its numbers that no other computed.
    pub fn computed_by(&mut self, task: &str) {
        let rows = self.groups.iter_mut().flat_map(|group| &mut group.rows);
        for origin in rows.flat_map(|row| &mut row.origins) {
            if origin.task.is_empty() {
                task.clone_into(&mut origin.task);
            }
        }
    }

    /// Says of rows, and of columns in which rows differ, what their numbers are about.
    pub fn say_subjects(&mut self) {
        let rows = self.groups.iter_mut().flat_map(|group| &mut group.rows);
        for row in rows {
            row.about = About::common(row.origins.iter());
        }
        let rows = || self.groups.iter().flat_map(|group| &group.rows);
        let mixed = rows().any(|row| {
            row.about.arm.is_none() && row.origins.iter().any(|origin| !origin.designs.is_empty())
        });
        if !mixed {
            return;
        }
        let about = |column: usize| About::common(rows().map(|row| &row.origins[column]));
        let abouts = (0..self.heads.len()).map(about).collect::<Vec<_>>();
        for (head, about) in self.heads.iter_mut().zip(abouts) {
            head.about = About { n: None, ..about };
        }
    }

    /// The numbers of the table: the cells of its columns of numbers, and estimates wherever they
    /// are, but for what names rows. A row is named by the columns that name rows and by as many of
    /// the next ones as it takes to tell the rows apart, or else by its place.
    pub fn numbers_mut(&mut self) -> Vec<Number<'_>> {
        let naming = self.naming_columns();
        let heads = &self.heads;
        let mut place = 0;
        let mut numbers = Vec::new();
        for group in &mut self.groups {
            let heading = group.heading.clone();
            for row in &mut group.rows {
                place += 1;
                let named = match &naming {
                    Some(columns) => {
                        let names = columns.iter().map(|column| row.cells[*column].plain());
                        heading.iter().cloned().chain(names).collect()
                    }
                    None => vec![place.to_string()],
                };
                let columns = row.cells.iter().zip(&mut row.anchors).zip(&row.origins);
                for (column, ((cell, anchor), origin)) in columns.enumerate() {
                    let head = &heads[column];
                    let names = naming.as_ref().is_some_and(|naming| naming.contains(&column));
                    if !names
                        && !head.names_rows
                        && cell.is_number(head.traces || head.kind == Kind::Number)
                    {
                        let (row, column) = (named.clone(), head.text.clone());
                        numbers.push(Number { row, column, cell, origin: origin.clone(), anchor });
                    }
                }
            }
        }
        numbers
    }

    /// The columns that tell the rows apart; none where all columns together do not.
    fn naming_columns(&self) -> Option<Vec<usize>> {
        let own = |column: &usize| self.heads[*column].names_rows;
        let mut columns = (0..self.heads.len()).filter(own).collect::<Vec<_>>();
        let further = (0..self.heads.len()).filter(|column| !own(column));
        let mut further = further.collect::<Vec<_>>().into_iter();
        loop {
            let mut known = BTreeSet::new();
            let apart = self.rows().all(|(heading, cells)| {
                let names = columns.iter().map(|column| cells[*column].plain());
                known.insert((heading, names.collect::<Vec<_>>()))
            });
            if apart {
                return Some(columns);
            }
            // What is a number may change and still be the same row.
            columns.push(further.find(|column| self.heads[*column].kind != Kind::Number)?);
        }
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
