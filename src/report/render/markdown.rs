//! Blocks to Markdown, with figures as files beside the page.

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, context};

use super::file::ReportError;
use super::template::{environment, fill};
use crate::report::block::Page;

/// The page as Markdown.
pub fn render(page: &Page) -> Result<String, ReportError> {
    let mut environment = environment(AutoEscape::None);
    environment.add_filter("md", |text: String| escape(&text));
    environment.add_filter("fence", |text: String| choose_fence(&text));
    let context = context! {
        page => Value::from(Serde(page)),
        version => env!("CARGO_PKG_VERSION"),
    };
    fill(&environment, "page.md", include_str!("templates/page.md"), context)
}

/// `text` on one line, with everything escaped that Markdown or the HTML in it would read as
/// markup. A bracket or a `<` that can open neither a link nor a tag stays as it is, so that
/// intervals and p values are legible in the source.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        match letter {
            '\n' => escaped.push(' '),
            '&' => escaped.push_str("&amp;"),
            '<' if next.is_none_or(|next| next.is_ascii_alphabetic() || "/!?".contains(next)) => {
                escaped.push_str("&lt;");
            }
            ']' if next.is_some_and(|next| "([:".contains(next)) => escaped.push_str("\\]"),
            '\\' | '`' | '*' | '_' | '|' => escaped.extend(['\\', letter]),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// Markdown of these pages as it is read: without its escapes.
pub fn plain(markdown: &str) -> String {
    let mut plain = String::with_capacity(markdown.len());
    let mut letters = markdown.chars().peekable();
    while let Some(letter) = letters.next() {
        let escapes =
            letter == '\\' && letters.peek().is_some_and(|next| "\\`*_|]".contains(*next));
        plain.push(if escapes { letters.next().unwrap_or(letter) } else { letter });
    }
    plain.replace("&lt;", "<").replace("&amp;", "&")
}

/// A code fence that `text` does not contain.
fn choose_fence(text: &str) -> String {
    let mut fence = "~~~".to_owned();
    while text.contains(&fence) {
        fence.push('~');
    }
    fence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("a|b <i> *c*\nd & `e`"), r"a\|b &lt;i> \*c\* d &amp; \`e\`");
        assert_eq!(escape("[a](b) ![a][b] <"), r"[a\](b) ![a\][b] &lt;");
    }

    #[test]
    fn what_was_escaped_is_read_plain() {
        for text in ["a|b <i> *c* d & `e`", r"C:\d\[x](y)", "&lt; \\* _"] {
            assert_eq!(plain(&escape(text)), text);
        }
    }

    #[test]
    fn numbers_stay_legible() {
        for text in ["57.1% [53.6, 60.5], p < 0.001", "<0.001", "[+0.1, +0.2]"] {
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn a_fence_is_longer_than_those_inside() {
        assert_eq!(choose_fence("a = 1"), "~~~");
        assert_eq!(choose_fence("~~~~\n"), "~~~~~");
    }
}
