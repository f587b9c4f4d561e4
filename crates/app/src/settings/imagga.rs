//! `[imagga]`: the account at Imagga, and how it is called.

use std::{num::NonZeroUsize, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::{
    MAX_CONCURRENCY, TIMEOUTS,
    error::{SettingsError, ValueError},
    values::Values,
};

/// The section `[imagga]`.
#[derive(Debug, Clone)]
pub struct ImaggaSettings {
    /// Where its API is; the paths of calls are appended.
    pub base_url: Url,
    /// The account, where one is set.
    pub credentials: Option<ImaggaCredentials>,
    /// Most calls at a time.
    pub concurrency: NonZeroUsize,
    /// How long one call may take.
    pub timeout: Duration,
}

/// An account at Imagga.
#[derive(Debug, Clone)]
pub struct ImaggaCredentials {
    /// The user name of its calls.
    pub api_key: SecretString,
    /// Their password.
    pub api_secret: SecretString,
}

impl ImaggaSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        Ok(Self {
            base_url: values.service_url("imagga.base_url")?,
            credentials: credentials(values)?,
            concurrency: values.count("imagga.concurrency", MAX_CONCURRENCY)?,
            timeout: values.duration("imagga.timeout", TIMEOUTS)?,
        })
    }
}

/// Half an account is a mistake, not an absent one.
fn credentials(values: &Values) -> Result<Option<ImaggaCredentials>, SettingsError> {
    const KEY: &str = "imagga.api_key";
    const SECRET: &str = "imagga.api_secret";
    let missing = |key, needed_by| values.impossible(key, ValueError::Missing { needed_by });
    match (values.secret(KEY)?, values.secret(SECRET)?) {
        (Some(api_key), Some(api_secret)) => Ok(Some(ImaggaCredentials {
            api_key,
            api_secret,
        })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(missing(KEY, SECRET)),
        (Some(_), None) => Err(missing(SECRET, KEY)),
    }
}
