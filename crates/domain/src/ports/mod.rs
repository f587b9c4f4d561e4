//! What the domain asks of the world outside.
//!
//! The documentation of each trait is its contract; `domain_testing::contract` has a suite for each, which
//! every adapter passes, the in-memory fakes included. "Not found" is never an error.

mod blob_host;
mod clock;
mod codec_error;
mod context;
mod database_registry;
mod image_codec;
mod image_store;
mod inspector;
mod original_removal;
mod original_store;
mod picture_source;
mod statistics;
mod tag_provider;
mod upstream;

use std::{error::Error, sync::Arc};

pub use blob_host::{BlobHost, HostedBlob, ReleaseQueue};
pub use clock::Clock;
pub use codec_error::CodecError;
pub use context::{CallContext, ClientKey};
pub use database_registry::DatabaseRegistry;
pub use image_codec::ImageCodec;
pub use image_store::{Claimed, ImageStore, ImageStoreError, Known};
pub use inspector::{Inspected, Inspector, RecordedOriginal, RowMark, Rows, UnreadableRow};
pub use original_removal::{Fate, OriginalRemoval, SetAside};
pub use original_store::{
    Fingerprint, OriginalContent, OriginalStore, OriginalStoreError, PutMode, Stamp, StoredObject,
    StoredOriginal,
};
pub use picture_source::PictureSource;
pub use statistics::{Repair, Segment, SegmentFault, StatisticsInspector, VerifiedSegment};
pub use tag_provider::{Quota, TagProvider};
pub use upstream::UpstreamError;

#[cfg(any(test, feature = "mocks"))]
pub use self::{
    blob_host::{MockBlobHost, MockReleaseQueue},
    clock::MockClock,
    database_registry::MockDatabaseRegistry,
    image_codec::MockImageCodec,
    image_store::MockImageStore,
    inspector::MockInspector,
    original_removal::MockOriginalRemoval,
    original_store::MockOriginalStore,
    statistics::MockStatisticsInspector,
};

/// What went wrong underneath: for the log, never for a client. Shared, because uploads of the same
/// bytes share their outcome.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Makes a [`Cause`] of an error or of a text.
pub fn cause(error: impl Into<Box<dyn Error + Send + Sync>>) -> Cause {
    Arc::from(error.into())
}

/// An error with its causes, in words. A cause that an error tells of itself is not repeated.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}
