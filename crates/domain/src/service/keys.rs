//! Creating, listing and revoking API keys.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{
    ApiKey, KeyId, KeyName, KeySecret, Scopes, SecretError,
    ports::{Clock, ImageStoreError, KeyStore},
};

/// The most keys stored, expired ones included.
pub const MAX_KEYS: u32 = 1_000;

/// The parameters of a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// Its name.
    pub name: KeyName,
    /// Its permissions.
    pub scopes: Scopes,
    /// When it expires, exclusive; `None` is never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why a key was not created.
#[derive(Debug, Clone, Error)]
pub enum KeyError {
    /// The expiry is in the past.
    #[error("the key would have expired already")]
    Expired,
    /// [`MAX_KEYS`] is reached.
    #[error("there are {MAX_KEYS} keys already; revoke one first")]
    TooMany,
    /// No random bytes for the secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
}

/// Manages the API keys of a store.
#[derive(Clone)]
pub struct Keys {
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
}

impl Keys {
    /// Puts the service together.
    pub fn new(store: Arc<dyn KeyStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Creates a key with a new secret, which is not stored.
    pub async fn create(&self, request: KeyRequest) -> Result<(ApiKey, KeySecret), KeyError> {
        let secret = KeySecret::random()?;
        let key = self.create_with(request, &secret).await?;
        Ok((key, secret))
    }

    /// Creates a key with a secret that the caller has saved already.
    pub async fn create_with(
        &self,
        request: KeyRequest,
        secret: &KeySecret,
    ) -> Result<ApiKey, KeyError> {
        let key = ApiKey {
            id: KeyId::random(),
            name: request.name,
            scopes: request.scopes,
            digest: secret.digest(),
            created_at: self.clock.now(),
            expires_at: request.expires_at,
            last_used_at: None,
        };
        if key.is_expired(key.created_at) {
            return Err(KeyError::Expired);
        }
        if self.store.add_key(&key, MAX_KEYS).await? {
            Ok(key)
        } else {
            Err(KeyError::TooMany)
        }
    }

    /// All keys, oldest first, expired ones included.
    pub async fn list(&self) -> Result<Vec<ApiKey>, ImageStoreError> {
        self.store.keys().await
    }

    /// Removes a key, and ends its sessions. `false` if there is no such key.
    pub async fn revoke(&self, id: &KeyId) -> Result<bool, ImageStoreError> {
        self.store.remove_key(id).await
    }
}
