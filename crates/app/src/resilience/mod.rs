//! What stands between the domain and services that fail, hang or have enough of us.
//!
//! These are decorators over the ports, so that no adapter knows of them. An upstream call passes,
//! from the outside in: the retries ([`RetryPolicy`]), the queue for a place ([`Limiter`]), the
//! circuit breaker ([`Breaker`]) and the time-out of one attempt.

mod breaker;
mod guard;
mod inspector;
mod limiter;
mod originals;
mod removal;
mod store;
mod upstreams;

pub use breaker::Breaker;
pub use guard::{Guard, GuardSettings, RetryPolicy};
pub use inspector::{GuardedInspector, GuardedStatistics};
pub use limiter::Limiter;
pub use originals::GuardedOriginals;
pub use removal::{GuardedRegistry, GuardedRemoval};
pub use store::{Gate, GuardedStore, Recorded};
pub use upstreams::{GuardedHost, GuardedProvider};
