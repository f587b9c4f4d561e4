//! How labels are used by the images of an image store.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{TagSummary, TimeWindow};

/// Counts how labels are used, exactly, at any number of images.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait TagStatistics: Send + Sync {
    /// How each label is used by the images of a window: most used first, ties by label.
    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError>;

    /// Does one bounded step of the work that keeps [`TagStatistics::tag_summaries`] fast. `true` if there
    /// may be more to do.
    ///
    /// No answer changes by that. Several may do it at once, in several processes.
    ///
    /// # Errors
    /// [`ImageStoreError::Contended`] if something held it up. As others may have waited behind it, it
    /// should be tried again later, not at once.
    async fn roll_up(&self, now: DateTime<Utc>) -> Result<bool, ImageStoreError>;
}
