//! `GET /image/{id}/similar` and `/duplicates`.

use std::sync::Arc;

use domain::ports::{CodecError, UpstreamError, cause};
use domain_testing::FakeFeatureExtractor;
use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{Setup, TestServer, picture, problem, upload};

const UNKNOWN: &str = "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777";

fn path(image: &Value, what: &str) -> String {
    format!("/image/{}/{what}", image["id"].as_str().unwrap())
}

/// Registers pictures, whose features are computed when each is first asked for.
async fn register_all(server: &TestServer, contents: &[&str]) -> Vec<Value> {
    let mut images = Vec::new();
    for content in contents {
        let image = server.register(content).await;
        server.read(&path(&image, "similar")).await;
        images.push(image);
    }
    images
}

fn ids(list: &Value) -> Vec<&Value> {
    let list = list.as_array().unwrap();
    list.iter().map(|image| &image["id"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn look_alikes_are_listed_most_alike_first() {
    let server = TestServer::start();
    let contents = [
        "red car on a road",
        "red cat in a tree",
        "red car on a rope",
    ];
    let images = register_all(&server, &contents).await;
    let found = server.read(&path(&images[0], "similar")).await;
    assert_eq!(ids(&found), [&images[2]["id"], &images[1]["id"]]);
    let first = &found[0];
    assert!(first["similarity"].as_f64().unwrap() > found[1]["similarity"].as_f64().unwrap());
    for member in ["id", "size", "date", "tags"] {
        assert_eq!(first[member], images[2][member], "{member}");
    }
    assert_eq!(first.as_object().unwrap().len(), 5);
    let one = server.read(&path(&images[0], "similar?limit=1")).await;
    assert_eq!(ids(&one), [&images[2]["id"]]);
    let head = server
        .send(Method::HEAD, &path(&images[0], "similar"))
        .await;
    assert_eq!(head.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn look_alikes_come_with_info_if_asked() {
    let server = TestServer::start();
    let images = register_all(&server, &["red car", "red cat"]).await;
    for what in ["similar", "duplicates"] {
        let twin = server.register("red car").await;
        let list = server
            .read(&path(&twin, &format!("{what}?info=true")))
            .await;
        let found = &list[0];
        assert_eq!(found["id"], images[0]["id"]);
        assert_eq!(found["similarity"], 100.0);
        assert_eq!(found["width"], 640);
        assert_eq!(found["type"], "image/jpeg");
        assert_eq!(found["file_name"], Value::Null);
        let deleted = server.send(Method::DELETE, &path(&twin, "")[..43]).await;
        assert_eq!(deleted.status(), 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_look_alikes_has_an_empty_list() {
    let server = TestServer::start();
    let image = server.register("red car").await;
    for what in ["similar", "duplicates"] {
        assert_eq!(server.read(&path(&image, what)).await, json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_the_same_picture_in_other_files() {
    let server = TestServer::with(|setup| setup.extractor = None);
    let image = server.register("red car").await;
    let small = domain_testing::FakeImageCodec::picture(320, 240, "red car");
    let response = server.post("/image", &upload(&small)).await;
    let small: Value = response.json().await.unwrap();
    let recompressed = server.register("red car~4").await;
    server.register("red cat").await;
    let found = server.read(&path(&image, "duplicates")).await;
    assert_eq!(ids(&found), [&small["id"], &recompressed["id"]]);
    assert_eq!(found[0]["similarity"], 100.0);
    assert_eq!(found[1]["similarity"], 93.75);
    let deleted = server.send(Method::DELETE, &path(&small, "")[..43]).await;
    assert_eq!(deleted.status(), 204);
    let found = server.read(&path(&image, "duplicates")).await;
    assert_eq!(ids(&found), [&recompressed["id"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tagger_without_features_is_a_conflict() {
    let server = TestServer::with(|setup| setup.extractor = None);
    let image = server.register("red car").await;
    let response = server.get(&path(&image, "similar")).await;
    let document = problem(response, 409, "no-image-model").await;
    let detail = document["detail"].as_str().unwrap();
    assert!(detail.contains("tagging.provider"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused() {
    let server = TestServer::start();
    let image = server.register("red car").await;
    for what in ["similar", "duplicates"] {
        for query in [
            "limit=0",
            "limit=201",
            "limit=x",
            "limit=1&limit=2",
            "info=maybe",
            "language=tlh",
            "size=256",
        ] {
            let path = path(&image, &format!("{what}?{query}"));
            problem(server.get(&path).await, 400, "invalid-parameter").await;
        }
        let response = server.get(&format!("{UNKNOWN}/{what}")).await;
        problem(response, 404, "image-not-found").await;
        let response = server.get(&format!("/image/1/{what}")).await;
        problem(response, 400, "invalid-id").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn features_that_cannot_be_computed_are_a_problem() {
    let extractor = Arc::new(FakeFeatureExtractor::default());
    let own = extractor.clone();
    let server = TestServer::with(|setup: &mut Setup| setup.extractor = Some(own));
    let image = server.register("red car").await;
    let similar = path(&image, "similar");
    for (error, status, code) in [
        (
            UpstreamError::Busy { retry_after: None },
            503,
            "upstream-busy",
        ),
        (
            UpstreamError::Picture(CodecError::Overloaded),
            503,
            "overloaded",
        ),
        (
            UpstreamError::Unreadable(cause("flat")),
            502,
            "tagging-failed",
        ),
    ] {
        extractor.fail(Some(error));
        let response = server.get(&similar).await;
        assert_eq!(response.status(), status);
        problem(response, status, code).await;
        let digest = domain::ContentDigest::of(&picture("red car"));
        server.store.forget_codes(&digest);
    }
    extractor.fail(None);
    server.originals.set_down(true);
    problem(server.get(&similar).await, 503, "storage-unavailable").await;
    server.originals.set_down(false);
    server.read(&similar).await;
}
