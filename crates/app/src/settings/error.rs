//! Why settings are refused, and what is merely odd about them.

use std::{io, sync::Arc};

use domain::{ConfidenceError, ports::Cause};
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
        problem: ValueError,
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
    /// The value of one of the database's or the image folder's variables is impossible.
    #[error("{variable}: {problem}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong with its value.
        problem: ValueError,
    },
    /// A file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// Its name.
        file: String,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// A file that somebody named is not there.
    #[error("{file}: no such file")]
    NoFile {
        /// Its name.
        file: String,
    },
    /// A file is not in its format. The position is told, the text never: it may be a secret.
    #[error("{file}: line {line}: {problem}")]
    Syntax {
        /// Its name.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// A field of the credentials file is wrong.
    #[error("{field}: {problem} (from {file})")]
    Credentials {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: ValueError,
        /// The file's name.
        file: String,
    },
}

/// What is wrong with a value.
#[derive(Debug, Clone, Error)]
pub enum ValueError {
    /// No number, or one out of range.
    #[error("{} is not a number from {from} to {to}", shown(.value))]
    Number {
        /// The value.
        value: String,
        /// The lowest.
        from: u64,
        /// The highest.
        to: u64,
    },
    /// A number that is no confidence.
    #[error(transparent)]
    Confidence(#[from] ConfidenceError),
    /// None of the words that are possible.
    #[error("{} is not one of {}", shown(.value), .choices.join(", "))]
    Choice {
        /// The value.
        value: String,
        /// What is possible.
        choices: Vec<&'static str>,
    },
    /// No duration.
    #[error("{} is not a duration such as 30s, 5m or 1h", shown(.value))]
    Duration {
        /// The value.
        value: String,
    },
    /// A duration out of range.
    #[error("{} is not a duration from {from} to {to}", shown(.value))]
    DurationRange {
        /// The value.
        value: String,
        /// The shortest.
        from: humantime::Duration,
        /// The longest.
        to: humantime::Duration,
    },
    /// Something else than what the setting wants.
    #[error("{} is not {what}", shown(.value))]
    NotA {
        /// The value.
        value: String,
        /// What is wanted, with an article.
        what: &'static str,
    },
    /// The same for a value that is not to be shown.
    #[error("is not {what}")]
    NotASecret {
        /// What is wanted, with an article.
        what: &'static str,
    },
    /// Nothing, where something is needed.
    #[error("is empty")]
    Empty,
    /// A table or a list in the place of a value.
    #[error("is not a single value")]
    NotSingle,
    /// A value in the place of a section.
    #[error("is a section, not a value")]
    NotASection,
    /// A number or the like in the place of a text.
    #[error("must be written in quotes")]
    NotQuoted,
    /// No Unicode.
    #[error("is not UTF-8 text")]
    NotUnicode,
    /// Missing although another setting needs it.
    #[error("is missing, and {needed_by} needs it")]
    Missing {
        /// What needs it.
        needed_by: &'static str,
    },
    /// Less than another setting, which it must hold.
    #[error("{value} is less than {other}, which is {least}")]
    LessThan {
        /// The value.
        value: usize,
        /// The other setting.
        other: &'static str,
        /// Its value.
        least: usize,
    },
    /// A field that the file does not have.
    #[error("no such field")]
    UnknownField,
    /// Two spellings of the same.
    #[error("is there twice, as {other}, too")]
    Twice {
        /// The other spelling.
        other: &'static str,
    },
    /// What whoever uses the setting says of it; holds no secret.
    #[error("{0}")]
    Refused(Cause),
}

/// Something odd that does not stop the start.
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

/// A value as it is shown in an error: in quotes where it would else be hard to see.
fn shown(value: &str) -> String {
    let plain = !value.is_empty()
        && value.trim() == value
        && value.chars().all(|c| !c.is_control())
        && value.chars().count() <= 60;
    if plain {
        value.to_owned()
    } else {
        format!("{:?}", value.chars().take(60).collect::<String>())
    }
}
