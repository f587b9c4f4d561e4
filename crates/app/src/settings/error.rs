//! Errors and warnings about settings.

use std::{io, sync::Arc};

use thiserror::Error;

/// Why the settings cannot be used. The text is one line that names the key or variable, and never contains
/// a secret.
#[derive(Debug, Clone, Error)]
pub enum SettingsError {
    /// The value of a setting is invalid.
    #[error("{key}: {problem} (from {origin})")]
    Impossible {
        /// The dotted key, such as `server.port`.
        key: String,
        /// What is wrong with its value.
        problem: String,
        /// The file or variable that set it.
        origin: String,
    },
    /// A file or variable sets an unknown key.
    #[error("{key}: no such setting{} (from {origin})", did_you_mean(.suggestion.as_deref()))]
    UnknownKey {
        /// The unknown key, as written.
        key: String,
        /// The key that was probably meant.
        suggestion: Option<String>,
        /// The file or variable that sets it.
        origin: String,
    },
    /// The text of a variable is invalid in itself.
    #[error("{variable}: {problem}")]
    Variable {
        /// The variable's name, as written.
        variable: String,
        /// What is wrong with its text.
        problem: String,
    },
    /// A file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// The name or path of the file.
        file: String,
        /// The error of the read.
        source: Arc<io::Error>,
    },
    /// A file named by an option or a variable does not exist.
    #[error("{file}: no such file")]
    NoFile {
        /// The name or path of the file.
        file: String,
    },
    /// Syntax error in a file. The offending text is not shown: it may be a secret.
    #[error("{file}: line {line}: {problem}")]
    Syntax {
        /// The name or path of the file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The parser's message about that line.
        problem: String,
    },
    /// `config` could not merge the layers, or read a value as a type other than requested. Its message is
    /// not shown, as it may quote a secret.
    #[error("the settings cannot be merged")]
    Merge,
}

/// A problem that is logged and does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Warning {
    /// A folder instead of a file, as docker creates when it mounts a missing file.
    #[error("{file} is a folder, not a file; it is taken as missing")]
    Folder {
        /// The name or path of the file.
        file: String,
    },
    /// A settings file without any content.
    #[error("{file} is empty; it is taken as missing")]
    EmptyFile {
        /// The name or path of the file.
        file: String,
    },
    /// A credential that is empty or still the placeholder of the example.
    #[error("{file}: {field} is not filled in; it is taken as missing")]
    NotFilledIn {
        /// The name of the credentials file.
        file: String,
        /// The credential's field in it.
        field: String,
    },
    /// A variable whose name differs from a known one in case or underscores only.
    #[error("{variable} is not read; the variable is called {right}")]
    Misspelled {
        /// The variable's name, as written.
        variable: String,
        /// The name that was probably meant.
        right: String,
    },
    /// A variable that has no effect without another.
    #[error("{variable} is not read, because {without} is not set")]
    Alone {
        /// The name of the useless variable.
        variable: &'static str,
        /// The name of the variable it needs.
        without: &'static str,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}
