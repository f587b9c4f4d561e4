//! `[log]`: what is logged, and in which form.

use tracing_subscriber::EnvFilter;

use super::{
    error::{SettingsError, ValueError},
    values::Values,
};

/// The section `[log]`.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// The form of the lines.
    pub format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`; `None` leaves it to the command.
    pub filter: Option<String>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, else JSON.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        let formats = [
            ("auto", LogFormat::Auto),
            ("human", LogFormat::Human),
            ("json", LogFormat::Json),
        ];
        Ok(Self {
            format: values.choice("log.format", &formats)?,
            filter: values.parse("log.filter", filter)?,
        })
    }
}

fn filter(text: &str) -> Result<Option<String>, ValueError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    EnvFilter::try_new(text).map_err(|_| ValueError::NotA {
        value: text.to_owned(),
        what: "a level (error, warn, info, debug, trace), or levels by target",
    })?;
    Ok(Some(text.to_owned()))
}
