//! Making, listing and revoking keys.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{
    ApiKey, KeyId, KeyName, KeySecret, Scopes, SecretError,
    ports::{Clock, ImageStoreError, KeyStore},
};

/// The most keys that are kept, expired ones included.
pub const MAX_KEYS: u32 = 1_000;

/// A key that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// What it is for.
    pub name: KeyName,
    /// What it is to allow.
    pub scopes: Scopes,
    /// The first instant at which it is void; none is never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why no key was made.
#[derive(Debug, Clone, Error)]
pub enum KeyError {
    /// It would be void at once.
    #[error("the key would have expired already")]
    Expired,
    /// There are as many as are kept.
    #[error("there are {MAX_KEYS} keys already; revoke one first")]
    TooMany,
    /// There is no randomness for its secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
}

/// The keys of a store.
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

    /// Makes a key with a new secret, which is told this once.
    pub async fn create(&self, request: KeyRequest) -> Result<(ApiKey, KeySecret), KeyError> {
        let secret = KeySecret::random()?;
        let key = self.create_with(request, &secret).await?;
        Ok((key, secret))
    }

    /// Makes a key with a secret that the caller has put somewhere safe.
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
