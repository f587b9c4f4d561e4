//! Decorators over the ports: retries, limits, circuit breaking, time-outs, counters.
//!
//! Adapters know nothing of them; the database adapter has its own retries and deadline. The building
//! blocks are in the crate `support`.

mod gate;
mod measured;
mod originals;
mod removal;
mod renditions;
mod uploads;
mod upstreams;

pub use gate::Gate;
pub use measured::{MeasuredProvider, MeasuredStore};
pub use originals::GuardedOriginals;
pub use removal::{GuardedRegistry, GuardedRemoval};
pub use renditions::GuardedRenditions;
pub use uploads::GuardedUploads;
pub use upstreams::{GuardedHost, GuardedProvider};
