//! `POST /tag`.

use std::time::Duration;

use domain::ports::{UpstreamError, cause};
use domain_testing::FakeImageCodec;
use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{IMAGE_BYTES, TestServer, picture, until, upload};

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_tagged_and_nothing_is_registered() {
    let server = TestServer::start();
    let response = server.post("/tag", &upload(&picture("x"))).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("location"));
    let text = response.text().await.unwrap();
    assert_eq!(
        text,
        "{\"tags\":[{\"tag\":\"car\",\"confidence\":100.0},{\"tag\":\"auto\",\"confidence\":80.0}],\
         \"provider\":\"fake\",\"version\":\"1\"}"
    );
    assert!(server.store.images().is_empty());
    assert!(server.store.originals().is_empty());
    assert!(server.originals.digests().is_empty());
    assert_eq!(server.read("/images").await, json!([]));
    assert_eq!(server.read("/tags").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_threshold_is_that_of_an_upload() {
    let server = TestServer::start();
    for query in [
        "",
        "?min_confidence=0",
        "?min_confidence=69.4373550415039",
        "?min_confidence=80.1",
    ] {
        let body = upload(&picture("x"));
        let tagged = server.post(&format!("/tag{query}"), &body).await;
        let tagged: Value = tagged.json().await.unwrap();
        let image = server.post(&format!("/image{query}"), &body).await;
        let image: Value = image.json().await.unwrap();
        assert_eq!(tagged["tags"], image["tags"], "{query}");
    }
    assert_eq!(server.provider.calls(), 1, "the same bytes cost one call");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cached_answer_is_shared_with_uploads() {
    let server = TestServer::start();
    server.register("known").await;
    let known = server.post("/tag", &upload(&picture("known"))).await;
    assert_eq!(known.status(), 200);
    assert_eq!(server.provider.calls(), 1);
    let new = server.post("/tag", &upload(&picture("new"))).await;
    assert_eq!(new.status(), 200);
    assert_eq!(server.provider.calls(), 2);
    assert_eq!(server.store.taggings().len(), 2);
    server.register("new").await;
    assert_eq!(server.provider.calls(), 2);
    assert_eq!(server.store.images().len(), 2);
}

#[rstest::rstest]
#[case("min_confidence=NaN", "min_confidence")]
#[case("min_confidence=1&min_confidence=1", "min_confidence")]
#[case("tags=car", "tags")]
#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_refused(#[case] query: &str, #[case] name: &str) {
    let server = TestServer::start();
    let request = server.request(Method::POST, &format!("/tag?{query}"));
    let request = request.json(&upload(&picture("x")));
    let refused = server.refused(request, 400, "invalid-parameter").await;
    assert_eq!(refused["parameter"], name);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_uploads_are_refused_as_by_post_image() {
    let server = TestServer::start();
    let json = |body: &Value| server.request(Method::POST, "/tag").json(body);
    let huge = FakeImageCodec::picture(100_000, 100_000, "");
    for (request, status, code) in [
        (json(&json!({})), 400, "invalid-body"),
        (json(&json!({"data": "*"})), 400, "invalid-base64"),
        (json(&upload(b"not a picture")), 422, "not-an-image"),
        (json(&upload(&huge)), 422, "image-too-large"),
        (
            json(&upload(&vec![0; IMAGE_BYTES + 1])),
            413,
            "payload-too-large",
        ),
        (
            server.request(Method::POST, "/tag").body("x"),
            415,
            "unsupported-media-type",
        ),
    ] {
        server.refused(request, status, code).await;
    }
    assert_eq!(server.provider.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tagging_needs_a_provider_but_no_originals() {
    let server = TestServer::start();
    server.originals.set_down(true);
    server
        .provider
        .fail_next(UpstreamError::Refused(cause("SECRET")));
    let request = || {
        server
            .request(Method::POST, "/tag")
            .json(&upload(&picture("x")))
    };
    let refused = server.refused(request(), 502, "tagging-failed").await;
    assert!(!refused.to_string().contains("SECRET"));
    assert_eq!(request().send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tagging_that_takes_too_long_is_kept_all_the_same() {
    let server =
        TestServer::with(|setup| setup.settings.request_deadline = Duration::from_millis(300));
    server.provider.hold();
    let request = server.request(Method::POST, "/tag");
    let request = request.json(&upload(&picture("x")));
    let refused = server.refused(request, 504, "tagging-timeout").await;
    assert_eq!(refused["detail"], "the image was not tagged in time");
    server.provider.let_go();
    until(|| server.store.taggings().len() == 1).await;
    assert!(server.store.images().is_empty());
}
