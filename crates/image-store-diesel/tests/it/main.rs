//! Tests of the image store on real databases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod contract;
mod files;
mod mysql;
mod servers;
mod sqlite;
mod unreadable;
