//! Tests of the fakes over HTTP: every documented response, and every fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test may fail loudly"
)]

mod control;
mod faults;
mod imagekit;
mod imagekit_library;
mod imagga;
mod imagga_limits;
mod lifecycle;
mod support;
