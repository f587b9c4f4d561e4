use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mockall::Sequence;

use super::*;
use crate::{
    ContentDigest, NewImage,
    ports::{HostedBlob, MockBlobHost, MockImageStore, MockOriginalStore, PutMode, cause},
    testing::{FakeBlobHost, FakeImageStore, FakeOriginalStore, TestClock, at, image},
};

const SETTINGS: UpkeepSettings = UpkeepSettings {
    hosted_blob_age: TimeDelta::minutes(10),
    original_age: TimeDelta::hours(1),
};

fn mocked(store: MockImageStore, originals: MockOriginalStore, host: MockBlobHost) -> Upkeep {
    let ports = UpkeepPorts {
        store: Arc::new(store),
        originals: Arc::new(originals),
        host: Some(Arc::new(host)),
        clock: Arc::<TestClock>::default(),
    };
    Upkeep::new(ports, SETTINGS)
}

fn blobs(count: usize) -> Vec<HostedBlob> {
    (0..count)
        .map(|n| HostedBlob {
            id: n.to_string(),
            url: String::new(),
        })
        .collect()
}

fn failure() -> UpstreamError {
    UpstreamError::Unavailable {
        retry_after: None,
        source: cause("503"),
    }
}

#[tokio::test]
async fn releases_what_is_older_than_its_age_until_nothing_is_left() {
    let mut host = MockBlobHost::new();
    let before = at(0) - SETTINGS.hosted_blob_age;
    host.expect_forgotten()
        .times(1)
        .withf(move |b| *b == before)
        .returning(|_| Ok(blobs(3)));
    host.expect_forgotten().times(1).returning(|_| Ok(blobs(2)));
    host.expect_forgotten()
        .times(1)
        .returning(|_| Ok(Vec::new()));
    host.expect_release().times(2).returning(|_| Ok(()));
    let upkeep = mocked(MockImageStore::new(), MockOriginalStore::new(), host);
    assert_eq!(upkeep.release_forgotten().await.unwrap(), 5);
}

#[tokio::test]
async fn a_host_that_keeps_what_it_released_does_not_keep_us() {
    let mut host = MockBlobHost::new();
    host.expect_forgotten()
        .times(MAX_ROUNDS)
        .returning(|_| Ok(blobs(1)));
    host.expect_release()
        .times(MAX_ROUNDS)
        .returning(|_| Ok(()));
    let upkeep = mocked(MockImageStore::new(), MockOriginalStore::new(), host);
    upkeep.release_forgotten().await.unwrap();
}

#[tokio::test]
async fn a_host_that_fails_is_reported() {
    let mut host = MockBlobHost::new();
    host.expect_forgotten()
        .times(1)
        .returning(|_| Err(failure()));
    host.expect_forgotten().times(1).returning(|_| Ok(blobs(9)));
    // All, the first half and so on: three blobs are enough to know.
    host.expect_release()
        .times(1..=8)
        .returning(|_| Err(failure()));
    let upkeep = mocked(MockImageStore::new(), MockOriginalStore::new(), host);
    for _ in 0..2 {
        let outcome = upkeep.release_forgotten().await;
        assert!(matches!(outcome, Err(UpkeepError::Host(_))), "{outcome:?}");
    }
}

/// A host that keeps some blobs whatever it is told, and fails each call that names one of them.
struct Stubborn {
    alive: Mutex<Vec<HostedBlob>>,
    kept: Vec<String>,
    calls: AtomicUsize,
}

impl Stubborn {
    fn new(count: usize, kept: &[usize]) -> Arc<Self> {
        Arc::new(Self {
            alive: Mutex::new(blobs(count)),
            kept: kept.iter().map(ToString::to_string).collect(),
            calls: AtomicUsize::new(0),
        })
    }

    fn alive(&self) -> Vec<String> {
        let alive = self.alive.lock().unwrap();
        alive.iter().map(|blob| blob.id.clone()).collect()
    }

    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl BlobHost for Stubborn {
    async fn host(&self, _: &crate::EncodedPicture, _: &str) -> Result<HostedBlob, UpstreamError> {
        Err(failure())
    }

    async fn release(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if blobs.iter().any(|blob| self.kept.contains(&blob.id)) {
            return Err(UpstreamError::Refused(cause("it is kept")));
        }
        self.alive
            .lock()
            .unwrap()
            .retain(|alive| !blobs.contains(alive));
        Ok(())
    }

    async fn forgotten(&self, _: DateTime<Utc>) -> Result<Vec<HostedBlob>, UpstreamError> {
        Ok(self.alive.lock().unwrap().clone())
    }
}

#[tokio::test]
async fn blobs_that_cannot_be_released_do_not_hold_up_the_others() {
    for kept in [&[0][..], &[99], &[3, 50], &[0, 1, 2, 3, 4]] {
        let host = Stubborn::new(100, kept);
        let clock = Arc::<TestClock>::default();
        let ports = UpkeepPorts {
            store: Arc::new(MockImageStore::new()),
            originals: Arc::new(MockOriginalStore::new()),
            host: Some(host.clone()),
            clock: clock.clone(),
        };
        let upkeep = Upkeep::new(ports, SETTINGS);
        let mut released = 0;
        // If the first three are among them, it looks as if the host failed.
        for _ in 0..2 {
            released += upkeep.release_forgotten().await.unwrap_or_default();
        }
        assert_eq!(released, 100 - kept.len());
        assert_eq!(host.alive(), host.kept);
        host.calls();
        // They are left alone for longer and longer.
        for (minutes, calls) in [(9, 0), (1, 1), (19, 0), (1, 1)] {
            clock.advance(TimeDelta::minutes(minutes));
            let outcome = upkeep.release_forgotten().await;
            if kept.len() == 1 {
                assert_eq!(outcome.unwrap(), 0);
                assert_eq!(host.calls(), calls, "{minutes}");
            }
        }
    }
}

#[tokio::test]
async fn claims_then_removes_then_forgets() {
    let (mut store, mut originals) = (MockImageStore::new(), MockOriginalStore::new());
    let digest = ContentDigest::of(b"x");
    let mut order = Sequence::new();
    store
        .expect_abandoned()
        .times(1)
        .in_sequence(&mut order)
        .returning(move |_, _| Ok(vec![digest]));
    store
        .expect_claim_for_removal()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_, _, _| Ok(true));
    originals
        .expect_remove()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_| Ok(()));
    store
        .expect_forget()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_| Ok(()));
    store
        .expect_abandoned()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_, _| Ok(Vec::new()));
    let upkeep = mocked(store, originals, MockBlobHost::new());
    assert_eq!(upkeep.remove_abandoned().await.unwrap(), 1);
}

#[tokio::test]
async fn what_cannot_be_claimed_is_left_alone() {
    let mut store = MockImageStore::new();
    store
        .expect_abandoned()
        .times(1)
        .returning(|_, _| Ok(vec![ContentDigest::of(b"x")]));
    store
        .expect_claim_for_removal()
        .times(1)
        .returning(|_, _, _| Ok(false));
    let upkeep = mocked(store, MockOriginalStore::new(), MockBlobHost::new());
    assert_eq!(upkeep.remove_abandoned().await.unwrap(), 0);
}

#[tokio::test]
async fn what_cannot_be_removed_is_not_forgotten() {
    let (mut store, mut originals) = (MockImageStore::new(), MockOriginalStore::new());
    store
        .expect_abandoned()
        .times(1)
        .returning(|_, _| Ok(vec![ContentDigest::of(b"x")]));
    store
        .expect_claim_for_removal()
        .times(1)
        .returning(|_, _, _| Ok(true));
    originals
        .expect_remove()
        .times(1)
        .returning(|_| Err(OriginalStoreError::Unavailable(cause("read-only"))));
    let upkeep = mocked(store, originals, MockBlobHost::new());
    assert!(matches!(
        upkeep.remove_abandoned().await,
        Err(UpkeepError::Originals(_))
    ));
}

#[tokio::test]
async fn with_fakes_only_what_nobody_needs_is_removed() {
    let clock = Arc::<TestClock>::default();
    let store = Arc::new(FakeImageStore::default());
    let originals = Arc::new(FakeOriginalStore::new(clock.clone()));
    let host = Arc::new(FakeBlobHost::new(clock.clone()));
    let kept = image(b"kept", at(0), &[]);
    for (content, is_recorded) in [(&b"kept"[..], true), (b"left", false)] {
        let digest = ContentDigest::of(content);
        store
            .claim(&digest, &kept.facts, at(0), at(3600))
            .await
            .unwrap();
        originals
            .put(&digest, content.into(), PutMode::KeepExisting)
            .await
            .unwrap();
        if is_recorded {
            let new = NewImage {
                image: kept.clone(),
                tagging: None,
            };
            store.record(&new).await.unwrap();
        }
    }
    let ports = UpkeepPorts {
        store: store.clone(),
        originals: originals.clone(),
        host: Some(host),
        clock: clock.clone(),
    };
    let upkeep = Upkeep::new(ports, SETTINGS);
    assert_eq!(
        upkeep.remove_abandoned().await.unwrap(),
        0,
        "an upload may still be under way"
    );
    clock.advance(TimeDelta::seconds(3601));
    originals.cut_off_a_put();
    assert_eq!(upkeep.remove_abandoned().await.unwrap(), 1);
    assert_eq!(originals.digests(), [ContentDigest::of(b"kept")]);
    assert_eq!(
        upkeep.sweep().await.unwrap(),
        0,
        "a put that is still young may be under way"
    );
    clock.advance(TimeDelta::seconds(3601));
    assert_eq!(upkeep.sweep().await.unwrap(), 1);
    assert_eq!(upkeep.release_forgotten().await.unwrap(), 0);
}
