//! Filling templates, alike for all formats.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Value};

use super::file::ReportError;

/// The settings that the templates of all formats share: a line with nothing but a tag leaves no
/// trace, and a name that does not exist is an error.
pub fn environment(escape: AutoEscape) -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment
}

/// Fills a template; `name` is what an error calls it.
pub fn fill(
    environment: &Environment<'_>,
    name: &'static str,
    template: &str,
    context: Value,
) -> Result<String, ReportError> {
    environment
        .render_named_str(name, template, context)
        .map_err(|source| ReportError::Template { name, source })
}
