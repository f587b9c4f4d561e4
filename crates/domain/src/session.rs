//! Sessions of browsers.

use chrono::{DateTime, Utc};

use crate::SecretDigest;

/// A browser session. It grants what its key grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The digest of its token.
    pub token: SecretDigest,
    /// The digest of its key. The session is invalid once that key is.
    pub key: SecretDigest,
    /// When it started.
    pub created_at: DateTime<Utc>,
    /// When it expires, exclusive.
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// Whether it has expired by `now`.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }
}
