//! The merged values, each with its origin.

use std::fmt;

use config::{Config, ConfigError, Value, ValueKind};

use super::error::SettingsError;

/// The merged values.
#[derive(Clone, Default)]
pub(super) struct InForce(Config);

impl InForce {
    pub(super) fn new(merged: Config) -> Self {
        Self(merged)
    }

    pub(super) fn config(&self) -> &Config {
        &self.0
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        // `Config::get` deserializes into a new value, which has no origin.
        key.split('.')
            .try_fold(&self.0.cache, |value, name| match &value.kind {
                ValueKind::Table(table) => table.get(name),
                _ => None,
            })
    }

    /// The file or variable that set a value; `None` is the default.
    pub(super) fn origin(&self, key: &str) -> Option<&str> {
        self.get(key)?.origin()
    }

    /// An error that names the setting, the problem, and where it was set.
    pub(super) fn impossible(&self, key: &str, problem: impl Into<String>) -> SettingsError {
        SettingsError::Impossible {
            key: key.to_owned(),
            problem: problem.into(),
            origin: self.origin(key).unwrap_or("default").to_owned(),
        }
    }

    /// The error of a reader. Only its own text is shown: other errors of `config` quote the value.
    pub(super) fn refused(&self, error: ConfigError) -> SettingsError {
        let ConfigError::At { error, key, .. } = error else {
            return SettingsError::Merge;
        };
        match (*error, key) {
            (ConfigError::Message(problem), Some(key)) => self.impossible(&key, problem),
            _ => SettingsError::Merge,
        }
    }
}

/// Omits the values, which may be secrets.
impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").finish_non_exhaustive()
    }
}
