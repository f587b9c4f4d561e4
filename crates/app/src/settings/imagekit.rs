//! `[imagekit]`: the account at ImageKit, and how it is called.

use std::{num::NonZeroUsize, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::{MAX_CONCURRENCY, TIMEOUTS, error::SettingsError, values::Values};

/// The section `[imagekit]`.
#[derive(Debug, Clone)]
pub struct ImageKitSettings {
    /// Where pictures are uploaded; the paths of calls are appended.
    pub upload_url: Url,
    /// Where the rest of its API is.
    pub api_url: Url,
    /// The account, where one is set.
    pub private_key: Option<SecretString>,
    /// Most calls at a time.
    pub concurrency: NonZeroUsize,
    /// How long one call may take.
    pub timeout: Duration,
    /// Whether the CDN's copy is purged after a release.
    pub purge: bool,
}

impl ImageKitSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        Ok(Self {
            upload_url: values.service_url("imagekit.upload_url")?,
            api_url: values.service_url("imagekit.api_url")?,
            private_key: values.secret("imagekit.private_key")?,
            concurrency: values.count("imagekit.concurrency", MAX_CONCURRENCY)?,
            timeout: values.duration("imagekit.timeout", TIMEOUTS)?,
            purge: values.flag("imagekit.purge")?,
        })
    }
}
