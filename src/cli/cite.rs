//! `titrate cite`: numbers of the report in somebody's text, by their ids, and whether a text that
//! was filled before still says what the report says.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::args::Cite;
use crate::cli::common::{Opened, Pipeline, open_to_read, print};
use crate::cli::exit::Exit;
use crate::cli::trace::{find_number, read_numbers};
use crate::plan::walk;
use crate::regular;
use crate::report::Number;

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    /// As it is.
    Text(&'t str),
    /// `{{ id }}`, or `{{ id | part }}`, on this line.
    Number { id: &'t str, part: &'t str, line: usize },
}

pub(super) fn cite(pipeline: &Pipeline, arguments: &Cite) -> Result<Exit> {
    let read = |path: &Path| {
        let bytes = regular::read(path).with_context(|| format!("read {}", path.display()))?;
        String::from_utf8(bytes).with_context(|| format!("{} is no text", path.display()))
    };
    let template = read(&arguments.template)?;
    let pieces = parse(&template).with_context(|| arguments.template.display().to_string())?;
    let Opened { store, graph, .. } = open_to_read(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let asked = pieces.iter().find_map(|piece| match piece {
        Piece::Number { id, .. } => Some(*id),
        Piece::Text(_) => None,
    });
    let numbers = asked.map(|id| read_numbers(&graph, &assessed, &store, id)).transpose()?;
    let numbers = numbers.unwrap_or_default();
    let mut values = Vec::new();
    for piece in &pieces {
        if let Piece::Number { id, part, line } = piece {
            let value = find_number(&numbers, id).and_then(|number| said(number, part));
            let place = || format!("{}:{line}", arguments.template.display());
            values.push(value.with_context(place)?);
        }
    }
    let Some(filled) = &arguments.check else {
        print(&fill(&pieces, &values))?;
        return Ok(Exit::Done);
    };
    let differences = compare(&pieces, &values, &read(filled)?);
    let mut text = String::new();
    for (line, difference) in &differences {
        writeln!(text, "{}:{line}: {difference}", filled.display())?;
    }
    match differences.len() {
        0 => writeln!(text, "{}: all {} numbers are the report's", filled.display(), values.len())?,
        1 => writeln!(text, "1 place differs from the report or the template")?,
        count => writeln!(text, "{count} places differ from the report or the template")?,
    }
    print(&text)?;
    Ok(if differences.is_empty() { Exit::Done } else { Exit::TaskFailed })
}

fn parse(template: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let line = 1 + template[..template.len() - after.len()].matches('\n').count();
        let Some((inner, next)) = after.split_once("}}") else {
            bail!("line {line}: `{{{{` without `}}}}`");
        };
        let (id, part) = inner.split_once('|').unwrap_or((inner, ""));
        if before.is_empty() && !pieces.is_empty() {
            bail!("line {line}: two numbers with nothing between them");
        }
        pieces.push(Piece::Text(before));
        pieces.push(Piece::Number { id: id.trim(), part: part.trim(), line });
        rest = next;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// The part of a number that a template asks for.
fn said(number: &Number, part: &str) -> Result<String> {
    let end = |end: &Option<String>| end.clone().context("it has no interval");
    match part {
        "" => Ok(number.value.clone()),
        "low" => end(&number.low),
        "high" => end(&number.high),
        "interval" => Ok(format!("[{}, {}]", end(&number.low)?, end(&number.high)?)),
        _ => bail!("`{part}` is no part of a number; there are low, high and interval"),
    }
}

fn fill(pieces: &[Piece<'_>], values: &[String]) -> String {
    let mut values = values.iter();
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => *text,
        Piece::Number { .. } => values.next().expect("each number has a value"),
    });
    texts.collect()
}

/// The places, by line, at which a filled text differs from its template with the values of now.
/// Where its own words were changed, what follows up to the next piece of text that is found is
/// taken for a number.
fn compare(pieces: &[Piece<'_>], values: &[String], filled: &str) -> Vec<(usize, String)> {
    let mut differences = Vec::new();
    let mut values = values.iter();
    let (mut at, mut asked) = (0, None);
    let line_of = |at: usize| 1 + filled[..at].matches('\n').count();
    for piece in pieces {
        match piece {
            Piece::Number { id, .. } => asked = Some((*id, values.next().expect("one a number"))),
            Piece::Text(text) => {
                let found = match (text.is_empty(), &asked) {
                    (false, _) => filled[at..].find(text),
                    // The text ends with a number, or begins with one.
                    (true, Some(_)) => Some(filled.len() - at),
                    (true, None) => Some(0),
                };
                let Some(found) = found else {
                    let words = text.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
                    differences
                        .push((line_of(at), format!("not as in the template: `{words} ...`")));
                    continue;
                };
                let said = &filled[at..at + found];
                match asked.take() {
                    Some((id, value)) if said != value => {
                        let difference = format!("`{said}`; {id} is {value}");
                        differences.push((line_of(at), difference));
                    }
                    None if !said.is_empty() => {
                        differences.push((line_of(at), format!("`{said}` is not in the template")));
                    }
                    _ => {}
                }
                at += found + text.len();
            }
        }
    }
    if at < filled.len() {
        let more = filled[at..].lines().next().unwrap_or_default();
        differences.push((line_of(at), format!("`{more}` is not in the template")));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "Accuracy was {{ a/b/c }}\\%\n({{a/b/c|interval}}), n = 8.\n";

    fn number() -> Number {
        Number {
            id: "a/b/c".into(),
            row: vec!["b".into()],
            column: "c".into(),
            value: "57.1".into(),
            low: Some("53.6".into()),
            high: None,
            p: None,
            task: "analysis/sweep".into(),
            from: Vec::new(),
        }
    }

    #[test]
    fn a_template_is_filled_by_id() {
        let pieces = parse(TEMPLATE).unwrap();
        assert_eq!(pieces[3], Piece::Number { id: "a/b/c", part: "interval", line: 2 });
        let values = ["57.1".to_owned(), "[53.6, 60.5]".to_owned()];
        assert_eq!(fill(&pieces, &values), "Accuracy was 57.1\\%\n([53.6, 60.5]), n = 8.\n");
        assert_eq!(said(&number(), "low").unwrap(), "53.6");
        for part in ["high", "interval", "p"] {
            said(&number(), part).unwrap_err();
        }
        assert!(parse("{{ a }}{{ b }}").is_err());
        assert_eq!(parse("a\n{{ b").unwrap_err().to_string(), "line 2: `{{` without `}}`");
    }

    #[test]
    fn what_is_stale_or_retyped_is_found() {
        let pieces = parse(TEMPLATE).unwrap();
        let values = ["57.1".to_owned(), "[53.6, 60.5]".to_owned()];
        let found = |filled: &str| compare(&pieces, &values, filled);
        assert_eq!(found("Accuracy was 57.1\\%\n([53.6, 60.5]), n = 8.\n"), []);
        let stale = found("Accuracy was 56.9\\%\n([53.6, 60.5]), n = 8.\n");
        assert_eq!(stale, [(1, "`56.9`; a/b/c is 57.1".to_owned())]);
        let retyped = found("Accuracy was 57.1\\%\n([53.6, 65.0]), n = 8.\n");
        assert_eq!(retyped, [(2, "`[53.6, 65.0]`; a/b/c is [53.6, 60.5]".to_owned())]);
        let more = found("Accuracy was 57.1\\%\n([53.6, 60.5]), n = 8.\nWe conclude.\n");
        assert_eq!(more, [(3, "`We conclude.` is not in the template".to_owned())]);
    }
}
