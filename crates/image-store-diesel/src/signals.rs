//! Signals between a store and the program around it.

use std::sync::Arc;

use domain::ports::{ImageStoreError, cause};
use tokio::sync::{Notify, watch};

use crate::connections::Pools;

/// Signals between a store and the program around it. By default the schema exists.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Whether the schema exists. Until then every call fails with [`ImageStoreError::Unavailable`].
    pub schema: watch::Receiver<bool>,
    /// Notified after each image that was recorded, changed or deleted.
    pub recorded: Arc<Notify>,
    /// Notified after each job that was made.
    pub enqueued: Arc<Notify>,
    /// Learns of the pools of the store.
    pub pools: Pools,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            schema: watch::channel(true).1,
            recorded: Arc::default(),
            enqueued: Arc::default(),
            pools: Pools::default(),
        }
    }
}

impl Signals {
    pub(crate) fn require_schema(&self) -> Result<(), ImageStoreError> {
        if *self.schema.borrow() {
            return Ok(());
        }
        Err(ImageStoreError::Unavailable(cause(
            "the schema of the database is not there yet",
        )))
    }
}
