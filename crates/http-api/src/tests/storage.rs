//! A slow or hanging store of originals.

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    ContentDigest,
    ports::{
        Fingerprint, OriginalContent, OriginalStore, OriginalStoreError, PutMode, StoredObject,
        cause,
    },
};
use futures_util::stream::BoxStream;
use reqwest::Method;
use tokio::{sync::watch, time::timeout};

use super::test_server::{TestServer, picture, problem, until, upload};

type Outcome<T> = Result<T, OriginalStoreError>;

const DEADLINE: Duration = Duration::from_millis(300);

/// While the gate is closed, its calls time out.
struct Gated {
    inner: Arc<dyn OriginalStore>,
    is_shut: watch::Receiver<bool>,
}

impl Gated {
    async fn pass(&self) -> Outcome<()> {
        let mut is_shut = self.is_shut.clone();
        match timeout(DEADLINE, is_shut.wait_for(|is_shut| !is_shut)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(OriginalStoreError::Unavailable(cause("no answer in time"))),
        }
    }
}

#[async_trait]
impl OriginalStore for Gated {
    async fn put(&self, digest: &ContentDigest, bytes: Bytes, mode: PutMode) -> Outcome<()> {
        self.pass().await?;
        self.inner.put(digest, bytes, mode).await
    }

    async fn get(
        &self,
        digest: &ContentDigest,
        range: Option<Range<u64>>,
    ) -> Outcome<Option<OriginalContent>> {
        self.pass().await?;
        self.inner.get(digest, range).await
    }

    async fn length(&self, digest: &ContentDigest) -> Outcome<Option<u64>> {
        self.pass().await?;
        self.inner.length(digest).await
    }

    async fn fingerprint(&self, digest: &ContentDigest) -> Outcome<Option<Fingerprint>> {
        self.pass().await?;
        self.inner.fingerprint(digest).await
    }

    fn list(&self) -> BoxStream<'static, Outcome<StoredObject>> {
        self.inner.list()
    }

    async fn ready(&self) -> Outcome<()> {
        self.pass().await?;
        self.inner.ready().await
    }
}

fn gated() -> (TestServer, watch::Sender<bool>) {
    let shut = watch::Sender::new(false);
    let is_shut = shut.subscribe();
    let server = TestServer::with(|setup| {
        let inner = Arc::clone(&setup.originals);
        setup.originals = Arc::new(Gated { inner, is_shut });
        setup.settings.check_timeout = DEADLINE;
    });
    (server, shut)
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_store_times_out_and_recovers() {
    let (server, shut) = gated();
    let image = server.register("x").await;
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    shut.send_replace(true);
    let post = server
        .request(Method::POST, "/image")
        .json(&upload(&picture("y")));
    server.refused(post, 503, "storage-unavailable").await;
    problem(server.get(&path).await, 503, "storage-unavailable").await;
    assert_eq!(server.get("/readyz").await.status(), 503);
    assert_eq!(server.get("/images").await.status(), 200);
    assert_eq!(server.store.images().len(), 1);
    shut.send_replace(false);
    assert_eq!(server.get(&path).await.status(), 200);
    server.register("y").await;
    assert_eq!(server.store.images().len(), 2);
    assert_eq!(server.provider.calls(), 2, "what was paid for is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_slow_is_waited_for() {
    let (server, shut) = gated();
    shut.send_replace(true);
    let body = upload(&picture("x"));
    let (response, ()) = tokio::join!(server.post("/image", &body), async {
        until(|| server.provider.calls() == 1).await;
        tokio::time::sleep(DEADLINE / 3).await;
        shut.send_replace(false);
    });
    assert_eq!(response.status(), 200);
}
