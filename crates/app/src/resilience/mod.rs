//! Decorators over the ports: retries, limits, circuit breaking, time-outs.
//!
//! No adapter knows of them; that of the database has retries and a deadline of its own. What they are made of is
//! in the crate `support`.

mod gate;
mod originals;
mod removal;
mod upstreams;

pub use gate::Gate;
pub use originals::GuardedOriginals;
pub use removal::{GuardedRegistry, GuardedRemoval};
pub use upstreams::{GuardedHost, GuardedProvider};
