//! The Imagga fake: tags, uploads, usage and the limits of a plan.

mod envelope;
pub(crate) mod errors;
mod handle;
mod quota;
mod settings;
mod sight;
mod state;
mod tags;
mod uploads;
mod usage;
mod vocabulary;

pub use handle::{Imagga, tags_of};
pub(crate) use settings::Settings;
pub(crate) use sight::Sight;
pub(crate) use state::State;
