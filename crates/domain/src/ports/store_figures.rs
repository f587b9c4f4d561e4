//! Figures of a database, for its operators.

use async_trait::async_trait;

use super::ImageStoreError;
use crate::JobState;

/// Counts go no further than this, so that they cost little however much there is.
pub const MOST_COUNTED: u32 = 10_000;

/// Counts what waits in a database.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait StoreFigures: Send + Sync {
    /// The figures of now. One bounded read, which sees what its own node has applied.
    async fn figures(&self) -> Result<Figures, ImageStoreError>;
}

/// What a database holds; each number is at most [`MOST_COUNTED`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// How many jobs are in each state, in the order of [`JobState::ALL`].
    pub jobs: [u32; JobState::ALL.len()],
    /// How many images were recorded, changed or deleted since the statistics of their time were rolled up.
    pub unrolled_changes: u32,
    /// How many deliveries to webhooks wait.
    pub waiting_deliveries: u32,
}
