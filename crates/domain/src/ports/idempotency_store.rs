//! Storage of requests under idempotency keys.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::TimeDelta;

use super::ImageStoreError;
use crate::{IdempotentRequest, ImageId, RequestLease};

/// Stores which requests were begun under an idempotency key, and what came of them.
///
/// A request is carried out under a lease. [`ImageStore::record`](super::ImageStore::record) ends it and keeps the
/// outcome, in the transaction that records the image. Leases and outcomes expire by the clock of the database, so
/// that those of servers need not agree. A clock that is wrong may hold a request up, but never gives it two outcomes:
/// that rests on the fence of the lease alone.
///
/// Each method may be several statements; each is atomic, and leaves the store in one of the states above.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Begins a request, with a lease of that duration. Of concurrent calls with one key, one gets the lease.
    async fn begin_request(
        &self,
        request: &IdempotentRequest,
        lease: TimeDelta,
    ) -> Result<Begun, ImageStoreError>;

    /// Lets a lease expire that long from now. `false` if it is no longer held.
    async fn renew_request(
        &self,
        lease: &RequestLease,
        duration: TimeDelta,
    ) -> Result<bool, ImageStoreError>;

    /// Ends a lease without an outcome: the request leaves no trace. Does nothing if the lease is no longer held, or
    /// has an outcome.
    async fn cancel_request(&self, lease: &RequestLease) -> Result<(), ImageStoreError>;

    /// Removes expired leases and outcomes, oldest first, at most `limit`. Returns their number.
    async fn remove_expired_requests(&self, limit: NonZeroU32) -> Result<u32, ImageStoreError>;
}

/// The state of a request when it is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is new, or its lease or outcome had expired. It is to be carried out under this lease.
    Started(RequestLease),
    /// The same request is being carried out.
    InProgress,
    /// The same request registered this image.
    Done(ImageId),
    /// A request with another fingerprint was begun under this key.
    Mismatch,
}
