//! The ImageKit fake: upload, serving, deletion, listing and purging.

pub(crate) mod errors;
mod handle;
mod library;
mod limiter;
mod listing;
mod search;
mod state;
mod upload;

pub use handle::{ImageKit, Seed};
pub use library::File;
pub(crate) use state::{Settings, State};
