//! `GET /livez` and `GET /readyz`.

use std::{sync::Arc, time::Duration};

use domain::ports::{ImageStoreError, MockImageStore, Quota, UpstreamError, cause};
use domain_testing::at;
use serde_json::{Value, json};

use super::test_server::TestServer;

async fn not_ready(server: &TestServer) -> Value {
    let response = server.get("/readyz").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["retry-after"], "5");
    response.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works() {
    let server = TestServer::start();
    assert_eq!(server.read("/livez").await, json!({"status": "alive"}));
    assert_eq!(
        server.read("/readyz").await,
        json!({
            "status": "ready",
            "checks": {
                "database": {"status": "ready"},
                "originals": {"status": "ready"},
                "tag_provider": {"status": "ready", "name": "fake"},
            },
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_is_reported() {
    let server = TestServer::start();
    server.provider.set_quota(Some(Quota {
        limit: 1000,
        remaining: 983,
        resets_at: Some(at(0)),
    }));
    assert_eq!(
        server.read("/readyz").await["checks"]["tag_provider"]["quota"],
        json!({"limit": 1000, "remaining": 983, "resets_at": "2024-01-01T00:00:00Z"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_named_and_no_more() {
    let server = TestServer::start();
    server.originals.set_down(true);
    server
        .provider
        .set_not_ready(Some(UpstreamError::Refused(cause("SECRET"))));
    let report = not_ready(&server).await;
    assert_eq!(report["status"], "not-ready");
    assert_eq!(report["checks"]["database"]["status"], "ready");
    assert_eq!(report["checks"]["originals"]["status"], "not-ready");
    assert_eq!(report["checks"]["tag_provider"]["status"], "not-ready");
    assert!(!report.to_string().contains("SECRET"));
    assert_eq!(server.get("/livez").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fails_or_hangs_is_not_ready() {
    let mut store = MockImageStore::new();
    store
        .expect_ready()
        .returning(|| Err(ImageStoreError::Unavailable(cause("SECRET"))));
    let server = TestServer::with(|setup| setup.store = Arc::new(store));
    assert_eq!(
        not_ready(&server).await["checks"]["database"]["status"],
        "not-ready"
    );

    let server = TestServer::with(|setup| {
        setup.store = Arc::new(Hanging);
        setup.settings.check_timeout = Duration::from_millis(100);
    });
    assert_eq!(
        not_ready(&server).await["checks"]["database"]["status"],
        "not-ready"
    );
}

use hanging::Hanging;

pub(super) mod hanging {
    use std::num::NonZeroU32;

    use async_trait::async_trait;
    use chrono::{DateTime, Utc};
    use domain::{
        ContentDigest, DatabaseId, Fence, Image, ImageFacts, ImageId, ImageQuery, NewImage,
        PageKey, TagSummary, Tagging, TaggingKey, TimeWindow, UntaggedImage,
        ports::{Claimed, ImageStore, ImageStoreError, Known},
    };

    type Outcome<T> = Result<T, ImageStoreError>;

    /// A store that never answers.
    pub(in crate::tests) struct Hanging;

    async fn never<T>() -> Outcome<T> {
        std::future::pending().await
    }

    #[async_trait]
    impl ImageStore for Hanging {
        async fn known(&self, _: &TaggingKey) -> Outcome<Known> {
            never().await
        }
        async fn claim(
            &self,
            _: &ContentDigest,
            _: &ImageFacts,
            _: DateTime<Utc>,
            _: DateTime<Utc>,
        ) -> Outcome<Claimed> {
            never().await
        }
        async fn note_damage(&self, _: &ContentDigest, _: DateTime<Utc>) -> Outcome<()> {
            never().await
        }
        async fn clear_damage(&self, _: &ContentDigest) -> Outcome<()> {
            never().await
        }
        async fn record(&self, _: &NewImage) -> Outcome<()> {
            never().await
        }
        async fn keep_tagging(&self, _: &TaggingKey, _: &Tagging) -> Outcome<()> {
            never().await
        }
        async fn find(&self, _: &ImageId) -> Outcome<Option<Image>> {
            never().await
        }
        async fn page(
            &self,
            _: &ImageQuery,
            _: Option<PageKey>,
            _: NonZeroU32,
        ) -> Outcome<Vec<Image>> {
            never().await
        }
        async fn untagged_page(
            &self,
            _: &ImageQuery,
            _: Option<PageKey>,
            _: NonZeroU32,
        ) -> Outcome<Vec<UntaggedImage>> {
            never().await
        }
        async fn with_tags(&self, _: &[UntaggedImage]) -> Outcome<Vec<Image>> {
            never().await
        }
        async fn tag_summaries(&self, _: &TimeWindow) -> Outcome<Vec<TagSummary>> {
            never().await
        }
        async fn condense(&self, _: DateTime<Utc>) -> Outcome<bool> {
            never().await
        }
        async fn abandoned(&self, _: DateTime<Utc>, _: NonZeroU32) -> Outcome<Vec<ContentDigest>> {
            never().await
        }
        async fn claim_for_removal(
            &self,
            _: &ContentDigest,
            _: Fence,
            _: DateTime<Utc>,
            _: DateTime<Utc>,
        ) -> Outcome<bool> {
            never().await
        }
        async fn claim_orphan(
            &self,
            _: &ContentDigest,
            _: Fence,
            _: DateTime<Utc>,
            _: DateTime<Utc>,
        ) -> Outcome<bool> {
            never().await
        }
        async fn is_needed(&self, _: &ContentDigest, _: DateTime<Utc>) -> Outcome<bool> {
            never().await
        }
        async fn forget(&self, _: &ContentDigest, _: Fence) -> Outcome<bool> {
            never().await
        }
        async fn postpone(&self, _: &ContentDigest, _: Fence, _: DateTime<Utc>) -> Outcome<()> {
            never().await
        }
        async fn database_id(&self) -> Outcome<DatabaseId> {
            never().await
        }
        async fn ready(&self) -> Outcome<()> {
            never().await
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_is_given_up() {
    let server = TestServer::with(|setup| {
        setup.store = Arc::new(Hanging);
        setup.settings.read_deadline = Duration::from_millis(100);
    });
    for path in [
        "/images",
        "/tags",
        "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
    ] {
        let request = server.request(reqwest::Method::GET, path);
        server.refused(request, 503, "storage-unavailable").await;
    }
}
