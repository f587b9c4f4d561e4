//! The rows of an image store, as they are: for checking them.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Cause, ImageStoreError};
use crate::{ContentDigest, ImageFacts, ImageId};

/// Looks at the rows of an image store one by one, and tells of those that nobody can read.
///
/// A walk sees every row that is there from its beginning to its end; of those that come and go
/// meanwhile it may see any. It holds nobody up.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Inspector: Send + Sync {
    /// How many rows of a kind there are.
    async fn count(&self, rows: Rows) -> Result<u64, ImageStoreError>;

    /// Reads rows of a kind, in an order of the store's own, from a place on, at most `limit`. A
    /// row that cannot be read is no error, but among those told of.
    async fn inspect(
        &self,
        rows: Rows,
        after: Option<RowMark>,
        limit: NonZeroU32,
    ) -> Result<Inspected, ImageStoreError>;

    /// Those of these originals that are known, in no particular order.
    async fn recorded(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<RecordedOriginal>, ImageStoreError>;
}

/// A kind of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rows {
    /// The labels of tags.
    Labels,
    /// Images with their tags. What their labels and originals are is told with these.
    Images,
    /// Providers' answers.
    Taggings,
    /// What is known of the originals.
    Originals,
}

/// A place in a walk along rows. What it holds means something to its store alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowMark(pub Vec<u8>);

/// Some rows that were looked at.
#[derive(Debug, Clone, Default)]
pub struct Inspected {
    /// How many there were, those that cannot be read among them.
    pub rows: u64,
    /// What they say, where they are those of originals and say that much.
    pub originals: Vec<RecordedOriginal>,
    /// Those that cannot be read, or not wholly.
    pub unreadable: Vec<UnreadableRow>,
    /// Where the next ones begin; none if there are no more.
    pub next: Option<RowMark>,
}

/// What is recorded of an original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedOriginal {
    /// Its digest.
    pub digest: ContentDigest,
    /// Its facts, where they are known and can be read.
    pub facts: Option<ImageFacts>,
    /// Whether an image refers to it.
    pub is_used: bool,
    /// The first such image, where its id can be read.
    pub image: Option<ImageId>,
    /// Until when an upload or a removal claims it.
    pub claimed_until: Option<DateTime<Utc>>,
}

/// A row that cannot be read.
#[derive(Debug, Clone)]
pub struct UnreadableRow {
    /// How it is found in the database: its table and its key.
    pub name: String,
    /// The image that it is about, where that is known.
    pub image: Option<ImageId>,
    /// The original that it is about, where that is known.
    pub digest: Option<ContentDigest>,
    /// What is wrong with it.
    pub reason: Cause,
}
