//! Sidecars in the forms in which programs write them: read, merged, and checked by `ExifTool`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod exiftool;
mod forms;
mod merging;
mod refused;
