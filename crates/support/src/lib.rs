//! Building blocks for calls: budgets, limits, circuit breaking, retries.
//!
//! A call to an upstream passes, from the outside in: the retries ([`RetryPolicy`]), the queue for a permit
//! ([`AdaptiveLimit`]), the [`CircuitBreaker`] and the time-out of one attempt; [`Guard`] combines them.

mod adaptive_limit;
mod byte_budget;
mod circuit_breaker;
mod guard;

pub use self::{
    adaptive_limit::{AdaptiveLimit, LimitUsage, Permit},
    byte_budget::{ByteBudget, Reservation},
    circuit_breaker::{BreakerState, CircuitBreaker, Pass},
    guard::{Guard, GuardSettings, GuardView, RetryPolicy},
};
