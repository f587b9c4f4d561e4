//! The fakes over real HTTP: every documented answer, and every way to fail.
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
