//! Prose: spans of plain, strong and code text, and links.

use serde::Serialize;

/// A run of spans without a line break.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Text {
    spans: Vec<Span>,
}

/// A piece of text in one style.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Span {
    Plain {
        text: String,
    },
    Strong {
        text: String,
    },
    Code {
        text: String,
    },
    /// A short verdict: strong text that a page may tint.
    Chip {
        text: String,
        tint: Tint,
    },
    /// A link to another page of the report, in the format of the page that links to it.
    Page {
        text: String,
        html: &'static str,
        markdown: &'static str,
    },
}

/// The colour behind a verdict, which never says what its words don't.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tint {
    For,
    Against,
    Open,
}

impl Text {
    /// Strong text where `strong`, plain text elsewhere.
    pub fn strong_if(strong: bool, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { spans: vec![if strong { Span::Strong { text } } else { Span::Plain { text } }] }
    }

    /// The text without its styles.
    pub fn plain(&self) -> String {
        let text = |span: &Span| match span {
            Span::Plain { text } | Span::Strong { text } | Span::Code { text } => text.clone(),
            Span::Chip { text, .. } | Span::Page { text, .. } => text.clone(),
        };
        self.spans.iter().map(text).collect()
    }

    /// Whether it begins in strong text.
    pub fn is_strong(&self) -> bool {
        matches!(self.spans.first(), Some(Span::Strong { .. } | Span::Chip { .. }))
    }

    pub fn code(text: impl Into<String>) -> Self {
        Self { spans: vec![Span::Code { text: text.into() }] }
    }

    /// This text with `next` after it.
    pub fn then(mut self, next: impl Into<Text>) -> Self {
        self.spans.extend(next.into().spans);
        self
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { spans: vec![Span::Plain { text }] }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<Span> for Text {
    fn from(span: Span) -> Self {
        Self { spans: vec![span] }
    }
}
