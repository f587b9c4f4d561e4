//! All ports of one database.

use super::{
    CodeStore, DeliveryQueue, FeatureStore, IdempotencyStore, ImageBackfill, ImageCounter,
    ImageEdits, ImageInfoStore, ImageStore, Inspector, JobQueue, JobStore, KeyStore,
    OriginalLedger, RemovalLedger, SessionStore, StatisticsInspector, StoreExport, StoreFigures,
    StoreRestore, TagStatistics, TaggingCache, VocabularyStore, WebhookStore,
};

/// All ports of a database in one trait. Services take the ports they need; this one is for code that opens
/// a database, and for the contract suites.
pub trait Database:
    ImageStore
    + ImageBackfill
    + ImageCounter
    + ImageEdits
    + ImageInfoStore
    + TagStatistics
    + TaggingCache
    + OriginalLedger
    + RemovalLedger
    + KeyStore
    + SessionStore
    + IdempotencyStore
    + JobStore
    + JobQueue
    + VocabularyStore
    + FeatureStore
    + CodeStore
    + WebhookStore
    + DeliveryQueue
    + Inspector
    + StatisticsInspector
    + StoreExport
    + StoreFigures
    + StoreRestore
{
}

impl<T> Database for T where
    T: ImageStore
        + ImageBackfill
        + ImageCounter
        + ImageEdits
        + ImageInfoStore
        + TagStatistics
        + TaggingCache
        + OriginalLedger
        + RemovalLedger
        + KeyStore
        + SessionStore
        + IdempotencyStore
        + JobStore
        + JobQueue
        + VocabularyStore
        + FeatureStore
        + CodeStore
        + WebhookStore
        + DeliveryQueue
        + Inspector
        + StatisticsInspector
        + StoreExport
        + StoreFigures
        + StoreRestore
{
}
