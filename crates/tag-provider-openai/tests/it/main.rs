//! The adapter of vision servers against a strict one, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may fail loudly"
)]

mod contract;
mod failures;
mod support;
mod tagging;
