//! Decorators over the ports: retries, limits, circuit breaking, time-outs.
//!
//! No adapter knows of them. What they are made of is in the crate `support`.

mod inspector;
mod originals;
mod removal;
mod store;
mod upstreams;

pub use inspector::{GuardedInspector, GuardedStatistics};
pub use originals::GuardedOriginals;
pub use removal::{GuardedRegistry, GuardedRemoval};
pub use store::{Gate, GuardedStore, Recorded};
pub use upstreams::{GuardedHost, GuardedProvider};
