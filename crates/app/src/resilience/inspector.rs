//! What looks at the rows of the image store, guarded: patient with rivals, never endless.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    ContentDigest,
    ports::{
        ImageStoreError, Inspected, Inspector, RecordedOriginal, Repair, RowMark, Rows, Segment,
        SegmentFault, StatisticsInspector, VerifiedSegment,
    },
};

use super::store::patiently;

/// An inspector that repeats what others were in the way of, and gives up what hangs.
pub struct GuardedInspector {
    inner: Arc<dyn Inspector>,
    deadline: Duration,
}

impl GuardedInspector {
    /// Guards an inspector. No call takes much longer than the deadline.
    pub fn new(inner: Arc<dyn Inspector>, deadline: Duration) -> Self {
        Self { inner, deadline }
    }
}

#[async_trait]
impl Inspector for GuardedInspector {
    async fn count(&self, rows: Rows) -> Result<u64, ImageStoreError> {
        patiently(self.deadline, || self.inner.count(rows)).await
    }

    async fn inspect(
        &self,
        rows: Rows,
        after: Option<RowMark>,
        limit: NonZeroU32,
    ) -> Result<Inspected, ImageStoreError> {
        patiently(self.deadline, || {
            self.inner.inspect(rows, after.clone(), limit)
        })
        .await
    }

    async fn recorded(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<RecordedOriginal>, ImageStoreError> {
        patiently(self.deadline, || self.inner.recorded(digests)).await
    }
}

/// The same for what verifies the statistics.
pub struct GuardedStatistics {
    inner: Arc<dyn StatisticsInspector>,
    deadline: Duration,
}

impl GuardedStatistics {
    /// Guards it. No call takes much longer than the deadline.
    pub fn new(inner: Arc<dyn StatisticsInspector>, deadline: Duration) -> Self {
        Self { inner, deadline }
    }
}

#[async_trait]
impl StatisticsInspector for GuardedStatistics {
    async fn count_segments(&self) -> Result<u64, ImageStoreError> {
        patiently(self.deadline, || self.inner.count_segments()).await
    }

    async fn verify_segment(
        &self,
        after: Option<RowMark>,
    ) -> Result<Option<VerifiedSegment>, ImageStoreError> {
        patiently(self.deadline, || self.inner.verify_segment(after.clone())).await
    }

    async fn repair_segment(
        &self,
        segment: &Segment,
        fault: SegmentFault,
    ) -> Result<Repair, ImageStoreError> {
        patiently(self.deadline, || self.inner.repair_segment(segment, fault)).await
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::{MockInspector, cause};

    use super::*;

    fn guarded(inspector: MockInspector) -> GuardedInspector {
        GuardedInspector::new(Arc::new(inspector), Duration::from_secs(30))
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_what_another_transaction_was_in_the_way_of() {
        let mut inspector = MockInspector::new();
        inspector
            .expect_count()
            .times(3)
            .returning(|_| Err(ImageStoreError::Contended(cause("lock"))));
        inspector.expect_count().times(1).returning(|_| Ok(7));
        let counted = guarded(inspector).count(Rows::Images).await;
        assert_eq!(counted.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_nothing_else() {
        let mut inspector = MockInspector::new();
        inspector
            .expect_inspect()
            .times(1)
            .withf(|rows, after, _| *rows == Rows::Images && *after == Some(RowMark(vec![7])))
            .returning(|_, _, _| Err(ImageStoreError::Unavailable(cause("gone"))));
        let place = Some(RowMark(vec![7]));
        let outcome = guarded(inspector)
            .inspect(Rows::Images, place, NonZeroU32::MIN)
            .await;
        assert!(matches!(outcome, Err(ImageStoreError::Unavailable(_))));
    }
}
