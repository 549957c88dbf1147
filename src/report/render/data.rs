//! The tables of a page as files of their own, for other programs: CSV with a column for each
//! number, and LaTeX (booktabs). They say what the page's tables say; what is computed stands in
//! `metrics.json` in full.

use super::file::{File, ReportError};
use crate::report::block::{Cell, Page, Parts, Table};

/// The folder of the files.
pub const FOLDER: &str = "data";

/// `data/<section>-<table>.csv` and `.tex` of every table of the page.
pub fn files(page: &Page) -> Result<Vec<File>, ReportError> {
    let mut files = Vec::new();
    for table in page.tables() {
        let path = |ending: &str| format!("{FOLDER}/{}.{ending}", table.name).into();
        files.push(File { path: path("csv"), bytes: csv(table)? });
        files.push(File { path: path("tex"), bytes: latex(table).into_bytes() });
    }
    Ok(files)
}

/// Comma-separated, in UTF-8: a column for each of the table's, two more after one with intervals, and
/// one more after one with p values; the heading of a group of rows is the first column.
fn csv(table: &Table) -> Result<Vec<u8>, ReportError> {
    let rows = table.rows().collect::<Vec<_>>();
    let grouped = rows.iter().any(|(heading, _)| heading.is_some());
    let cells = |row: &[Cell]| row.iter().map(Parts::of).collect::<Vec<_>>();
    let rows = rows.into_iter().map(|(heading, row)| (heading, cells(row))).collect::<Vec<_>>();
    let has = |of: fn(&Parts) -> bool| {
        let columns = 0..table.heads().count();
        columns.map(|column| rows.iter().any(|(_, row)| of(&row[column]))).collect::<Vec<_>>()
    };
    let (has_ends, has_p) = (has(|parts| parts.ends.is_some()), has(|parts| parts.p.is_some()));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut head = if grouped { vec!["group".to_owned()] } else { Vec::new() };
    for (column, name) in table.heads().enumerate() {
        head.push(name.to_owned());
        if has_ends[column] {
            head.extend([format!("{name} low"), format!("{name} high")]);
        }
        if has_p[column] {
            head.push(format!("{name} p"));
        }
    }
    let mut records = vec![head];
    for (heading, row) in rows {
        let mut record =
            if grouped { vec![heading.unwrap_or_default().to_owned()] } else { Vec::new() };
        for (column, parts) in row.into_iter().enumerate() {
            record.push(parts.value);
            if has_ends[column] {
                record.extend(parts.ends.unwrap_or_default());
            }
            if has_p[column] {
                record.push(parts.p.unwrap_or_default());
            }
        }
        records.push(record);
    }
    let table = || table.label.clone();
    for record in records {
        writer
            .write_record(record)
            .map_err(|source| ReportError::Csv { table: table(), source })?;
    }
    writer
        .into_inner()
        .map_err(|error| ReportError::Csv { table: table(), source: error.into_error().into() })
}

/// A tabular of booktabs, numbers aligned at the right.
fn latex(table: &Table) -> String {
    let columns =
        table.numbers().map(|is_number| if is_number { 'r' } else { 'l' }).collect::<String>();
    let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let mut text = format!("% {}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n", table.label);
    text += &line(table.heads().map(escape).collect());
    text += "\\midrule\n";
    let mut group = None;
    for (heading, row) in table.rows() {
        if let Some(heading) = heading.filter(|heading| group != Some(*heading)) {
            let across = columns.len();
            text += &format!("\\multicolumn{{{across}}}{{l}}{{{}}} \\\\\n", escape(heading));
        }
        group = heading;
        let cell = |cell: &Cell| match cell {
            Cell::Missing => "--".to_owned(),
            Cell::Text { text } if text.is_strong() => {
                format!("\\textbf{{{}}}", escape(&text.plain()))
            }
            Cell::Text { text } => escape(&text.plain()),
            Cell::Estimate { value, interval: Some(interval), .. } => {
                escape(&format!("{value} {interval}"))
            }
            Cell::Estimate { value, interval: None, .. } => escape(value),
        };
        text += &line(row.iter().map(cell).collect());
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

/// Text with what LaTeX would read as markup escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => escaped += "\\textbackslash{}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '<' => escaped += "\\textless{}",
            '>' => escaped += "\\textgreater{}",
            '\u{2212}' => escaped += "$-$",
            '\u{2013}' => escaped += "--",
            '\u{d7}' => escaped += "$\\times$",
            '\u{2009}' => escaped += "\\,",
            '\u{2713}' => escaped += "+",
            '\u{2717}' => escaped += "$-$",
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::report::block::{Block, Column, Section, Text};

    #[test]
    fn tables_are_files_with_a_column_for_each_number() {
        type Row = (&'static str, Cell, &'static str);
        let estimate = |value: &str, interval: &str| Cell::estimate(value, Some(interval.into()));
        let rows: [Row; 2] = [
            (
                "a_b & c",
                estimate("57.1%", "[53.6, 60.5]"),
                "\u{2212}6.5 [\u{2212}9.2, \u{2212}3.7]",
            ),
            ("d, e", Cell::Missing, "\u{2013}"),
        ];
        let columns = vec![
            Column::text("arm", |row: &Row| Text::strong_if(true, row.0)),
            Column::number("rate", |row: &Row| row.1.clone()),
            Column::number("difference", |row: &Row| row.2),
        ];
        let table = Table::new("Table of rates", columns, &rows);
        let blocks = vec![
            Block::Table(table.clone()),
            Block::Details { summary: String::new(), blocks: vec![Block::Table(table)] },
        ];
        let (id, title, short) = ("one".into(), "One".into(), "One".into());
        let sections = vec![Section { id, title, short, blocks }];
        let (html, markdown, title) = ("page.html", "page.md", "A page".into());
        let files = files(&Page::new((html, markdown), title, vec![], sections)).unwrap();
        let text = |file: &File| String::from_utf8(file.bytes.clone()).unwrap();
        let shown = files.iter().map(|file| file.path.as_ref()).collect::<Vec<_>>();
        expect![[r#"
            data/one-table-of-rates.csv data/one-table-of-rates.tex data/one-table-of-rates-2.csv data/one-table-of-rates-2.tex
            arm,rate,rate low,rate high,difference,difference low,difference high
            a_b & c,57.1,53.6,60.5,-6.5,-9.2,-3.7
            "d, e",,,,,,
            % Table of rates
            \begin{tabular}{lrr}
            \toprule
            arm & rate & difference \\
            \midrule
            \textbf{a\_b \& c} & 57.1\% [53.6, 60.5] & $-$6.5 [$-$9.2, $-$3.7] \\
            \textbf{d, e} & -- & -- \\
            \bottomrule
            \end{tabular}
        "#]].assert_eq(&format!(
            "{}\n{}{}",
            shown.join(" "),
            text(&files[0]),
            text(&files[1])
        ));
    }
}
