//! Late removals from a bucket, beside uploads of the same bytes.

use std::fmt;

use chrono::TimeDelta;
use domain::{
    NewImage,
    ports::{Clock, ImageStore, OriginalLedger},
    service::{RemovalPorts, Upkeep, UpkeepPorts, UpkeepSettings},
};
use domain_testing::{Barrier, FakeDatabase, HeldRemoval, TestClock, at, image};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use tokio::task::{JoinHandle, yield_now};

use super::*;

type Outcome<T> = object_store::Result<T>;

/// A bucket whose deletions a test can delay.
#[derive(Clone)]
struct HeldDeletions {
    objects: Arc<InMemory>,
    on_the_way: Arc<Barrier>,
}

impl fmt::Debug for HeldDeletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldDeletions")
    }
}

impl fmt::Display for HeldDeletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[async_trait]
impl ObjectStore for HeldDeletions {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Outcome<PutResult> {
        self.objects.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Outcome<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Outcome<GetResult> {
        self.objects.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Outcome<Path>>,
    ) -> BoxStream<'static, Outcome<Path>> {
        let held = self.clone();
        let delete = move |location: Outcome<Path>| {
            let held = held.clone();
            async move {
                let location = location?;
                held.on_the_way.pass().await;
                held.objects.delete(&location).await.map(|()| location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Outcome<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Outcome<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Outcome<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

/// A bucket, a database, and an expired removal whose deletion is still in flight.
struct Fixture {
    clock: Arc<TestClock>,
    store: Arc<FakeDatabase>,
    originals: Arc<Originals>,
    late: Arc<HeldRemoval>,
    on_the_way: Arc<Barrier>,
}

const CONTENT: &[u8] = b"x";

impl Fixture {
    async fn new() -> Self {
        let objects = Arc::new(InMemory::new());
        let on_the_way = Arc::<Barrier>::default();
        let once = HeldDeletions {
            objects: Arc::clone(&objects),
            on_the_way: Arc::clone(&on_the_way),
        };
        let originals = Arc::new(Originals {
            objects,
            once: Arc::new(once),
            folder: None,
        });
        let fixture = Self {
            clock: Arc::default(),
            store: Arc::default(),
            late: Arc::new(HeldRemoval::new(originals.clone())),
            originals,
            on_the_way,
        };
        fixture.put().await;
        fixture.later(3601);
        fixture
    }

    fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    fn upkeep(&self, removal: Arc<dyn OriginalRemoval>) -> Upkeep {
        let ports = UpkeepPorts {
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
        };
        let age = TimeDelta::hours(1);
        let settings = UpkeepSettings {
            hosted_blob_age: age,
            original_age: age,
        };
        Upkeep::new(ports, settings)
    }

    /// Runs upkeep on another server.
    async fn others(&self) {
        let upkeep = self.upkeep(self.originals.clone());
        upkeep.remove_abandoned().await.unwrap();
    }

    /// Starts a removal, up to its deletion.
    async fn begin(&self) -> JoinHandle<()> {
        let late = self.upkeep(self.late.clone());
        let removal = tokio::spawn(async move { late.remove_abandoned().await.map(drop).unwrap() });
        reached(&self.on_the_way).await;
        self.later(61);
        removal
    }

    async fn put(&self) -> NewImage {
        let now = self.clock.now();
        let image = image(CONTENT, now, &[]);
        let until = now + TimeDelta::hours(1);
        let claimed = self.store.claim(&image.digest, &image.facts, now, until);
        let claimed = claimed.await.unwrap();
        let mode = if claimed.rewrite {
            PutMode::Overwrite
        } else {
            PutMode::KeepExisting
        };
        let put = self.originals.put(&image.digest, CONTENT.into(), mode);
        put.await.unwrap();
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

    async fn register(&self) {
        let new = self.put().await;
        self.store.record(&new).await.unwrap();
    }

    async fn assert_is_read(&self) {
        let digest = ContentDigest::of(CONTENT);
        let found = self.originals.fingerprint(&digest).await.unwrap();
        assert_eq!(found.map(|found| found.digest), Some(digest));
    }

    /// Whether the original is in its place.
    async fn is_at_home(&self) -> bool {
        let home = key(&ContentDigest::of(CONTENT));
        removal::is_there(&*self.originals.objects, &home)
            .await
            .unwrap()
    }
}

async fn reached(barrier: &Barrier) {
    while barrier.reached() == 0 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_deletion_that_arrives_after_an_upload_is_undone() {
    for others_run in [false, true] {
        let fixture = Fixture::new().await;
        let (sent, undoing) = (&fixture.on_the_way, &fixture.late.put_back[0]);
        let (closed, held) = (sent.close().await, undoing.close().await);
        let removal = fixture.begin().await;
        fixture.register().await;
        if others_run {
            fixture.others().await;
        }
        assert!(fixture.is_at_home().await);
        drop(closed);
        reached(undoing).await;
        assert!(!fixture.is_at_home().await, "the deletion has arrived");
        fixture.assert_is_read().await;
        drop(held);
        removal.await.unwrap();
        assert!(fixture.is_at_home().await);
        assert_eq!(fixture.originals.list_set_aside(at(0)).await.unwrap(), []);
        fixture.assert_is_read().await;
    }
}

#[tokio::test]
async fn late_deletion_of_a_killed_removal_is_undone_by_another() {
    let fixture = Fixture::new().await;
    let (sent, undoing) = (&fixture.on_the_way, &fixture.late.put_back[0]);
    let (closed, _held) = (sent.close().await, undoing.close().await);
    let removal = fixture.begin().await;
    fixture.register().await;
    drop(closed);
    reached(undoing).await;
    removal.abort();
    assert!(removal.await.unwrap_err().is_cancelled());
    fixture.assert_is_read().await;
    fixture.others().await;
    assert!(fixture.is_at_home().await);
    fixture.assert_is_read().await;
}

/// A request may outlive the process that sent it: then only the copy is left.
#[tokio::test]
async fn copy_of_a_killed_removal_outlives_its_deletion() {
    let fixture = Fixture::new().await;
    let closed = fixture.on_the_way.close().await;
    let removal = fixture.begin().await;
    removal.abort();
    assert!(removal.await.unwrap_err().is_cancelled());
    drop(closed);
    fixture.others().await;
    assert_eq!(fixture.store.originals(), [], "another server removed it");
    let left = fixture.originals.list_set_aside(at(0)).await.unwrap();
    assert!(
        matches!(&left[..], [original] if !original.is_settled),
        "{left:?}"
    );
    fixture.register().await;

    let (objects, home) = (
        &*fixture.originals.objects,
        key(&ContentDigest::of(CONTENT)),
    );
    objects.delete(&home).await.unwrap();
    fixture.assert_is_read().await;
    fixture.others().await;
    assert!(fixture.is_at_home().await);
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    let tomorrow = now + TimeDelta::hours(25);
    let settled = removal::list(objects, tomorrow).await.unwrap();
    assert!(
        matches!(&settled[..], [original] if original.is_settled),
        "{settled:?}"
    );
    fixture.originals.put_back(&settled[0]).await.unwrap();
    assert_eq!(fixture.originals.list_set_aside(at(0)).await.unwrap(), []);
    fixture.assert_is_read().await;
}

/// Put back where it is missing, and kept nonetheless.
#[tokio::test]
async fn unsettled_original_is_copied_back() {
    let store = bucket();
    let digest = ContentDigest::of(CONTENT);
    let put = store.put(&digest, CONTENT.into(), PutMode::Overwrite);
    put.await.unwrap();
    let aside = store.set_aside(&digest, Fence::random(), Fate::Removal);
    let mut aside = aside.await.unwrap().unwrap();
    aside.is_settled = false;
    for _ in 0..2 {
        store.put_back(&aside).await.unwrap();
        assert_eq!(store.list_set_aside(at(0)).await.unwrap(), [aside]);
        assert_eq!(store.list().count().await, 1);
    }
}

/// It could not be restored if its deletion hit good bytes put since.
#[tokio::test]
async fn a_damaged_original_is_not_deleted() {
    let store = bucket();
    let digest = ContentDigest::of(CONTENT);
    let damaged = store.put(&digest, "y".into(), PutMode::Overwrite);
    damaged.await.unwrap();
    let refused = store
        .set_aside(&digest, Fence::random(), Fate::Removal)
        .await;
    assert!(matches!(refused, Err(OriginalStoreError::Altered(_))));
    assert_eq!(store.length(&digest).await.unwrap(), Some(1));
    assert_eq!(store.list_set_aside(at(0)).await.unwrap(), []);
}
