//! Where API keys are kept.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{ApiKey, KeyId, SecretDigest};

/// Keeps API keys, by the digests of their secrets.
///
/// Expired keys are kept like others: whether a key is valid is for the caller to say. Each method is one
/// transaction.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Keeps a new key, unless there are `at_most` keys already: then `false`, and nothing happens. Keys that are
    /// added at the same moment may exceed that number.
    async fn add_key(&self, key: &ApiKey, at_most: u32) -> Result<bool, ImageStoreError>;

    /// All keys, oldest first (ties: lowest id first).
    async fn keys(&self) -> Result<Vec<ApiKey>, ImageStoreError>;

    /// The key whose secret has that digest.
    async fn key_of(&self, digest: &SecretDigest) -> Result<Option<ApiKey>, ImageStoreError>;

    /// Removes a key, and the sessions that were begun with it. `false` if there is no such key.
    async fn remove_key(&self, id: &KeyId) -> Result<bool, ImageStoreError>;

    /// Notes that a key was used at that time. An earlier time than the one noted changes nothing; nor does a key
    /// that is not there.
    async fn note_key_use(&self, id: &KeyId, at: DateTime<Utc>) -> Result<(), ImageStoreError>;
}
