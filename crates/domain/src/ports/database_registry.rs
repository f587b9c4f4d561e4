//! The databases that share originals.

use async_trait::async_trait;

use super::OriginalStoreError;
use crate::DatabaseId;

/// The ids of the databases that keep originals in the same folder or bucket.
///
/// A database knows only its own references. While several databases are registered, none of them may
/// remove any original.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait DatabaseRegistry: Send + Sync {
    /// Registers a database, durably, before it relies on any original. Idempotent.
    async fn register(&self, database: &DatabaseId) -> Result<(), OriginalStoreError>;

    /// The registered ids, in ascending order. Ids registered before the call are included.
    async fn databases(&self) -> Result<Vec<DatabaseId>, OriginalStoreError>;

    /// Removes an id, durably. `false` if it is not registered.
    async fn unregister(&self, database: &DatabaseId) -> Result<bool, OriginalStoreError>;
}
