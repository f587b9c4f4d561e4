//! Authentication of callers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use super::keys::MAX_KEYS;
use crate::{
    ApiKey, KeyId, KeySecret, Scope, Scopes, SecretDigest, Session, SessionToken,
    ports::{Clock, ImageStoreError, KeyStore, SessionStore, cause},
};

/// How long a session lasts.
const SESSION: TimeDelta = TimeDelta::days(30);

/// The most sessions stored.
const MAX_SESSIONS: u32 = 10_000;

/// The shortest interval between two records of a key's use.
const NOTE_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What the service works with.
#[derive(Clone)]
pub struct AccessPorts {
    /// The API keys.
    pub keys: Arc<dyn KeyStore>,
    /// The sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// The admin key of the settings, which grants everything. Only its digest is held.
#[derive(Debug, Clone)]
pub struct AdminKey(SecretDigest);

/// The text cannot be an admin key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an admin key has {} to {} visible ASCII characters and no blanks",
    AdminKey::SHORTEST,
    AdminKey::LONGEST
)]
pub struct AdminKeyError;

impl AdminKey {
    /// The shortest key, in characters.
    pub const SHORTEST: usize = 32;

    /// The longest key, in characters.
    pub const LONGEST: usize = 512;

    /// Takes a text as a key.
    pub fn parse(text: &str) -> Result<Self, AdminKeyError> {
        let is_key = (Self::SHORTEST..=Self::LONGEST).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_key
            .then(|| Self(SecretDigest::of(text)))
            .ok_or(AdminKeyError)
    }
}

/// The holder of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyHolder {
    /// The key of the settings.
    Admin,
    /// A key of the store.
    Key(KeyId),
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its key.
    pub holder: KeyHolder,
    /// Its permissions.
    pub scopes: Scopes,
}

impl Caller {
    /// Whether it has `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.allow(scope)
    }
}

/// Authenticates callers by key or session. Unknown, expired and revoked credentials yield `None`.
pub struct Access {
    ports: AccessPorts,
    admin: Option<AdminKey>,
    /// When this process last recorded a use of each key. At most [`MAX_KEYS`] entries that are still of interest.
    noted: Mutex<HashMap<KeyId, DateTime<Utc>>>,
}

impl Access {
    /// Puts the service together.
    pub fn new(ports: AccessPorts, admin: Option<AdminKey>) -> Self {
        Self {
            ports,
            admin,
            noted: Mutex::default(),
        }
    }

    /// Whether the settings have an admin key.
    pub fn has_admin_key(&self) -> bool {
        self.admin.is_some()
    }

    /// The caller that holds `key`.
    pub async fn by_key(&self, key: &str) -> Result<Option<Caller>, ImageStoreError> {
        // Without an admin key, only generated keys are valid.
        let is_known = self.admin.is_some() || KeySecret::is_well_formed(key);
        if !is_known || key.len() > AdminKey::LONGEST {
            return Ok(None);
        }
        self.by_digest(&SecretDigest::of(key)).await
    }

    /// The caller that holds the session `token`.
    pub async fn by_session(&self, token: &str) -> Result<Option<Caller>, ImageStoreError> {
        if !SessionToken::is_well_formed(token) {
            return Ok(None);
        }
        let token = SecretDigest::of(token);
        let now = self.ports.clock.now();
        match self.ports.sessions.session_of(&token).await? {
            Some(session) if session.token == token && !session.is_expired(now) => {
                self.by_digest(&session.key).await
            }
            _ => Ok(None),
        }
    }

    /// Starts a session of 30 days for the holder of `key`. `None` if the key is not valid.
    pub async fn begin_session(&self, key: &str) -> Result<Option<SessionToken>, ImageStoreError> {
        if self.by_key(key).await?.is_none() {
            return Ok(None);
        }
        let token =
            SessionToken::random().map_err(|error| ImageStoreError::Failed(cause(error)))?;
        let created_at = self.ports.clock.now();
        let session = Session {
            token: token.digest(),
            key: SecretDigest::of(key),
            created_at,
            expires_at: created_at + SESSION,
        };
        self.ports
            .sessions
            .add_session(&session, MAX_SESSIONS)
            .await?;
        Ok(Some(token))
    }

    /// Ends the session `token`, if there is one.
    pub async fn end_session(&self, token: &str) -> Result<(), ImageStoreError> {
        if SessionToken::is_well_formed(token) {
            let token = SecretDigest::of(token);
            self.ports.sessions.remove_session(&token).await?;
        }
        Ok(())
    }

    /// The key whose use must now be recorded with [`note_use`](Self::note_use): at most once a minute per key.
    pub fn due(&self, caller: &Caller) -> Option<KeyId> {
        let KeyHolder::Key(id) = caller.holder else {
            return None;
        };
        let now = self.ports.clock.now();
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&id).is_some_and(|last| now - *last < NOTE_EVERY) {
            return None;
        }
        if noted.len() >= MAX_KEYS as usize {
            noted.retain(|_, last| now - *last < NOTE_EVERY);
        }
        noted.insert(id, now);
        Some(id)
    }

    /// Records that a key is used now.
    pub async fn note_use(&self, id: &KeyId) -> Result<(), ImageStoreError> {
        let now = self.ports.clock.now();
        self.ports.keys.note_key_use(id, now).await
    }

    async fn by_digest(&self, digest: &SecretDigest) -> Result<Option<Caller>, ImageStoreError> {
        if self.admin.as_ref().is_some_and(|admin| admin.0 == *digest) {
            return Ok(Some(Caller {
                holder: KeyHolder::Admin,
                scopes: Scopes::admin(),
            }));
        }
        let now = self.ports.clock.now();
        let key = self.ports.keys.key_of(digest).await?;
        // Found by index in the database; this comparison is constant-time.
        let is_valid = |key: &ApiKey| key.digest == *digest && !key.is_expired(now);
        Ok(key.filter(is_valid).map(|key| Caller {
            holder: KeyHolder::Key(key.id),
            scopes: key.scopes,
        }))
    }
}
