//! `POST /image` and `POST /tag` with a URL.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url_fetch::FetchPolicy;

use super::test_server::{IMAGE_BYTES, TestServer, picture};

/// A server that answers every request with these bytes: its URL, and how many requests it has got.
pub(super) async fn serving(answer: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/a.jpg", listener.local_addr().unwrap());
    let requests = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let answer = answer.clone();
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let _ = connection.read(&mut [0; 4096]).await;
                let _ = connection.write_all(&answer).await;
            });
        }
    });
    (url, requests)
}

pub(super) fn with_length(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn fetching_any() -> TestServer {
    TestServer::with(|setup| setup.fetching = FetchPolicy::Any)
}

async fn refused(server: &TestServer, body: &Value, status: u16, code: &str) -> Value {
    let request = server.request(Method::POST, "/image").json(body);
    let document = server.refused(request, status, code).await;
    assert!(server.store.images().is_empty());
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_behind_a_url_is_registered_like_any_other() {
    let server = fetching_any();
    let bytes = picture("x");
    let (url, _) = serving(with_length(bytes.len(), &bytes)).await;
    let answer = server.post("/image", &json!({"url": url})).await;
    assert_eq!(answer.status(), 200);
    let image: Value = answer.json().await.unwrap();
    assert_eq!(image["data"], BASE64_STANDARD.encode(&bytes));
    assert_eq!(server.store.images().len(), 1);
    let tagged = server.post("/tag", &json!({"url": url})).await;
    assert_eq!(tagged.status(), 200);
    assert_eq!(server.store.images().len(), 1);
    assert_eq!(server.provider.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_data_or_a_url() {
    let server = fetching_any();
    for body in [
        json!({"url": "http://127.0.0.1/", "data": "QUJD"}),
        json!({"url": 5}),
        json!({"url": "nowhere"}),
        json!({}),
    ] {
        refused(&server, &body, 400, "invalid-body").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_fetched_is_forbidden() {
    for (policy, url) in [
        (FetchPolicy::None, "https://example.org/a.jpg"),
        (FetchPolicy::Public, "http://127.0.0.1/a.jpg"),
        (FetchPolicy::Public, "http://[::ffff:10.0.0.1]/"),
        (FetchPolicy::Public, "http://localhost/"),
        (FetchPolicy::Public, "http://example.org:8080/"),
        (FetchPolicy::Any, "file:///etc/passwd"),
    ] {
        let server = TestServer::with(|setup| setup.fetching = policy);
        let document = refused(&server, &json!({"url": url}), 403, "fetching-not-allowed").await;
        let decides = (policy != FetchPolicy::Any).then_some("fetch.allow");
        assert_eq!(document["setting"].as_str(), decides, "{url}");
        let detail = document["detail"].as_str().unwrap();
        assert!(
            !detail.contains("10.0.0.1") && !detail.contains("127.0.0.1"),
            "{detail}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_says_how() {
    let server = fetching_any();
    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    for (answer, how) in [
        (missing, "the server answered 404"),
        (
            with_length(IMAGE_BYTES + 1, b""),
            "larger than 200000 bytes",
        ),
        (with_length(10, b"short"), "broke off"),
        (with_length(0, b""), "an empty file"),
    ] {
        let (url, _) = serving(answer).await;
        let document = refused(&server, &json!({"url": url}), 422, "fetching-failed").await;
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains(how), "{detail}");
    }
    let (url, _) = serving(with_length(5, b"hello")).await;
    refused(&server, &json!({"url": url}), 422, "not-an-image").await;
}
