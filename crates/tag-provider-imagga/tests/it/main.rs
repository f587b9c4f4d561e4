//! Imagga's adapter against a strict Imagga, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may fail loudly"
)]

mod contract;
mod failures;
mod quota;
mod support;
mod tagging;
