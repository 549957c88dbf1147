//! How errors, long lists and words for a shell are written.

use std::error::Error;
use std::fmt::Display;

/// An error and its causes on one line, joined by colons. A cause that is said already, as part of
/// an earlier one, is left out.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = cause.source();
    }
    text
}

/// The first `most` of a list, and how many more there are. The number stands on a line of its own
/// where the items do.
pub fn some_of<T: Display>(all: &[T], most: usize, between: &str) -> String {
    let shown = all.iter().take(most).map(T::to_string).collect::<Vec<_>>().join(between);
    match all.len().saturating_sub(most) {
        0 => shown,
        more if between.contains('\n') => format!("{shown}{between}and {more} more"),
        more => format!("{shown} and {more} more"),
    }
}

/// A word as the shell reads it back.
pub fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    #[test]
    fn each_cause_is_said_once() {
        let told = |text, source: Option<Told>| Told { text, source: source.map(Box::new) };
        let cause = told("disk full", Some(told("os error 28", None)));
        let error = told("write x: disk full", Some(cause));
        assert_eq!(causes(&error), "write x: disk full: os error 28");
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        assert_eq!(some_of(&["a", "b"], 2, ", "), "a, b");
        assert_eq!(some_of(&["a", "b", "c", "d"], 2, ", "), "a, b and 2 more");
        assert_eq!(some_of(&["a", "b", "c"], 1, "\n  "), "a\n  and 2 more");
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("a/b=c"), "a/b=c");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
