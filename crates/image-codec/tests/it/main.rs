//! Tests of the codec with files of every format.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test may fail loudly"
)]

mod animations;
mod bare;
mod bounds;
mod fax;
mod formats;
#[cfg(feature = "heic")]
mod heic;
mod hostile;
mod jpeg_in_tiff;
mod jpeg_kinds;
mod kinds;
mod mutations;
mod orientation;
mod renditions;
mod samples;
mod scales;
mod tiff_kinds;
mod truncation;
