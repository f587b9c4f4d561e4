//! The interfaces that adapters implement.
//!
//! The documentation of each trait is its contract; `domain_testing::contract` has a suite for each, which
//! every adapter passes, including the in-memory fakes. "Not found" is never an error.

mod blob_host;
mod cause;
mod clock;
mod code_store;
mod codec_error;
mod context;
mod database;
mod database_registry;
mod delivery_queue;
mod feature_extractor;
mod feature_store;
mod file_source;
mod idempotency_store;
mod image_backfill;
mod image_codec;
mod image_counter;
mod image_edits;
mod image_info_store;
mod image_store;
mod inspector;
mod job_change;
mod job_queue;
mod job_store;
mod key_store;
mod original_ledger;
mod original_removal;
mod original_store;
mod picture_archive;
mod picture_source;
mod removal_ledger;
mod rendition_store;
mod session_store;
mod similarity_index;
mod statistics;
mod store_export;
mod store_figures;
mod store_restore;
mod tag_provider;
mod tag_statistics;
mod tagging_cache;
mod upload_store;
mod upstream;
mod vocabulary_store;
mod webhook_sender;
mod webhook_store;

pub use blob_host::{BlobHost, HostedBlob, ReleaseQueue};
pub use cause::{Cause, cause, in_words};
pub use clock::Clock;
pub use code_store::{CodeNumber, CodeStore};
pub use codec_error::CodecError;
pub use context::{CallContext, ClientKey};
pub use database::Database;
pub use database_registry::DatabaseRegistry;
pub use delivery_queue::{
    ClaimedDelivery, DeliveryLease, DeliveryOutcome, DeliveryQueue, WebhookEndpoint,
};
pub use feature_extractor::FeatureExtractor;
pub use feature_store::FeatureStore;
pub use file_source::{FileSource, FileSourceError, SourceFile};
pub use idempotency_store::{Begun, IdempotencyStore};
pub use image_backfill::{BackfillBegun, BackfillImage, FilledImage, ImageBackfill};
pub use image_codec::ImageCodec;
pub use image_counter::{Counted, ImageCounter};
pub use image_edits::{ImageEdits, Revision, TagChange, TagsChanged, TagsVersion, VersionedTags};
pub use image_info_store::ImageInfoStore;
pub use image_store::{ImageStore, ImageStoreError};
pub use inspector::{Inspected, Inspector, RecordedOriginal, RowMark, Rows, UnreadableRow};
pub use job_change::{ImageChange, ItemOutcome, JobChange, KeptTags};
pub use job_queue::{Advanced, ClaimedJob, JobLease, JobQueue, JobStep, StepEnd};
pub use job_store::{JobStore, NewJob};
pub use key_store::KeyStore;
pub use original_ledger::{Claimed, OriginalLedger, StoredBytes};
pub use original_removal::{Fate, OriginalRemoval, SetAside};
pub use original_store::{
    Fingerprint, OriginalContent, OriginalStore, OriginalStoreError, PutMode, Stamp, StoredObject,
    StoredOriginal, clip,
};
pub use picture_archive::{ArchiveError, ArchivedPicture, PictureArchive};
pub use picture_source::PictureSource;
pub use removal_ledger::RemovalLedger;
pub use rendition_store::RenditionStore;
pub use session_store::SessionStore;
pub use similarity_index::{Neighbour, SimilarityIndex};
pub use statistics::{Repair, Segment, SegmentFault, StatisticsInspector, VerifiedSegment};
pub use store_export::{ExportPosition, StoreExport, StoredImage};
pub use store_figures::{Figures, MOST_COUNTED, StoreFigures};
pub use store_restore::{Restoration, RestoredImage, StoreRestore};
pub use tag_provider::{Prediction, Quota, TagProvider};
pub use tag_statistics::TagStatistics;
pub use tagging_cache::{Known, TaggingCache};
pub use upload_store::{KeptUploads, UploadStore};
pub use upstream::UpstreamError;
pub use vocabulary_store::{StoredVocabulary, VocabularyStore};
pub use webhook_sender::{SendError, SignedMessage, WebhookReply, WebhookSender, WebhookUrlError};
pub use webhook_store::WebhookStore;

#[cfg(any(test, feature = "mocks"))]
pub use self::{
    blob_host::{MockBlobHost, MockReleaseQueue},
    clock::MockClock,
    code_store::MockCodeStore,
    database_registry::MockDatabaseRegistry,
    delivery_queue::MockDeliveryQueue,
    feature_store::MockFeatureStore,
    idempotency_store::MockIdempotencyStore,
    image_backfill::MockImageBackfill,
    image_codec::MockImageCodec,
    image_counter::MockImageCounter,
    image_edits::MockImageEdits,
    image_info_store::MockImageInfoStore,
    image_store::MockImageStore,
    inspector::MockInspector,
    job_queue::MockJobQueue,
    job_store::MockJobStore,
    key_store::MockKeyStore,
    original_ledger::MockOriginalLedger,
    original_removal::MockOriginalRemoval,
    original_store::MockOriginalStore,
    removal_ledger::MockRemovalLedger,
    rendition_store::MockRenditionStore,
    session_store::MockSessionStore,
    statistics::MockStatisticsInspector,
    store_export::MockStoreExport,
    store_figures::MockStoreFigures,
    store_restore::MockStoreRestore,
    tag_statistics::MockTagStatistics,
    tagging_cache::MockTaggingCache,
    upload_store::MockUploadStore,
    vocabulary_store::MockVocabularyStore,
    webhook_sender::MockWebhookSender,
    webhook_store::MockWebhookStore,
};
