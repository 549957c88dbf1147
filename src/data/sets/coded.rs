//! Sets whose own table has a code for each class: pictures named without their folders, and found
//! in whichever folder they are.

use std::collections::BTreeMap;
use std::path::Path;

use super::listing::{self, Listing};
use super::set::{Contents, Pictures};
use crate::data::catalogue::{
    Catalogue, CatalogueError, Columns, Lines, Meaning, Record, Row, Table, id_of, value,
};

/// A class of a set's table.
pub(super) struct Class {
    /// What the table calls it.
    pub code: &'static str,
    /// Its name in studies.
    pub name: &'static str,
    /// Whether it is malignant; none where it has both.
    pub malignant: Option<bool>,
    /// Its pictures in the published set.
    pub published: usize,
}

impl Class {
    /// A class by its code, name, malignancy and published pictures.
    pub(super) const fn new(
        code: &'static str,
        name: &'static str,
        malignant: Option<bool>,
        published: usize,
    ) -> Self {
        Self { code, name, malignant, published }
    }
}

/// How a table names its pictures.
pub(super) enum Names {
    /// As the files are called.
    Files,
    /// Without the ending; that of the published files is given.
    Stems(&'static str),
}

/// A set by its table.
pub struct Coded {
    /// The name in reports.
    pub(super) title: &'static str,
    /// The table's file name.
    pub(super) table: &'static str,
    /// The column of pictures, and how it names them.
    pub(super) picture: (&'static str, Names),
    /// The column of classes.
    pub(super) class: &'static str,
    /// The column of skin types, if there is one.
    pub(super) skin_type: Option<&'static str>,
    /// What other columns are read for.
    pub(super) meanings: &'static [Meaning],
    /// The published table's columns beside those of `meanings`.
    pub(super) columns: &'static [&'static str],
    /// Every class.
    pub(super) classes: &'static [Class],
}

impl Coded {
    /// The pictures of the table, each with its file among `files`; where it has none, with the
    /// published set's.
    ///
    /// # Errors
    /// If a column is missing or unknown, or a row has no picture, an unknown class or skin type, or
    /// a picture that another row has.
    pub fn read(
        &self,
        table: &Table,
        files: &[String],
        ignored: &[String],
    ) -> Result<Catalogue, CatalogueError> {
        let (picture, names) = &self.picture;
        let [picture, class] = [table.column(picture)?, table.column(self.class)?];
        let skin_type = self.skin_type.map(|column| table.column(column)).transpose()?;
        let columns = Columns::of(table, self.meanings, self.columns, ignored)?;
        let places = files.iter().rev().map(|path| (names.of(path), path));
        let places = places.collect::<BTreeMap<_, _>>();
        let codes = self.codes();
        let mut lines = Lines::default();
        let record = |row: Row<'_>| {
            let name =
                row.value(picture, "the name of a picture, without a folder,", value::file_name)?;
            let id = id_of(name);
            lines.add(&row, &id)?;
            let class = row.value(class, &codes, |cell| {
                self.classes.iter().find(|class| class.code == cell)
            })?;
            let place = places.get(&names.of(name));
            let place = place.map_or_else(|| names.published(name), |path| (*path).clone());
            let mut record = Record::new(id, place, class.name.to_owned());
            columns.annotate(&row, &mut record)?;
            if let Some(column) = skin_type {
                record.fst = row.skin_type(column)?;
            }
            Ok(Record { malignant: class.malignant, ..record })
        };
        let records = table.rows().map(record).collect::<Result<Vec<_>, CatalogueError>>()?;
        let published = self.classes.iter().map(|class| (class.name, class.published));
        Ok(Catalogue::new(records, Vec::new()).noting(published))
    }

    /// The codes of all classes, for a message: "A, B or C".
    fn codes(&self) -> String {
        let codes = self.classes.iter().map(|class| class.code).collect::<Vec<_>>();
        codes
            .split_last()
            .map_or_else(String::new, |(last, others)| format!("{} or {last}", others.join(", ")))
    }
}

impl Names {
    /// What the table calls the picture of `path`.
    fn of(&self, path: &str) -> String {
        let name = path.rsplit('/').next().unwrap_or(path);
        match self {
            Self::Files => name.to_owned(),
            Self::Stems(_) => id_of(name),
        }
    }

    /// The published file of a picture that the table calls `name`.
    fn published(&self, name: &str) -> String {
        match self {
            Self::Files => name.to_owned(),
            Self::Stems(ending) => format!("{name}.{ending}"),
        }
    }
}

impl Pictures for Coded {
    fn title(&self) -> &'static str {
        self.title
    }

    /// Such sets are handed out as several folders of pictures.
    fn files(&self, root: &Path) -> Result<Listing, CatalogueError> {
        listing::deep(root)
    }

    fn own_table(&self) -> Option<&'static str> {
        Some(self.table)
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        let mut catalogue = self.read(contents.annotations()?, contents.files, contents.ignored)?;
        catalogue.listing.extend(contents.count_unnamed(&catalogue.records));
        Ok(catalogue)
    }
}
