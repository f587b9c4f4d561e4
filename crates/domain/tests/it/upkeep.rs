use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mockall::Sequence;

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    ContentDigest, NewImage,
    ports::{
        HostedBlob, MockBlobHost, MockDatabaseRegistry, MockIdempotencyStore, MockOriginalLedger,
        MockOriginalRemoval, MockOriginalStore, MockRemovalLedger, MockTagStatistics, PutMode,
        SetAside, cause,
    },
};
use domain::{
    DatabaseId, Fence,
    ports::{
        BlobHost, Clock, DatabaseRegistry, Fate, ImageStore, ImageStoreError, OriginalLedger,
        OriginalRemoval, OriginalStore, OriginalStoreError, UpstreamError,
    },
    service::{RemovalPorts, Upkeep, UpkeepError, UpkeepPorts, UpkeepSettings},
};
use domain_testing::{FakeDatabase, FakeOriginalStore, HeldRemoval, TestClock, at, image};

/// How many batches one run of removals takes at most.
const MAX_ROUNDS: usize = 100;

/// The first pause of an original that cannot be removed.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(20);

const SETTINGS: UpkeepSettings = UpkeepSettings {
    hosted_blob_age: TimeDelta::minutes(10),
    original_age: TimeDelta::hours(1),
};

fn upkeep(
    claims: MockRemovalLedger,
    originals: MockOriginalStore,
    mut removal: MockOriginalRemoval,
    host: MockBlobHost,
) -> Upkeep {
    let own = DatabaseId::random();
    let mut ledger = MockOriginalLedger::new();
    ledger.expect_database_id().returning(move || Ok(own));
    removal
        .expect_list_set_aside()
        .returning(|_| Ok(Vec::new()));
    let mut registry = MockDatabaseRegistry::new();
    registry.expect_register().returning(|_| Ok(()));
    registry.expect_databases().returning(move || Ok(vec![own]));
    let ports = UpkeepPorts {
        statistics: Arc::new(MockTagStatistics::new()),
        requests: Arc::new(MockIdempotencyStore::new()),
        originals: Arc::new(originals),
        removal: RemovalPorts {
            ledger: Arc::new(ledger),
            claims: Arc::new(claims),
            originals: Arc::new(removal),
            registry: Arc::new(registry),
        },
        host: Some(Arc::new(host)),
        clock: Arc::<TestClock>::default(),
    };
    Upkeep::new(ports, SETTINGS)
}

/// Upkeep of hosted blobs alone.
fn releasing(host: MockBlobHost) -> Upkeep {
    let (store, originals) = (MockRemovalLedger::new(), MockOriginalStore::new());
    upkeep(store, originals, MockOriginalRemoval::new(), host)
}

/// Upkeep of originals alone.
fn removing(
    claims: MockRemovalLedger,
    originals: MockOriginalStore,
    removal: MockOriginalRemoval,
) -> Upkeep {
    upkeep(claims, originals, removal, MockBlobHost::new())
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
async fn releases_old_blobs_until_none_is_left() {
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
    let upkeep = releasing(host);
    assert_eq!(upkeep.release_forgotten().await.unwrap(), 5);
}

#[tokio::test]
async fn host_that_keeps_released_blobs_does_not_loop_forever() {
    let mut host = MockBlobHost::new();
    host.expect_forgotten()
        .times(MAX_ROUNDS)
        .returning(|_| Ok(blobs(1)));
    host.expect_release()
        .times(MAX_ROUNDS)
        .returning(|_| Ok(()));
    let upkeep = releasing(host);
    upkeep.release_forgotten().await.unwrap();
}

#[tokio::test]
async fn a_host_that_fails_is_reported() {
    let mut host = MockBlobHost::new();
    host.expect_forgotten()
        .times(1)
        .returning(|_| Err(failure()));
    host.expect_forgotten().times(1).returning(|_| Ok(blobs(9)));
    // All, then the first half and so on: three blobs suffice to tell.
    host.expect_release()
        .times(1..=8)
        .returning(|_| Err(failure()));
    let upkeep = releasing(host);
    for _ in 0..2 {
        let outcome = upkeep.release_forgotten().await;
        assert!(matches!(outcome, Err(UpkeepError::Host(_))), "{outcome:?}");
    }
}

/// A host that keeps some blobs, and fails each call that names one of them.
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
    async fn host(
        &self,
        _: &domain::EncodedPicture,
        _: &str,
        _: &domain::ports::CallContext,
    ) -> Result<HostedBlob, UpstreamError> {
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
            statistics: Arc::new(MockTagStatistics::new()),
            requests: Arc::new(MockIdempotencyStore::new()),
            originals: Arc::new(MockOriginalStore::new()),
            removal: RemovalPorts {
                ledger: Arc::new(MockOriginalLedger::new()),
                claims: Arc::new(MockRemovalLedger::new()),
                originals: Arc::new(MockOriginalRemoval::new()),
                registry: Arc::new(MockDatabaseRegistry::new()),
            },
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
        // The back-off grows.
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

/// One original is abandoned, and may be claimed for removal.
fn holding_one() -> MockRemovalLedger {
    let mut store = MockRemovalLedger::new();
    store
        .expect_abandoned()
        .times(1)
        .returning(|_, _| Ok(vec![ContentDigest::of(b"x")]));
    store.expect_abandoned().returning(|_, _| Ok(Vec::new()));
    store
}

fn aside(digest: &ContentDigest, fence: Fence, fate: Fate) -> SetAside {
    SetAside {
        digest: *digest,
        fence,
        fate,
        is_settled: true,
    }
}

#[tokio::test]
async fn claims_then_sets_aside_then_forgets_then_finishes() {
    let (mut store, mut removal) = (holding_one(), MockOriginalRemoval::new());
    let mut order = Sequence::new();
    store
        .expect_claim_for_removal()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_, _, _, _| Ok(true));
    removal
        .expect_set_aside()
        .times(1)
        .in_sequence(&mut order)
        .returning(|digest, fence, fate| Ok(Some(aside(digest, fence, fate))));
    store
        .expect_forget()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_, _| Ok(true));
    removal
        .expect_finish()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_| Ok(()));
    let upkeep = removing(store, MockOriginalStore::new(), removal);
    assert_eq!(upkeep.remove_abandoned().await.unwrap(), 1);
}

#[tokio::test]
async fn unclaimable_original_is_left_alone() {
    let mut store = holding_one();
    store
        .expect_claim_for_removal()
        .times(1)
        .returning(|_, _, _, _| Ok(false));
    let upkeep = removing(store, MockOriginalStore::new(), MockOriginalRemoval::new());
    assert_eq!(upkeep.remove_abandoned().await.unwrap(), 0);
}

/// No original is postponed for a failure of the whole store.
#[tokio::test]
async fn a_store_that_fails_as_a_whole_ends_the_round() {
    let (mut store, mut originals) = (holding_one(), MockOriginalStore::new());
    store
        .expect_claim_for_removal()
        .times(1)
        .returning(|_, _, _, _| Ok(true));
    let refusal = || OriginalStoreError::Unavailable(cause("read-only"));
    let mut removal = MockOriginalRemoval::new();
    removal
        .expect_set_aside()
        .times(1)
        .returning(move |_, _, _| Err(refusal()));
    originals
        .expect_ready()
        .times(1)
        .returning(move || Err(refusal()));
    let upkeep = removing(store, originals, removal);
    assert!(matches!(
        upkeep.remove_abandoned().await,
        Err(UpkeepError::Originals(_))
    ));
}

/// One database's view of a store of originals that several servers share.
struct Fixture {
    clock: Arc<TestClock>,
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::<TestClock>::default();
        Self {
            store: Arc::default(),
            originals: Arc::new(FakeOriginalStore::new(clock.clone())),
            clock,
        }
    }

    /// Another database on the same originals.
    fn other_database(&self) -> Self {
        Self {
            store: Arc::default(),
            originals: self.originals.clone(),
            clock: self.clock.clone(),
        }
    }

    fn upkeep(&self) -> Upkeep {
        self.upkeep_by(self.originals.clone())
    }

    fn upkeep_by(&self, removal: Arc<dyn OriginalRemoval>) -> Upkeep {
        Upkeep::new(self.ports(removal), SETTINGS)
    }

    fn ports(&self, removal: Arc<dyn OriginalRemoval>) -> UpkeepPorts {
        UpkeepPorts {
            statistics: self.store.clone(),
            requests: self.store.clone(),
            originals: self.originals.clone(),
            removal: RemovalPorts {
                ledger: self.store.clone(),
                claims: self.store.clone(),
                originals: removal,
                registry: self.originals.clone(),
            },
            host: None,
            clock: self.clock.clone(),
        }
    }

    fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Claims and puts, as an upload does before it records.
    async fn put(&self, content: &[u8]) -> NewImage {
        let now = self.clock.now();
        let image = image(content, now, &[]);
        let until = now + TimeDelta::hours(1);
        let claimed = self
            .store
            .claim(&image.digest, &image.facts, now, until)
            .await
            .unwrap();
        let mode = if claimed.rewrite {
            PutMode::Overwrite
        } else {
            PutMode::KeepExisting
        };
        let bytes = content.to_vec().into();
        self.originals
            .put(&image.digest, bytes, mode)
            .await
            .unwrap();
        NewImage {
            codes: Vec::new(),
            request: None,
            info: domain::ImageInfo::default(),
            image,
            fence: Some(claimed.fence),
            said: None,
            taggings: Vec::new(),
        }
    }

    async fn register(&self, content: &[u8]) -> ContentDigest {
        let new = self.put(content).await;
        self.store.record(&new).await.unwrap();
        new.image.digest
    }

    /// An original that an upload left behind long ago.
    async fn abandon(&self, content: &[u8]) -> ContentDigest {
        let digest = self.put(content).await.image.digest;
        self.later(3601);
        digest
    }

    async fn is_whole(&self, digest: &ContentDigest) -> bool {
        let found = self.originals.fingerprint(digest).await.unwrap();
        found.is_some_and(|found| found.digest == *digest)
    }
}

/// Yields to other tasks until the condition holds.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

/// A removal that stops at each step in turn, long enough for its claim to expire, while another server
/// takes the same bytes again, with and without an upkeep of that other server in between.
#[tokio::test]
async fn upload_keeps_its_bytes_despite_a_late_removal() {
    for place in 0..4 {
        for others_run in [false, true] {
            let fixture = Fixture::new();
            let digest = fixture.abandon(b"x").await;
            let held = Arc::new(HeldRemoval::new(fixture.originals.clone()));
            let late = fixture.upkeep_by(held.clone());
            let barriers = [
                &held.set_aside[0],
                &held.set_aside[1],
                &held.finish[0],
                &held.finish[1],
            ];
            let closed = barriers[place].close().await;
            let removal = tokio::spawn(async move { late.remove_abandoned().await });
            until(|| barriers[place].reached() > 0).await;
            fixture.later(61);
            fixture.register(b"x").await;
            assert!(fixture.is_whole(&digest).await, "place {place}");
            if others_run {
                fixture.upkeep().remove_abandoned().await.unwrap();
                assert!(fixture.is_whole(&digest).await, "place {place}");
            }
            drop(closed);
            removal.await.unwrap().unwrap();
            assert!(fixture.is_whole(&digest).await, "place {place}");
            fixture.upkeep().remove_abandoned().await.unwrap();
            assert_eq!(fixture.originals.digests(), [digest], "place {place}");
            assert_eq!(fixture.originals.digests_set_aside(), [], "place {place}");
        }
    }
}

/// The same, but it is killed where it stopped.
#[tokio::test]
async fn upload_keeps_its_bytes_despite_a_killed_removal() {
    for place in 0..4 {
        let fixture = Fixture::new();
        let digest = fixture.abandon(b"x").await;
        let held = Arc::new(HeldRemoval::new(fixture.originals.clone()));
        let late = fixture.upkeep_by(held.clone());
        let barriers = [
            &held.set_aside[0],
            &held.set_aside[1],
            &held.put_back[0],
            &held.put_back[1],
        ];
        // So that it is late, and has something to put back.
        let first = held.set_aside[0].close().await;
        let removal = tokio::spawn(async move { late.remove_abandoned().await });
        until(|| held.set_aside[0].reached() > 0).await;
        fixture.later(61);
        fixture.register(b"x").await;
        if place > 0 {
            let _closed = barriers[place].close().await;
            drop(first);
            until(|| barriers[place].reached() > 0).await;
            removal.abort();
        } else {
            removal.abort();
        }
        assert!(removal.await.unwrap_err().is_cancelled());
        assert!(fixture.is_whole(&digest).await, "place {place}");
        fixture.upkeep().remove_abandoned().await.unwrap();
        assert_eq!(fixture.originals.digests(), [digest], "place {place}");
        assert_eq!(fixture.originals.digests_set_aside(), [], "place {place}");
    }
}

/// Whether or not the claim had been checked again.
#[tokio::test]
async fn next_removal_finishes_what_a_killed_one_set_aside() {
    for place in 0..2 {
        let fixture = Fixture::new();
        fixture.abandon(b"x").await;
        let held = Arc::new(HeldRemoval::new(fixture.originals.clone()));
        let late = fixture.upkeep_by(held.clone());
        let barrier = [&held.set_aside[1], &held.finish[0]][place];
        let closed = barrier.close().await;
        let removal = tokio::spawn(async move { late.remove_abandoned().await });
        until(|| barrier.reached() > 0).await;
        removal.abort();
        assert!(removal.await.unwrap_err().is_cancelled());
        drop(closed);
        fixture.upkeep().remove_abandoned().await.unwrap();
        fixture.later(61);
        fixture.upkeep().remove_abandoned().await.unwrap();
        assert_eq!(fixture.originals.digests_set_aside(), []);
        assert_eq!(fixture.originals.digests(), []);
        assert_eq!(fixture.store.originals(), []);
    }
}

/// An upload that stopped before it recorded must put again.
#[tokio::test]
async fn upload_overtaken_by_a_removal_is_not_recorded() {
    let fixture = Fixture::new();
    let late = fixture.put(b"x").await;
    fixture.later(3601);
    assert_eq!(fixture.upkeep().remove_abandoned().await.unwrap(), 1);
    // Another upload has claimed the bytes, and not put them yet.
    let (image, now) = (&late.image, fixture.clock.now());
    let until = now + TimeDelta::hours(1);
    fixture
        .store
        .claim(&image.digest, &image.facts, now, until)
        .await
        .unwrap();
    let lost = fixture.store.record(&late).await;
    assert!(matches!(lost, Err(ImageStoreError::ClaimLost)), "{lost:?}");
}

#[tokio::test]
async fn two_databases_remove_nothing_until_one_is_forgotten() {
    let fixture = Fixture::new();
    let other = fixture.other_database();
    let used = other.register(b"x").await;
    other.upkeep().register().await.unwrap();
    let own = fixture.abandon(b"y").await;
    assert_eq!(fixture.abandon(b"x").await, used);
    for upkeep in [fixture.upkeep(), other.upkeep()] {
        assert_eq!(upkeep.remove_abandoned().await.unwrap(), 0);
    }
    let mut both = [own, used];
    both.sort_unstable();
    assert_eq!(fixture.originals.digests(), both);
    let id = other.store.database_id().await.unwrap();
    assert!(fixture.originals.unregister(&id).await.unwrap());
    assert_eq!(fixture.upkeep().remove_abandoned().await.unwrap(), 2);
    // It registers again as soon as it can.
    other.upkeep().remove_abandoned().await.unwrap();
    fixture.abandon(b"y").await;
    assert_eq!(fixture.upkeep().remove_abandoned().await.unwrap(), 0);
}

/// The other database relies on the original before it is moved: the removal finds its id afterwards.
#[tokio::test]
async fn database_registered_during_a_removal_keeps_its_bytes() {
    for is_killed in [false, true] {
        let fixture = Fixture::new();
        let digest = fixture.abandon(b"x").await;
        let held = Arc::new(HeldRemoval::new(fixture.originals.clone()));
        let late = fixture.upkeep_by(held.clone());
        let closed = held.set_aside[0].close().await;
        let after = held.set_aside[1].close().await;
        let removal = tokio::spawn(async move { late.remove_abandoned().await });
        until(|| held.set_aside[0].reached() > 0).await;
        let other = fixture.other_database();
        other.upkeep().register().await.unwrap();
        other.register(b"x").await;
        drop(closed);
        until(|| held.set_aside[1].reached() > 0).await;
        assert!(other.is_whole(&digest).await);
        if is_killed {
            removal.abort();
            assert!(removal.await.unwrap_err().is_cancelled());
            other.upkeep().remove_abandoned().await.unwrap();
        } else {
            drop(after);
            removal.await.unwrap().unwrap();
        }
        assert_eq!(fixture.originals.digests(), [digest]);
        assert_eq!(fixture.originals.digests_set_aside(), []);
    }
}

/// A stride a transaction, until one is not full.
#[tokio::test]
async fn expired_requests_are_removed_in_strides() {
    let mut requests = MockIdempotencyStore::new();
    let mut found = vec![3, 500, 500];
    requests
        .expect_remove_expired_requests()
        .times(3)
        .returning(move |limit| {
            assert_eq!(limit.get(), 500);
            Ok(found.pop().unwrap())
        });
    let fixture = Fixture::new();
    let ports = UpkeepPorts {
        requests: Arc::new(requests),
        ..fixture.ports(fixture.originals.clone())
    };
    let upkeep = Upkeep::new(ports, SETTINGS);
    assert_eq!(upkeep.remove_expired_requests().await.unwrap(), 1003);
}

#[tokio::test]
async fn failing_original_delays_no_other() {
    let fixture = Fixture::new();
    let mut all = Vec::new();
    for number in 0..250_u32 {
        all.push(fixture.put(&number.to_be_bytes()).await.image.digest);
    }
    fixture.later(3601);
    let stuck = all[7];
    fixture.originals.stick(&stuck, true);
    let (here, there) = (fixture.upkeep(), fixture.upkeep());
    assert_eq!(here.remove_abandoned().await.unwrap(), 249);
    assert_eq!(fixture.originals.digests(), [stuck]);
    let tries = async |upkeep: &Upkeep| {
        let before = fixture.store.claimed_until(&stuck);
        assert_eq!(upkeep.remove_abandoned().await.unwrap(), 0);
        fixture.store.claimed_until(&stuck) != before
    };
    // Other servers see the pause as well.
    assert!(!tries(&here).await && !tries(&there).await);
    fixture.later(FIRST_PAUSE.num_seconds() + 1);
    assert!(tries(&here).await);
    fixture.later(FIRST_PAUSE.num_seconds() + 1);
    assert!(!tries(&here).await, "it is twice as long now");
    fixture.originals.stick(&stuck, false);
    fixture.later(FIRST_PAUSE.num_seconds());
    assert_eq!(there.remove_abandoned().await.unwrap(), 1);
    assert_eq!(fixture.originals.digests(), []);
}

#[tokio::test]
async fn only_unneeded_originals_are_removed_from_the_fakes() {
    let fixture = Fixture::new();
    let kept = fixture.register(b"kept").await;
    fixture.put(b"left").await;
    let upkeep = fixture.upkeep();
    assert_eq!(
        upkeep.remove_abandoned().await.unwrap(),
        0,
        "an upload may still be under way"
    );
    fixture.later(3601);
    fixture.originals.cut_off_a_put();
    assert_eq!(upkeep.remove_abandoned().await.unwrap(), 1);
    assert_eq!(fixture.originals.digests(), [kept]);
    assert_eq!(
        upkeep.sweep().await.unwrap(),
        0,
        "a put that is still young may be under way"
    );
    fixture.later(3601);
    assert_eq!(upkeep.sweep().await.unwrap(), 1);
    assert_eq!(upkeep.release_forgotten().await.unwrap(), 0);
}
