//! Sessions of browsers.

use chrono::{DateTime, Utc};

use crate::SecretDigest;

/// A session, which stands for the key that it was begun with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The digest of its token.
    pub token: SecretDigest,
    /// The digest of its key. The session is void once there is no such key.
    pub key: SecretDigest,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// The first instant at which it is void.
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// Whether it has run out by then.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }
}
