//! The text of a table's file, whichever program saved it.

use std::borrow::Cow;

/// UTF-8, or UTF-16 with a byte order mark, as text without the mark; none for other bytes.
pub fn decoded(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest).ok().map(Cow::Borrowed),
        _ => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units = units.iter().map(|&bytes| unit(bytes));
    let text = char::decode_utf16(units).collect::<Result<String, _>>().ok()?;
    rest.is_empty().then_some(text)
}

/// What the columns of the header are apart by: the one of comma, semicolon and tab that stands
/// there most often outside of quotes, and the comma where none does.
pub fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let mut quoted = false;
    let mut counts = [0, 0, 0];
    const ALL: [u8; 3] = *b",;\t";
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        if let Some(at) = ALL.iter().position(|&known| known == byte).filter(|_| !quoted) {
            counts[at] += 1;
        }
    }
    let most = (0..3).rev().max_by_key(|&at| counts[at]).unwrap_or(0);
    ALL[most]
}
