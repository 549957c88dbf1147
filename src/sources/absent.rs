//! What a study names and is not there: tasks that need it are planned and never run.

use std::path::Path;

use crate::hub::SCHEME;
use crate::study::unset_variable;

/// What is not there, by the key that names it.
pub(super) fn absent(key: &str, path: &Path) -> String {
    match unset_variable(path) {
        None if path.starts_with(SCHEME.trim_end_matches('/')) => {
            format!(
                "{key} ({} is not downloaded; `titrate reproduce` downloads it)",
                path.display()
            )
        }
        Some(variable) => format!("{key} (the variable {variable} is not set)"),
        None => format!("{key} ({} is not there)", path.display()),
    }
}
