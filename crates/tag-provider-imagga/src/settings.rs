//! Settings of the Imagga provider.

use domain::ProviderIdentityError;
use secrecy::SecretString;
use thiserror::Error;
use upstream_http::BaseUrlError;

use crate::UnknownLanguage;

/// An account, and how it is used.
#[derive(Debug, Clone)]
pub struct ImaggaSettings {
    /// The API: `https://api.imagga.com`.
    pub base_url: String,
    /// The account's key, the user name of its calls.
    pub api_key: SecretString,
    /// The account's secret, the password of its calls.
    pub api_secret: SecretString,
    /// The language of the tags, one of [`LANGUAGES`](crate::LANGUAGES).
    pub language: String,
    /// How pictures reach Imagga.
    pub delivery: Delivery,
    /// Longest side in pixels of the copy sent; 0 sends the original.
    pub max_side: u32,
}

/// How pictures reach Imagga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Each is uploaded with the call.
    File,
    /// Imagga fetches each from a blob host.
    PublicUrl,
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImaggaSettingsError {
    /// The URL is not a base URL.
    #[error("Imagga's URL: {0}")]
    BaseUrl(#[from] BaseUrlError),
    /// The language is not one of Imagga's.
    #[error(transparent)]
    Language(#[from] UnknownLanguage),
    /// The resulting identity is not valid.
    #[error(transparent)]
    Identity(#[from] ProviderIdentityError),
}
