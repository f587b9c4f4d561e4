//! Requests with idempotency keys.

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::{claim, limit, new};
use crate::{at, image};
use domain::{
    ContentDigest, IdempotencyKey, IdempotentRequest, Image, NewImage, RequestFingerprint,
    RequestKey, RequestLease, UploadSource,
    ports::{Begun, Database, ImageStoreError},
};

chapter!(
    a_request_is_in_progress_until_it_has_an_outcome,
    another_fingerprint_is_a_mismatch,
    keys_are_apart,
    a_cancelled_request_leaves_no_trace,
    an_outcome_is_not_cancelled,
    an_expired_lease_is_taken_over,
    the_holder_of_an_older_lease_records_nothing,
    a_renewed_lease_lasts,
    expired_requests_are_removed_and_no_others,
    one_of_several_requests_at_once_begins,
    one_of_several_requests_at_once_takes_over,
);

/// Longer than any of these rules takes.
const LONG: TimeDelta = TimeDelta::hours(1);

/// A lease that has expired when it is granted.
const EXPIRED: TimeDelta = TimeDelta::zero();

fn request(key: &str, content: &str) -> IdempotentRequest {
    let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
    let digest = ContentDigest::of(content.as_bytes());
    IdempotentRequest {
        key: RequestKey::new("somebody", &key),
        fingerprint: RequestFingerprint::of_upload(UploadSource::Bytes(&digest), None),
    }
}

async fn begin(
    store: &dyn Database,
    request: &IdempotentRequest,
    lease: TimeDelta,
) -> Option<RequestLease> {
    match store.begin_request(request, lease).await.unwrap() {
        Begun::Started(lease) => {
            assert_eq!(lease.key, request.key);
            Some(lease)
        }
        _ => None,
    }
}

async fn state(store: &dyn Database, request: &IdempotentRequest) -> Begun {
    store.begin_request(request, LONG).await.unwrap()
}

/// Claims the original of a new image and records it for a request.
async fn record(
    store: &dyn Database,
    content: &str,
    lease: RequestLease,
) -> (Image, Result<(), ImageStoreError>) {
    let image = image(content.as_bytes(), at(0), &[("car", 90.0)]);
    claim(store, &image).await;
    let new = NewImage {
        request: Some(lease),
        ..new(&image)
    };
    let outcome = store.record(&new).await;
    (image, outcome)
}

async fn a_request_is_in_progress_until_it_has_an_outcome(store: &dyn Database) {
    let request = request("k", "a");
    let lease = begin(store, &request, LONG).await.unwrap();
    for _ in 0..2 {
        assert_eq!(state(store, &request).await, Begun::InProgress);
    }
    let (image, outcome) = record(store, "a", lease).await;
    outcome.unwrap();
    for _ in 0..2 {
        assert_eq!(state(store, &request).await, Begun::Done(image.id));
    }
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
    // It has an outcome: nothing is recorded for it any more.
    let (second, outcome) = record(store, "b", lease).await;
    assert!(matches!(outcome, Err(ImageStoreError::LeaseLost)));
    assert_eq!(store.find(&second.id).await.unwrap(), None);
}

async fn another_fingerprint_is_a_mismatch(store: &dyn Database) {
    let (first, other) = (request("k", "a"), request("k", "b"));
    let lease = begin(store, &first, LONG).await.unwrap();
    assert_eq!(state(store, &other).await, Begun::Mismatch);
    record(store, "a", lease).await.1.unwrap();
    assert_eq!(state(store, &other).await, Begun::Mismatch);
}

async fn keys_are_apart(store: &dyn Database) {
    let leases = [
        begin(store, &request("k", "a"), LONG).await,
        begin(store, &request("K", "a"), LONG).await,
        begin(store, &request("l", "a"), LONG).await,
    ];
    assert!(leases.iter().all(Option::is_some), "{leases:?}");
}

async fn a_cancelled_request_leaves_no_trace(store: &dyn Database) {
    let (first, other) = (request("k", "a"), request("k", "b"));
    let lease = begin(store, &first, LONG).await.unwrap();
    for _ in 0..2 {
        store.cancel_request(&lease).await.unwrap();
    }
    assert!(!store.renew_request(&lease, LONG).await.unwrap());
    let (image, outcome) = record(store, "a", lease).await;
    assert!(matches!(outcome, Err(ImageStoreError::LeaseLost)));
    assert_eq!(store.find(&image.id).await.unwrap(), None);
    assert!(begin(store, &other, LONG).await.is_some());
}

/// A caller may not have been told that its image was recorded.
async fn an_outcome_is_not_cancelled(store: &dyn Database) {
    let request = request("k", "a");
    let lease = begin(store, &request, LONG).await.unwrap();
    let (image, outcome) = record(store, "a", lease).await;
    outcome.unwrap();
    store.cancel_request(&lease).await.unwrap();
    assert!(!store.renew_request(&lease, EXPIRED).await.unwrap());
    assert_eq!(state(store, &request).await, Begun::Done(image.id));
}

async fn an_expired_lease_is_taken_over(store: &dyn Database) {
    let (first, other) = (request("k", "a"), request("k", "b"));
    let dead = begin(store, &first, EXPIRED).await.unwrap();
    let lease = begin(store, &other, LONG).await.unwrap();
    assert_ne!(dead.fence, lease.fence);
    assert_eq!(state(store, &other).await, Begun::InProgress);
    assert_eq!(state(store, &first).await, Begun::Mismatch);
}

async fn the_holder_of_an_older_lease_records_nothing(store: &dyn Database) {
    let request = request("k", "a");
    let older = begin(store, &request, EXPIRED).await.unwrap();
    let lease = begin(store, &request, LONG).await.unwrap();
    store.cancel_request(&older).await.unwrap();
    assert!(!store.renew_request(&older, LONG).await.unwrap());
    let (lost, outcome) = record(store, "a", older).await;
    assert!(matches!(outcome, Err(ImageStoreError::LeaseLost)));
    assert_eq!(store.find(&lost.id).await.unwrap(), None);
    let (image, outcome) = record(store, "a", lease).await;
    outcome.unwrap();
    assert_eq!(state(store, &request).await, Begun::Done(image.id));
}

/// One that has expired as well, unless it was taken over.
async fn a_renewed_lease_lasts(store: &dyn Database) {
    let request = request("k", "a");
    let lease = begin(store, &request, EXPIRED).await.unwrap();
    assert!(store.renew_request(&lease, LONG).await.unwrap());
    assert_eq!(state(store, &request).await, Begun::InProgress);
    record(store, "a", lease).await.1.unwrap();
}

async fn expired_requests_are_removed_and_no_others(store: &dyn Database) {
    let done = request("done", "a");
    let lease = begin(store, &done, EXPIRED).await.unwrap();
    // The outcome is kept for longer than the lease.
    let (image, outcome) = record(store, "a", lease).await;
    outcome.unwrap();
    let running = request("running", "a");
    begin(store, &running, LONG).await.unwrap();
    for number in 0..5 {
        let request = request(&format!("expired-{number}"), "a");
        begin(store, &request, EXPIRED).await.unwrap();
    }
    for expected in [2, 2, 1, 0] {
        let removed = store.remove_expired_requests(limit(2)).await.unwrap();
        assert_eq!(removed, expected);
    }
    assert_eq!(state(store, &done).await, Begun::Done(image.id));
    assert_eq!(state(store, &running).await, Begun::InProgress);
}

async fn winners(store: &dyn Database, request: &IdempotentRequest) -> usize {
    let begun = join_all((0..16).map(|_| begin(store, request, LONG))).await;
    begun.iter().flatten().count()
}

async fn one_of_several_requests_at_once_begins(store: &dyn Database) {
    for number in 0..4 {
        assert_eq!(winners(store, &request(&number.to_string(), "a")).await, 1);
    }
}

async fn one_of_several_requests_at_once_takes_over(store: &dyn Database) {
    for number in 0..4 {
        let request = request(&number.to_string(), "a");
        begin(store, &request, EXPIRED).await.unwrap();
        assert_eq!(winners(store, &request).await, 1);
    }
}
