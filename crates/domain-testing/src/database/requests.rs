//! Requests with idempotency keys. Their clock is that of this machine.

use std::{num::NonZeroU32, time::SystemTime};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use domain::{
    Fence, IdempotentRequest, ImageId, OUTCOME_KEPT, RequestFingerprint, RequestKey, RequestLease,
    ports::{Begun, IdempotencyStore, ImageStoreError},
};

use super::{FakeDatabase, State};

#[derive(Debug)]
pub(super) struct Request {
    fingerprint: RequestFingerprint,
    fence: Fence,
    outcome: Option<ImageId>,
    expires_at: DateTime<Utc>,
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

impl FakeDatabase {
    /// The number of requests in progress, and of those with an outcome.
    pub fn requests(&self) -> (usize, usize) {
        let state = self.state();
        let done = state.requests.values();
        let done = done.filter(|request| request.outcome.is_some()).count();
        (state.requests.len() - done, done)
    }

    /// Lets every lease and outcome expire.
    pub fn expire_requests(&self) {
        for request in self.state().requests.values_mut() {
            request.expires_at = now();
        }
    }
}

impl State {
    /// The request of a lease, while that is held.
    fn held(&mut self, lease: &RequestLease) -> Option<&mut Request> {
        let request = self.requests.get_mut(&lease.key)?;
        (request.fence == lease.fence && request.outcome.is_none()).then_some(request)
    }

    /// Whether a lease is held.
    pub(super) fn holds(&mut self, lease: &RequestLease) -> bool {
        self.held(lease).is_some()
    }

    /// Keeps the outcome of a request whose lease is held.
    pub(super) fn complete(&mut self, lease: &RequestLease, image: ImageId) {
        if let Some(request) = self.held(lease) {
            request.outcome = Some(image);
            request.expires_at = now() + OUTCOME_KEPT;
        }
    }

    fn begin(&mut self, new: &IdempotentRequest, expires_at: DateTime<Utc>) -> RequestLease {
        let fence = Fence::random();
        let request = Request {
            fingerprint: new.fingerprint,
            fence,
            outcome: None,
            expires_at,
        };
        self.requests.insert(new.key, request);
        RequestLease {
            key: new.key,
            fence,
        }
    }

    fn expired(&self) -> Vec<RequestKey> {
        let now = now();
        let requests = self.requests.iter();
        let expired = requests.filter(|(_, request)| request.expires_at <= now);
        let mut expired: Vec<_> = expired.collect();
        expired.sort_unstable_by_key(|(_, request)| request.expires_at);
        expired.into_iter().map(|(key, _)| *key).collect()
    }
}

#[async_trait]
impl IdempotencyStore for FakeDatabase {
    async fn begin_request(
        &self,
        new: &IdempotentRequest,
        lease: TimeDelta,
    ) -> Result<Begun, ImageStoreError> {
        let mut state = self.call().await;
        let known = state.requests.get(&new.key);
        Ok(match known.filter(|known| known.expires_at > now()) {
            None => Begun::Started(state.begin(new, now() + lease)),
            Some(known) if known.fingerprint != new.fingerprint => Begun::Mismatch,
            Some(known) => known.outcome.map_or(Begun::InProgress, Begun::Done),
        })
    }

    async fn renew_request(
        &self,
        lease: &RequestLease,
        duration: TimeDelta,
    ) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let held = state.held(lease);
        Ok(held
            .map(|request| request.expires_at = now() + duration)
            .is_some())
    }

    async fn cancel_request(&self, lease: &RequestLease) -> Result<(), ImageStoreError> {
        let mut state = self.call().await;
        if state.holds(lease) {
            state.requests.remove(&lease.key);
        }
        Ok(())
    }

    async fn remove_expired_requests(&self, limit: NonZeroU32) -> Result<u32, ImageStoreError> {
        let mut state = self.call().await;
        let mut removed = 0;
        for key in state.expired().into_iter().take(limit.get() as usize) {
            state.requests.remove(&key);
            removed += 1;
        }
        Ok(removed)
    }
}
