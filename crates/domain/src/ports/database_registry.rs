//! Which databases keep originals in one place.

use async_trait::async_trait;

use super::OriginalStoreError;
use crate::DatabaseId;

/// The ids of the databases that keep originals in a folder or bucket, left there by each of them.
///
/// A database knows only which originals it needs itself. Where there are several, none of them may take
/// any original away.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait DatabaseRegistry: Send + Sync {
    /// Leaves the id of a database, durably, before the database relies on any original. May be repeated.
    async fn register(&self, database: &DatabaseId) -> Result<(), OriginalStoreError>;

    /// The ids that were left, in ascending order. One that was registered before the call is among them.
    async fn databases(&self) -> Result<Vec<DatabaseId>, OriginalStoreError>;

    /// Takes an id away, durably. `false` if it is not there.
    async fn unregister(&self, database: &DatabaseId) -> Result<bool, OriginalStoreError>;
}
