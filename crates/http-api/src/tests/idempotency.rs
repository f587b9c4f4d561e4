//! `POST /image` with `Idempotency-Key`.

use domain::{
    ApiKey, KeySecret, Scope,
    ports::{ImageStore as _, KeyStore as _, UpstreamError, cause},
};
use domain_testing::{api_key, at};
use reqwest::{
    Method, RequestBuilder, Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use url_fetch::FetchPolicy;

use super::{
    fetching::{serving, with_length},
    test_server::{TestServer, picture, problem, until, upload},
};

const HEADER: &str = "Idempotency-Key";

impl TestServer {
    /// A request with the key `k` and a picture with that content, as JSON.
    fn keyed(&self, content: &str) -> RequestBuilder {
        self.request(Method::POST, "/image")
            .header(HEADER, "k")
            .json(&upload(&picture(content)))
    }

    fn registered(&self) -> usize {
        self.store.images().len()
    }
}

async fn document(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let document: Value = response.json().await.unwrap();
    let id = document["id"].as_str().unwrap();
    assert_eq!(location, format!("/image/{id}"));
    document
}

async fn answer(request: RequestBuilder) -> Value {
    document(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_from_what_is_stored() {
    let server = TestServer::start();
    let first = answer(server.keyed("x")).await;
    assert_eq!(answer(server.keyed("x")).await, first);
    let minimal = server.keyed("x").header("prefer", "return=minimal");
    let response = minimal.send().await.unwrap();
    assert_eq!(response.headers()["preference-applied"], "return=minimal");
    let minimal = document(response).await;
    assert_eq!(minimal["tags"], first["tags"]);
    assert_eq!(minimal.get("data"), None);
    assert_eq!(server.registered(), 1);
    assert_eq!(server.provider.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_the_bytes_does_not_count() {
    let server = TestServer::start();
    let bytes = picture("x");
    let post = || server.request(Method::POST, "/image").header(HEADER, "k");
    let file = Part::bytes(bytes.to_vec()).file_name("a.jpg");
    let mut ids = Vec::new();
    for request in [
        post().multipart(Form::new().part("file", file)),
        post()
            .header("content-type", "image/jpeg")
            .body(bytes.to_vec()),
        post().json(&upload(&bytes)),
    ] {
        ids.push(answer(request).await["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(server.registered(), 1);
}

/// The URL counts, not what is behind it, which is not fetched again.
#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_fetched_once() {
    let server = TestServer::with(|setup| setup.fetching = FetchPolicy::Any);
    let bytes = picture("x");
    let (url, fetched) = serving(with_length(bytes.len(), &bytes)).await;
    let post = |body: &Value| {
        server
            .request(Method::POST, "/image")
            .header(HEADER, "k")
            .json(body)
    };
    let first = answer(post(&json!({"url": url}))).await;
    assert_eq!(answer(post(&json!({"url": url}))).await, first);
    assert_eq!(fetched.load(std::sync::atomic::Ordering::Relaxed), 1);
    for other in [json!({"url": format!("{url}?")}), upload(&bytes)] {
        server
            .refused(post(&other), 422, "idempotency-mismatch")
            .await;
    }
    assert_eq!(server.registered(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_with_the_key_is_a_mismatch() {
    let server = TestServer::start();
    let first = answer(server.keyed("x")).await;
    let with_threshold = |query: &str| {
        server
            .request(Method::POST, &format!("/image{query}"))
            .header(HEADER, "k")
            .json(&upload(&picture("x")))
    };
    for other in [server.keyed("y"), with_threshold("?min_confidence=60")] {
        server.refused(other, 422, "idempotency-mismatch").await;
    }
    assert_eq!(answer(server.keyed("x")).await, first);
    assert_eq!(server.registered(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn spellings_of_a_number_are_one_request() {
    let server = TestServer::start();
    let mut ids = Vec::new();
    for value in ["60", "60.0", "6e1"] {
        let request = server
            .request(Method::POST, &format!("/image?min_confidence={value}"))
            .header(HEADER, "k")
            .json(&upload(&picture("x")));
        ids.push(answer(request).await["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_a_conflict() {
    let server = TestServer::start();
    server.provider.hold();
    let first = tokio::spawn(server.keyed("x").send());
    until(|| server.provider.calls() == 1).await;
    let document = server
        .refused(server.keyed("x"), 409, "idempotency-in-progress")
        .await;
    assert_eq!(document["retry_after"], 2);
    server
        .refused(server.keyed("y"), 422, "idempotency-mismatch")
        .await;
    server.provider.let_go();
    let first = document_of(first).await;
    assert_eq!(answer(server.keyed("x")).await, first);
    assert_eq!(server.registered(), 1);
}

async fn document_of(task: tokio::task::JoinHandle<reqwest::Result<Response>>) -> Value {
    document(task.await.unwrap().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_leaves_no_mark() {
    let server = TestServer::with(|setup| setup.fetching = FetchPolicy::Public);
    server
        .provider
        .fail_next(UpstreamError::Refused(cause("no")));
    server
        .refused(server.keyed("x"), 502, "tagging-failed")
        .await;
    let forbidden = server
        .request(Method::POST, "/image")
        .header(HEADER, "k")
        .json(&json!({"url": "http://127.0.0.1/a.jpg"}));
    server.refused(forbidden, 403, "fetching-not-allowed").await;
    assert_eq!(server.store.requests(), (0, 0));
    answer(server.keyed("y")).await;
    assert_eq!(server.store.requests(), (0, 1));
}

/// Whoever takes over a request whose lease has expired registers its image; the first one does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_taken_over_registers_nothing() {
    let server = TestServer::start();
    server.provider.hold();
    let first = tokio::spawn(server.keyed("x").send());
    until(|| server.provider.calls() == 1).await;
    server.store.expire_requests();
    let second = tokio::spawn(server.keyed("x").send());
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    server.provider.let_go();
    let second = document_of(second).await;
    let lost = first.await.unwrap().unwrap();
    problem(lost, 409, "idempotency-in-progress").await;
    assert_eq!(server.registered(), 1);
    assert_eq!(answer(server.keyed("x")).await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_outcome_is_forgotten() {
    let server = TestServer::start();
    let first = answer(server.keyed("x")).await;
    server.store.expire_requests();
    assert_ne!(answer(server.keyed("x")).await["id"], first["id"]);
    assert_eq!(server.registered(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_gone_is_not_found() {
    let server = TestServer::start();
    let first = answer(server.keyed("x")).await;
    let id = first["id"].as_str().unwrap().parse().unwrap();
    server.store.lose(&id);
    assert_eq!(server.store.find(&id).await.unwrap(), None);
    for prefer in ["return=minimal", "return=representation"] {
        let request = server.keyed("x").header("prefer", prefer);
        server.refused(request, 404, "image-not-found").await;
    }
    assert_eq!(server.registered(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn api_keys_have_their_own_idempotency_keys() {
    let server = TestServer::start();
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let secret = KeySecret::random().unwrap();
        let key = ApiKey {
            digest: secret.digest(),
            ..api_key("test", Scope::Upload, at(0))
        };
        assert!(server.store.add_key(&key, 1000).await.unwrap());
        secrets.push(secret.expose().to_owned());
    }
    let mut ids = vec![answer(server.keyed("x")).await["id"].clone()];
    for secret in &secrets {
        let request = || server.keyed("x").header("x-api-key", secret);
        let image = answer(request()).await;
        assert_eq!(answer(request()).await, image);
        assert!(!ids.contains(&image["id"]));
        ids.push(image["id"].clone());
    }
    assert_eq!(server.registered(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_is_named() {
    let server = TestServer::start();
    let longest = "k".repeat(255);
    let post = |key: &[u8]| {
        let key = reqwest::header::HeaderValue::from_bytes(key).unwrap();
        server
            .request(Method::POST, "/image")
            .header(HEADER, key)
            .json(&upload(&picture("x")))
    };
    let longer = "k".repeat(256);
    for key in [&b""[..], b"a b", "ñ".as_bytes(), longer.as_bytes()] {
        let document = server.refused(post(key), 400, "invalid-parameter").await;
        assert_eq!(document["parameter"], "Idempotency-Key");
    }
    let twice = post(b"a").header(HEADER, "a");
    server.refused(twice, 400, "invalid-parameter").await;
    assert_eq!(server.registered(), 0);
    answer(post(longest.as_bytes())).await;
}
