//! `[originals]`: where the uploaded files are kept.

use std::time::Duration;

use secrecy::SecretString;

use super::{
    TIMEOUTS,
    error::SettingsError,
    values::{Values, not_empty},
};

/// The section `[originals]`.
#[derive(Debug, Clone)]
pub struct OriginalsSettings {
    /// `file:FOLDER` or `s3://BUCKET/PREFIX`, as it was written. No secret belongs there, but one
    /// that somebody put there all the same is kept.
    pub url: SecretString,
    /// How long one call may take.
    pub timeout: Duration,
}

impl OriginalsSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        Ok(Self {
            url: values.parse("originals.url", |text| {
                not_empty(text).map(SecretString::from)
            })?,
            timeout: values.duration("originals.timeout", TIMEOUTS)?,
        })
    }
}
