//! The pictures of another program.

use std::num::NonZeroU32;

use async_trait::async_trait;
use thiserror::Error;

use super::Cause;

/// Reads the pictures that another program registered, with their tags. It never writes.
///
/// All calls see the same snapshot, whatever that program writes. After an error every call fails.
#[async_trait]
pub trait PictureArchive: Send + Sync {
    /// How many pictures there are.
    async fn count(&self) -> Result<u64, ArchiveError>;

    /// The pictures behind an id, in the order of their ids, at most `limit`; the first ones for none. Fewer than
    /// `limit` means that there are no more.
    async fn page(
        &self,
        after: Option<&str>,
        limit: NonZeroU32,
    ) -> Result<Vec<ArchivedPicture>, ArchiveError>;
}

/// A picture as the other program kept it: texts are as they were found, and may be anything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ArchivedPicture {
    /// Its id.
    pub id: String,
    /// The path of its file, as that program saw it.
    pub path: String,
    /// When it was registered, by that program's clock.
    pub date: String,
    /// Its tags, each with its confidence; none where that is no number.
    pub tags: Vec<(String, Option<f64>)>,
}

/// Why pictures of another program cannot be read.
#[derive(Debug, Clone, Error)]
pub enum ArchiveError {
    /// The other program's database cannot be reached, or the connection was lost.
    #[error("the other program's database is not available")]
    Unavailable(#[source] Cause),
    /// The database is not that of the program: a table or a column is missing, or may not be read.
    #[error("the other program's database refused a statement")]
    Foreign(#[source] Cause),
}
