//! What a store and the program around it tell each other.

use std::sync::Arc;

use domain::ports::{ImageStoreError, cause};
use tokio::sync::{Notify, watch};

/// What a store and the program around it tell each other. By default the schema is there.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Whether the schema is there. Until then every call answers [`ImageStoreError::Unavailable`].
    pub schema: watch::Receiver<bool>,
    /// Notified after each image that was recorded.
    pub recorded: Arc<Notify>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            schema: watch::channel(true).1,
            recorded: Arc::default(),
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
