//! Raw access to the rows of an image store, for checks.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Cause, ImageStoreError};
use crate::{ContentDigest, ImageFacts, ImageId};

/// Scans the rows of an image store, and reports unreadable ones.
///
/// A scan sees every row that exists for its whole duration; rows inserted or deleted meanwhile may be
/// missed. It takes no locks that delay others.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Inspector: Send + Sync {
    /// The number of rows of a kind.
    async fn count(&self, rows: Rows) -> Result<u64, ImageStoreError>;

    /// Reads at most `limit` rows of a kind after a cursor, in an order of the store's own. A row that
    /// cannot be read is not an error but reported among the unreadable ones.
    async fn inspect(
        &self,
        rows: Rows,
        after: Option<RowMark>,
        limit: NonZeroU32,
    ) -> Result<Inspected, ImageStoreError>;

    /// Which of these originals are recorded, in no particular order.
    async fn recorded(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<RecordedOriginal>, ImageStoreError>;
}

/// A kind of rows, scanned separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rows {
    /// The labels of tags, with their ids.
    Labels,
    /// Images with their tags. Their labels and originals are verified with them.
    Images,
    /// Providers' answers, as cached for later uploads.
    Taggings,
    /// Facts and claims of originals.
    Originals,
}

/// A cursor of a scan, opaque to all but its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowMark(pub Vec<u8>);

/// A batch of inspected rows.
#[derive(Debug, Clone, Default)]
pub struct Inspected {
    /// The number of rows, unreadable ones included.
    pub rows: u64,
    /// The originals read, if the rows are those of originals and are readable that far.
    pub originals: Vec<RecordedOriginal>,
    /// Rows that cannot be read, wholly or in part.
    pub unreadable: Vec<UnreadableRow>,
    /// The cursor of the next batch; `None` at the end.
    pub next: Option<RowMark>,
}

/// The record of an original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedOriginal {
    /// The digest that addresses the original.
    pub digest: ContentDigest,
    /// Its facts, if recorded and readable.
    pub facts: Option<ImageFacts>,
    /// Whether an image refers to it.
    pub is_used: bool,
    /// The first such image, if its id is readable.
    pub image: Option<ImageId>,
    /// Until when an upload or a removal claims it.
    pub claimed_until: Option<DateTime<Utc>>,
}

/// A row that cannot be read.
#[derive(Debug, Clone)]
pub struct UnreadableRow {
    /// Its table and key, to find it in the database.
    pub name: String,
    /// The image it belongs to, if known.
    pub image: Option<ImageId>,
    /// The original it belongs to, if known.
    pub digest: Option<ContentDigest>,
    /// What is wrong with it.
    pub reason: Cause,
}
