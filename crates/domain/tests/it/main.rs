//! Tests of the domain's services, against the in-memory fakes and against mocks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod access;
mod backfill;
mod catalog;
mod check;
mod importing;
mod ingest;
mod jobs;
mod label_filter;
mod look_alikes;
mod renditions;
mod sidecars;
mod source;
mod taggers;
mod temporary_uploads;
mod transfer;
mod upkeep;
mod vocabulary;
