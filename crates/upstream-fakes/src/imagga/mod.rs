//! The Imagga fake: tags, uploads, usage and the limits of a plan.

pub(crate) mod errors;
mod handle;
mod quota;
mod state;
mod tags;
mod uploads;
mod vocabulary;

pub use handle::{Imagga, tags_of};
pub(crate) use state::{Settings, State};
