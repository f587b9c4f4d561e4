//! All ports of one database together.

use super::{
    ImageStore, Inspector, KeyStore, OriginalLedger, RemovalLedger, SessionStore,
    StatisticsInspector, TagStatistics, TaggingCache,
};

/// Everything that one database keeps. Services take the ports that they need; this one is for whoever opens
/// a database, and for the contract suites.
pub trait Database:
    ImageStore
    + TagStatistics
    + TaggingCache
    + OriginalLedger
    + RemovalLedger
    + KeyStore
    + SessionStore
    + Inspector
    + StatisticsInspector
{
}

impl<T> Database for T where
    T: ImageStore
        + TagStatistics
        + TaggingCache
        + OriginalLedger
        + RemovalLedger
        + KeyStore
        + SessionStore
        + Inspector
        + StatisticsInspector
{
}
