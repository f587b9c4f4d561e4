//! All ports of one database together.

use super::{
    ImageInfoStore, ImageStore, Inspector, OriginalLedger, RemovalLedger, StatisticsInspector,
    TagStatistics, TaggingCache,
};

/// Everything that one database keeps. Services take the ports that they need; this one is for whoever opens
/// a database, and for the contract suites.
pub trait Database:
    ImageStore
    + ImageInfoStore
    + TagStatistics
    + TaggingCache
    + OriginalLedger
    + RemovalLedger
    + Inspector
    + StatisticsInspector
{
}

impl<T> Database for T where
    T: ImageStore
        + ImageInfoStore
        + TagStatistics
        + TaggingCache
        + OriginalLedger
        + RemovalLedger
        + Inspector
        + StatisticsInspector
{
}
