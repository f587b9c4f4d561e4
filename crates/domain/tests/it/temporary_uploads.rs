use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    JobId, UploadId,
    service::{TemporaryUploads, UPLOAD_LIFETIME, UploadError},
};
use domain_testing::{FakeUploadStore, TestClock};
use futures_util::{TryStreamExt, future::join_all};

struct Fixture {
    store: Arc<FakeUploadStore>,
    clock: Arc<TestClock>,
    uploads: TemporaryUploads,
}

impl Fixture {
    fn new(limit: u64) -> Self {
        let (store, clock) = (
            Arc::<FakeUploadStore>::default(),
            Arc::<TestClock>::default(),
        );
        Self {
            uploads: TemporaryUploads::new(store.clone(), clock.clone(), limit),
            store,
            clock,
        }
    }

    async fn keep(&self, len: usize) -> Result<UploadId, UploadError> {
        self.uploads.keep(Bytes::from(vec![7; len])).await
    }
}

async fn length(uploads: &TemporaryUploads, id: &UploadId) -> Result<usize, UploadError> {
    let content = uploads.open(id).await?;
    let pieces: Vec<Bytes> = content.stream.try_collect().await.unwrap();
    Ok(pieces.concat().len())
}

#[tokio::test]
async fn an_upload_is_there_for_an_hour() {
    let it = Fixture::new(1000);
    let id = it.keep(10).await.unwrap();
    it.clock.advance(UPLOAD_LIFETIME - TimeDelta::seconds(1));
    assert_eq!(length(&it.uploads, &id).await.unwrap(), 10);
    it.clock.advance(TimeDelta::seconds(2));
    let expired = length(&it.uploads, &id).await.unwrap_err();
    assert!(matches!(expired, UploadError::Expired));
    let expired = it.uploads.remove(&id).await.unwrap_err();
    assert!(matches!(expired, UploadError::Expired));
    assert_eq!(it.uploads.sweep().await.unwrap(), 1);
    assert!(it.store.ids().is_empty());
}

#[tokio::test]
async fn an_upload_is_removed_once() {
    let it = Fixture::new(1000);
    let id = it.keep(10).await.unwrap();
    it.uploads.remove(&id).await.unwrap();
    for id in [id, JobId::random().to_string().parse().unwrap()] {
        let gone = it.uploads.remove(&id).await.unwrap_err();
        assert!(matches!(gone, UploadError::NotFound));
        let gone = it.uploads.open(&id).await.err().unwrap();
        assert!(matches!(gone, UploadError::NotFound));
    }
}

#[tokio::test]
async fn uploads_are_bounded_in_bytes_also_at_once() {
    let it = Fixture::new(100);
    let kept = join_all((0..20).map(|_| it.keep(10))).await;
    assert_eq!(kept.iter().filter(|kept| kept.is_ok()).count(), 10);
    let full = it.keep(1).await.unwrap_err();
    assert!(matches!(full, UploadError::Full { limit: 100 }));
    let id = it.store.ids()[0];
    it.uploads.remove(&id).await.unwrap();
    it.clock.advance(TimeDelta::seconds(5));
    it.keep(10).await.unwrap();
    it.keep(1).await.unwrap_err();
    it.clock.advance(UPLOAD_LIFETIME + TimeDelta::seconds(1));
    it.keep(100).await.unwrap();
    assert_eq!(it.store.ids().len(), 1);
}

#[tokio::test]
async fn a_full_store_is_not_counted_for_each_request() {
    let it = Fixture::new(10);
    it.keep(10).await.unwrap();
    let before = it.store.sweeps();
    for _ in 0..100 {
        it.keep(1).await.unwrap_err();
    }
    assert_eq!(it.store.sweeps(), before);
}

#[tokio::test]
async fn what_other_servers_put_is_counted() {
    let it = Fixture::new(100);
    it.keep(10).await.unwrap();
    let other = TemporaryUploads::new(it.store.clone(), it.clock.clone(), 100);
    let id = other.keep(Bytes::from(vec![7; 80])).await.unwrap();
    assert_eq!(length(&it.uploads, &id).await.unwrap(), 80);
    it.clock.advance(TimeDelta::minutes(1));
    it.keep(20).await.unwrap_err();
    it.keep(10).await.unwrap();
}

#[tokio::test]
async fn a_put_that_failed_takes_no_room() {
    let it = Fixture::new(10);
    it.keep(1).await.unwrap();
    it.store.set_down(true);
    for _ in 0..10 {
        let failed = it.keep(9).await.unwrap_err();
        assert!(matches!(failed, UploadError::Store(_)));
    }
    it.store.set_down(false);
    it.keep(9).await.unwrap();
}

#[tokio::test]
async fn a_limit_of_zero_keeps_nothing() {
    let it = Fixture::new(0);
    assert!(matches!(
        it.keep(1).await,
        Err(UploadError::Full { limit: 0 })
    ));
    assert_eq!(it.store.sweeps(), 0);
}
