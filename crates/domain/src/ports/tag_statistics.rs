//! Statistics of the labels in an image store.

use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{ConfidenceHistogram, Label, PageKey, TagSummary, TimeWindow};

/// Counts how labels are used: exactly, at any number of images.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait TagStatistics: Send + Sync {
    /// Usage of each label in the images of a window: most used first, ties by label.
    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError>;

    /// Counts a bounded number of the images of a window with a label, newest first after a cursor, by
    /// confidence. Returns the cursor to go on from, if there may be more.
    async fn confidences(
        &self,
        label: &Label,
        window: &TimeWindow,
        after: Option<PageKey>,
    ) -> Result<(ConfidenceHistogram, Option<PageKey>), ImageStoreError>;

    /// Those of some labels that an image carries.
    async fn carried(&self, labels: &[Label]) -> Result<HashSet<Label>, ImageStoreError>;

    /// Does one bounded step of the rollup that keeps [`TagStatistics::tag_summaries`] fast. `true` if
    /// there may be more to do.
    ///
    /// It changes no result. Several processes may roll up at once.
    ///
    /// # Errors
    /// [`ImageStoreError::Contended`] on a conflict. Others may be queued behind it, so back off before the
    /// retry.
    async fn roll_up(&self, now: DateTime<Utc>) -> Result<bool, ImageStoreError>;

    /// The stretch of rolled-up images around a time, which is counted by its rows once one of them changes and until
    /// the next rollup; `None` where nothing is rolled up yet.
    async fn stretch(&self, at: DateTime<Utc>) -> Result<Option<TimeWindow>, ImageStoreError>;
}
