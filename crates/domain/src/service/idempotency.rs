//! Requests under idempotency keys.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use crate::{
    IdempotencyKey, IdempotentRequest, RequestFingerprint, RequestKey, RequestLease,
    ports::{Begun, IdempotencyStore, ImageStoreError},
    service::KeyHolder,
};

/// How long a lease lasts. A request of a server that was killed can be repeated after that time.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// Sees to it that a request repeated under its idempotency key is carried out once.
#[derive(Clone)]
pub struct Idempotency {
    store: Arc<dyn IdempotencyStore>,
}

impl Idempotency {
    /// How often the lease of a request that takes long must be renewed.
    pub const RENEWAL: Duration = Duration::from_secs(5);

    /// Creates the service on its port.
    pub fn new(store: Arc<dyn IdempotencyStore>) -> Self {
        Self { store }
    }

    /// Begins a request of the holder of an API key, or of an anonymous caller.
    pub async fn begin(
        &self,
        holder: Option<KeyHolder>,
        key: &IdempotencyKey,
        fingerprint: RequestFingerprint,
    ) -> Result<Begun, ImageStoreError> {
        let owner = match holder {
            None => "anonymous".to_owned(),
            Some(KeyHolder::Admin) => "admin".to_owned(),
            Some(KeyHolder::Key(id)) => format!("key {id}"),
        };
        let request = IdempotentRequest {
            key: RequestKey::new(&owner, key),
            fingerprint,
        };
        self.store.begin_request(&request, LEASE).await
    }

    /// Renews the lease of a request. `false` if another request has taken it over, or it has ended.
    pub async fn renew(&self, lease: &RequestLease) -> Result<bool, ImageStoreError> {
        self.store.renew_request(lease, LEASE).await
    }

    /// Ends a request that failed, as if it had never been sent.
    pub async fn cancel(&self, lease: &RequestLease) -> Result<(), ImageStoreError> {
        self.store.cancel_request(lease).await
    }
}
