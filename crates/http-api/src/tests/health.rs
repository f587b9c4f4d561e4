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
async fn failing_checks_are_named_without_details() {
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
    let server = TestServer::with(|setup| setup.images = Arc::new(store));
    assert_eq!(
        not_ready(&server).await["checks"]["database"]["status"],
        "not-ready"
    );

    let server = TestServer::with(|setup| {
        setup.fakes.store.stall();
        setup.settings.check_timeout = Duration::from_millis(100);
    });
    assert_eq!(
        not_ready(&server).await["checks"]["database"]["status"],
        "not-ready"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_database_times_out() {
    let server = TestServer::with(|setup| {
        setup.fakes.store.stall();
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
