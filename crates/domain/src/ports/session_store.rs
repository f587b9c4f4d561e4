//! Where the sessions of browsers are kept.

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{SecretDigest, Session};

/// Keeps sessions, by the digests of their tokens. A session refers to its key by the digest of that; whether
/// there is such a key is for the caller to find out.
///
/// Each method is one transaction.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Keeps a new session. Those that have run out when it begins go, and of the rest the oldest, so that with
    /// this one there are at most `at_most`, which is not 0. Sessions that are added at the same moment may exceed
    /// that number.
    async fn add_session(&self, session: &Session, at_most: u32) -> Result<(), ImageStoreError>;

    /// The session whose token has that digest, also if it has run out.
    async fn session_of(&self, token: &SecretDigest) -> Result<Option<Session>, ImageStoreError>;

    /// Removes a session. `false` if there is no such session.
    async fn remove_session(&self, token: &SecretDigest) -> Result<bool, ImageStoreError>;
}
