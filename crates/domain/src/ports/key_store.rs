//! Storage of API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{ApiKey, KeyId, SecretDigest};

/// Stores API keys by the digests of their secrets.
///
/// Expired keys are returned like others; callers check validity. Each method is one transaction.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Adds a key. Returns `false` and adds nothing if there are `at_most` keys already. Concurrent calls may exceed
    /// that number.
    async fn add_key(&self, key: &ApiKey, at_most: u32) -> Result<bool, ImageStoreError>;

    /// All keys, oldest first (ties: lowest id first).
    async fn keys(&self) -> Result<Vec<ApiKey>, ImageStoreError>;

    /// The key whose secret has that digest.
    async fn key_of(&self, digest: &SecretDigest) -> Result<Option<ApiKey>, ImageStoreError>;

    /// Removes a key and its sessions. Returns `false` if there is no such key.
    async fn remove_key(&self, id: &KeyId) -> Result<bool, ImageStoreError>;

    /// Sets the last use of a key, unless a later one is recorded. Does nothing if there is no such key.
    async fn note_key_use(&self, id: &KeyId, at: DateTime<Utc>) -> Result<(), ImageStoreError>;
}
