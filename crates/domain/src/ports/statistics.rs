//! The statistics that an image store keeps beside its rows: for verifying them.

use async_trait::async_trait;

use super::{ImageStoreError, RowMark};

/// Verifies the segments behind [`TagStatistics::tag_summaries`](super::TagStatistics::tag_summaries): what was
/// counted once of a stretch of time, and kept. Segments of level 0 were counted from rows, those of
/// each further level put together from those below.
///
/// Every call is one bounded transaction, so it may run beside servers.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait StatisticsInspector: Send + Sync {
    /// How many segments there are.
    async fn count_segments(&self) -> Result<u64, ImageStoreError>;

    /// Verifies the next segment after a mark, lower levels first; none after the last one. A gap
    /// between segments is a segment that is missing.
    async fn verify_segment(
        &self,
        after: Option<RowMark>,
    ) -> Result<Option<VerifiedSegment>, ImageStoreError>;

    /// Does a step towards repairing a segment. What it is made of must be right: repair lower levels
    /// first.
    async fn repair_segment(
        &self,
        segment: &Segment,
        fault: SegmentFault,
    ) -> Result<Repair, ImageStoreError>;
}

/// A segment, in a store's own measure of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Its level.
    pub level: i32,
    /// Where it begins.
    pub from: i64,
    /// The first instant after it.
    pub until: i64,
}

impl Segment {
    /// Whether this one is made of that one, among others.
    pub fn is_above(&self, other: &Self) -> bool {
        self.level > other.level && self.from < other.until && other.from < self.until
    }
}

/// A segment that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSegment {
    /// Which one.
    pub segment: Segment,
    /// How it is found in the database: its table and its key.
    pub name: String,
    /// What is wrong with it, and in words.
    pub fault: Option<(SegmentFault, String)>,
    /// Where the next one is.
    pub next: RowMark,
}

/// What is wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentFault {
    /// It says something else than what it is made of.
    Altered,
    /// There is none for its stretch of time.
    Missing,
    /// It is where no segment belongs: over another one, or after what was counted.
    Misplaced,
}

/// How far a repair has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// It is done.
    Done,
    /// There is more to do.
    More,
    /// What it would be made of is not right itself.
    Impossible,
}
