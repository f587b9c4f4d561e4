//! Files in a place that is no folder.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use thiserror::Error;

use super::Cause;

/// Lists and reads files, in a bucket say. It never writes.
#[async_trait]
pub trait FileSource: Send + Sync {
    /// All files, in the order in which the place lists them. Ends after an error.
    fn list(&self) -> BoxStream<'static, Result<SourceFile, FileSourceError>>;

    /// The bytes of a file within a range that begins before its end; what of it lies beyond the end is left out.
    async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, FileSourceError>;
}

/// A file in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, with the folders that it is in.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// Why files cannot be listed or read.
#[derive(Debug, Clone, Error)]
pub enum FileSourceError {
    /// The file is not there any more.
    #[error("it is not there any more")]
    Missing,
    /// The place cannot be reached, or refuses access.
    #[error("the place that it is in is not available")]
    Unavailable(#[source] Cause),
}
