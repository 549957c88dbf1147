//! The cells of a table.

use serde::Serialize;

use super::text::Text;

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

    /// The cell's text, without its interval.
    pub fn plain(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Text { text } => text.plain(),
            Self::Estimate { value, .. } => value.clone(),
        }
    }

    /// Whether the cell has a number to prove: an estimate, or what has a digit in a column of
    /// numbers.
    pub fn is_number(&self, in_numbers: bool) -> bool {
        match self {
            Self::Missing => false,
            Self::Estimate { .. } => true,
            Self::Text { text } => {
                in_numbers && text.plain().contains(|letter: char| letter.is_ascii_digit())
            }
        }
    }

    /// The same, standing out where `stands_out`.
    pub fn strong_if(mut self, stands_out: bool) -> Self {
        if let Self::Estimate { strong, .. } = &mut self {
            *strong = stands_out;
        }
        self
    }
}

/// What a cell holds, apart: its text, the ends of an interval, and a p value.
pub struct Parts {
    /// The text, or a number as programs read it.
    pub value: String,
    /// The ends of the interval.
    pub ends: Option<[String; 2]>,
    /// The p value after the interval, such as "0.034" or "<0.001".
    pub p: Option<String>,
}

impl Parts {
    pub fn of(cell: &Cell) -> Self {
        let (value, interval) = match cell {
            Cell::Missing => (String::new(), None),
            Cell::Text { text } => (text.plain(), None),
            Cell::Estimate { value, interval, .. } => (value.clone(), interval.clone()),
        };
        // A number and its interval may be one text.
        let (value, interval) = match (value.split_once(" ["), interval) {
            (_, Some(interval)) => (value, Some(interval)),
            (Some((number, rest)), None) if Sure::of(&format!("[{rest}")).is_some() => {
                (number.to_owned(), Some(format!("[{rest}")))
            }
            _ if Sure::of(&value).is_some() => (String::new(), Some(value)),
            (_, None) => (value, None),
        };
        let (ends, p) = match interval.as_deref().and_then(Sure::of) {
            Some(Sure { ends, p }) => (Some(ends), p),
            None => (None, None),
        };
        Self { value: number(&value), ends, p }
    }
}

/// How sure an estimate is: `[low, high]`, or `[low, high], p = 0.034`.
struct Sure {
    ends: [String; 2],
    p: Option<String>,
}

impl Sure {
    fn of(text: &str) -> Option<Self> {
        let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
        let (low, high) = inner.split_once(", ")?;
        let p = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(", p ")?.trim_start_matches("= ").replace("< ", "<")),
        };
        Some(Self { ends: [number(low), number(high)], p })
    }
}

/// A number as programs read it: without the typographic minus, sign, percent and dash; other text
/// as it is.
fn number(text: &str) -> String {
    let plain = text.replace('\u{2212}', "-");
    let bare = plain.trim_start_matches('+').trim_end_matches('%');
    match bare.parse::<f64>() {
        Ok(_) => bare.to_owned(),
        Err(_) if text == "\u{2013}" => String::new(),
        Err(_) => text.to_owned(),
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
