//! Storage of browser sessions.

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{SecretDigest, Session};

/// Stores sessions by the digests of their tokens. A session refers to its key by digest; callers check that the
/// key exists and is valid.
///
/// Each method is one transaction.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Adds a session. Removes those that have expired at its start, then the oldest, so that at most `at_most` (at
    /// least 1) remain. Concurrent calls may exceed that number.
    async fn add_session(&self, session: &Session, at_most: u32) -> Result<(), ImageStoreError>;

    /// The session whose token has that digest, expired or not.
    async fn session_of(&self, token: &SecretDigest) -> Result<Option<Session>, ImageStoreError>;

    /// Removes a session. Returns `false` if there is none.
    async fn remove_session(&self, token: &SecretDigest) -> Result<bool, ImageStoreError>;
}
