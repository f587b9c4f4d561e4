//! End-to-end tests of the binary over HTTP: every row of the contract, on SQLite and on MySQL or MariaDB.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail loudly"
)]

mod backfill;
mod backup;
mod check;
mod check_settings;
mod client;
mod command_line;
mod compatible;
mod crash;
mod damage;
mod database;
mod edits;
mod errors;
mod faults;
mod images;
mod import;
mod jobs;
mod keys;
mod language;
mod lists;
mod local;
mod look_alikes;
mod metrics;
mod operation;
mod packaging;
mod page;
mod pictures;
mod removal;
mod server;
mod taken;
mod transfer;
mod upload;
mod upstreams;
mod vision;
mod vocabulary;
mod webhooks;
