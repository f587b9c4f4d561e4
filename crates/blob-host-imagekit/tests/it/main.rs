//! Tests of the ImageKit adapter against a strict fake, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test may fail loudly"
)]

mod contract;
mod failures;
mod forgotten;
mod hosting;
mod purging;
mod releasing;
mod support;
