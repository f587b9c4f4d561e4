//! `[database]`: where images and tags are recorded.

use std::{num::NonZeroUsize, time::Duration};

use secrecy::SecretString;

use super::{
    TIMEOUTS,
    error::SettingsError,
    values::{Values, not_empty},
};

/// The section `[database]`.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `sqlite://FILE` or `mysql://USER:PASSWORD@HOST:PORT/NAME`, as it was written.
    pub url: SecretString,
    /// Most connections that are open at a time.
    pub max_connections: NonZeroUsize,
    /// How long one call may take, with its repetitions.
    pub timeout: Duration,
}

impl DatabaseSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        Ok(Self {
            url: values.parse("database.url", |text| {
                not_empty(text).map(SecretString::from)
            })?,
            max_connections: values.count("database.max_connections", 1_000)?,
            timeout: values.duration("database.timeout", TIMEOUTS)?,
        })
    }
}
