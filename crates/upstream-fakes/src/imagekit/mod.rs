//! The ImageKit fake: upload, serving, deletion, listing and purging.

pub(crate) mod errors;
mod handle;
mod library;
mod limiter;
mod listing;
mod removal;
mod search;
mod settings;
mod state;
mod upload;

pub use handle::{ImageKit, Seed};
pub use library::File;
pub(crate) use settings::Settings;
pub(crate) use state::State;
