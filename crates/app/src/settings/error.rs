//! Errors and warnings about settings.

use std::{io, sync::Arc};

use thiserror::Error;

/// Why the settings cannot be used. The text is one line that names the key or variable, and never
/// holds a secret.
#[derive(Debug, Clone, Error)]
pub enum SettingsError {
    /// The value of a setting is impossible.
    #[error("{key}: {problem} (from {origin})")]
    Impossible {
        /// The setting.
        key: String,
        /// What is wrong with its value.
        problem: String,
        /// The file or variable that set it.
        origin: String,
    },
    /// A file or variable sets something that is no setting.
    #[error("{key}: no such setting{} (from {origin})", did_you_mean(.suggestion.as_deref()))]
    UnknownKey {
        /// What it sets.
        key: String,
        /// The setting that was probably meant.
        suggestion: Option<String>,
        /// The file or variable.
        origin: String,
    },
    /// A variable is impossible, before it sets anything.
    #[error("{variable}: {problem}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// A file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// Its name.
        file: String,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// A file named by an option or a variable does not exist.
    #[error("{file}: no such file")]
    NoFile {
        /// Its name.
        file: String,
    },
    /// A file is not in its format. The text is not shown: it may be a secret.
    #[error("{file}: line {line}: {problem}")]
    Syntax {
        /// Its name.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// `config` could not merge the layers, or has read a value as another type than was asked for.
    /// What it says is not shown, as it may quote a secret.
    #[error("the settings cannot be merged")]
    Merge,
}

/// Something that is logged and does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Warning {
    /// A folder in the place of a file, as docker makes one when it mounts a file that is missing.
    #[error("{file} is a folder, not a file; it is taken as missing")]
    Folder {
        /// Its name.
        file: String,
    },
    /// An empty file.
    #[error("{file} is empty; it is taken as missing")]
    EmptyFile {
        /// Its name.
        file: String,
    },
    /// A credential that is empty or still the placeholder of the example.
    #[error("{file}: {field} is not filled in; it is taken as missing")]
    NotFilledIn {
        /// The file's name.
        file: String,
        /// The field.
        field: String,
    },
    /// A variable that is almost one of ours.
    #[error("{variable} is not read; the variable is called {right}")]
    Misspelled {
        /// Its name.
        variable: String,
        /// The name that is read.
        right: String,
    },
    /// A variable that does nothing without another.
    #[error("{variable} is not read, because {without} is not set")]
    Alone {
        /// Its name.
        variable: &'static str,
        /// The other.
        without: &'static str,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}
