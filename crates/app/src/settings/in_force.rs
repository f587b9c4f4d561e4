//! The merged values, each with its origin.

use std::fmt;

use config::{Config, ConfigError, Value, ValueKind};

use super::error::SettingsError;

/// What the layers come to.
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
        // `Config::get` makes a new value, which has no origin.
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

    /// Says what is wrong with a setting, and where it was set.
    pub(super) fn impossible(&self, key: &str, problem: impl Into<String>) -> SettingsError {
        SettingsError::Impossible {
            key: key.to_owned(),
            problem: problem.into(),
            origin: self.origin(key).unwrap_or("default").to_owned(),
        }
    }

    /// What a reader refused. Its text alone is shown: other errors of `config` quote the value.
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

/// Shows no values: there are secrets among them.
impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").finish_non_exhaustive()
    }
}
