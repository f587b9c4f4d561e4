//! Access to the stored statistics of an image store, for verifying them.

use async_trait::async_trait;

use super::{ImageStoreError, RowMark};

/// Verifies the rollup segments behind
/// [`TagStatistics::tag_summaries`](super::TagStatistics::tag_summaries): statistics of a time span,
/// counted once and stored. Segments of level 0 are counted from rows, those of each further level merged
/// from the level below.
///
/// Every call is one bounded transaction, so it may run beside servers.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait StatisticsInspector: Send + Sync {
    /// The number of segments of all levels.
    async fn count_segments(&self) -> Result<u64, ImageStoreError>;

    /// Verifies the next segment after a cursor, lower levels first; `None` after the last one. A gap
    /// between segments is reported as a missing segment.
    async fn verify_segment(
        &self,
        after: Option<RowMark>,
    ) -> Result<Option<VerifiedSegment>, ImageStoreError>;

    /// Does one step of repairing a segment. Its inputs must be right: repair lower levels first.
    async fn repair_segment(
        &self,
        segment: &Segment,
        fault: SegmentFault,
    ) -> Result<Repair, ImageStoreError>;
}

/// A segment, in the store's own unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Its level, 0 being counted from rows.
    pub level: i32,
    /// Its first instant, included.
    pub from: i64,
    /// The first instant after it.
    pub until: i64,
}

impl Segment {
    /// Whether `other` is an input of this segment.
    pub fn is_above(&self, other: &Self) -> bool {
        self.level > other.level && self.from < other.until && other.from < self.until
    }
}

/// A verified segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSegment {
    /// The segment's level and span.
    pub segment: Segment,
    /// Its table and key, to find it in the database.
    pub name: String,
    /// What is wrong with it, with a description.
    pub fault: Option<(SegmentFault, String)>,
    /// The cursor of the next one.
    pub next: RowMark,
}

/// What is wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentFault {
    /// It differs from its inputs.
    Altered,
    /// There is none for its time span.
    Missing,
    /// It overlaps another one, or lies after what was counted.
    Misplaced,
}

/// The progress of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// The segment is right now.
    Done,
    /// There is more to do.
    More,
    /// Its inputs are wrong themselves.
    Impossible,
}
