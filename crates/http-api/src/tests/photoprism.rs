//! PhotoPrism's interface to vision services.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::{Scope, ports::UpstreamError};
use domain_testing::tags;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use url_fetch::FetchPolicy;

use super::{
    access::key,
    fetching::{serving, with_length},
    test_server::{IMAGE_BYTES, TestServer, picture},
};
use crate::KeyPolicy;

const PATH: &str = "/api/v1/vision/labels";

const ID: &str = "b5d1a9ec-9a54-4b8b-bf84-6b9a0c3f9d10";

fn data_url(content: &str) -> String {
    let text = BASE64_STANDARD.encode(picture(content));
    format!("data:image/jpeg;base64,{text}")
}

fn post(server: &TestServer, body: &Value) -> RequestBuilder {
    server.request(Method::POST, PATH).json(body)
}

async fn labels(server: &TestServer, body: &Value) -> Value {
    let response = post(server, body).send().await.unwrap();
    let status = response.status();
    let document: Value = response.json().await.unwrap();
    assert_eq!(status, 200, "{document}");
    document
}

/// Asserts that a request fails with that status in PhotoPrism's form, and gives id and text.
async fn refused(request: RequestBuilder, status: u16) -> (String, String) {
    let response = request.send().await.unwrap();
    let request_id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(response.headers()["content-type"], "application/json");
    let got = response.status();
    let document: Value = response.json().await.unwrap();
    assert_eq!(got, status, "{document}");
    let (id, text) = (&document["id"], &document["error"]);
    assert_eq!(document, json!({"id": id, "code": status, "error": text}));
    let id = id.as_str().unwrap();
    assert!(id == ID || id == request_id, "{document}");
    (id.to_owned(), text.as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_labelled_and_nothing_is_registered() {
    let server = TestServer::start();
    let body = json!({
        "id": ID, "model": "", "version": "latest", "suffix": "", "stream": false,
        "images": [data_url("x")],
    });
    let expected = json!({
        "id": ID,
        "code": 200,
        "model": {"name": "fake", "version": "1"},
        "result": {"labels": [
            {"name": "car", "source": "image", "confidence": 1.0},
            {"name": "auto", "source": "image", "confidence": 0.8},
        ]},
    });
    assert_eq!(labels(&server, &body).await, expected);
    assert!(server.store.images().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_several_pictures_are_joined() {
    let server = TestServer::with(|setup| setup.fetching = FetchPolicy::Any);
    let bytes = picture("z");
    let (url, requests) = serving(with_length(bytes.len(), &bytes)).await;
    let body = json!({"images": [data_url("x"), BASE64_STANDARD.encode(picture("y")), url]});
    let document = labels(&server, &body).await;
    assert_eq!(document["result"]["labels"].as_array().unwrap().len(), 2);
    assert_eq!(server.provider.calls(), 3);
    assert_eq!(requests.load(std::sync::atomic::Ordering::Relaxed), 1);
    // What is known costs nothing; a new one adds its labels.
    server
        .provider
        .set_tags(tags(&[("dog", 95.0), ("auto", 90.0)]));
    let body = json!({"images": [data_url("x"), data_url("new")], "url": "http://not.used"});
    let document = labels(&server, &body).await;
    let confidences = document["result"]["labels"].as_array().unwrap().iter();
    let confidences: Vec<_> = confidences
        .map(|label| {
            (
                label["name"].as_str().unwrap(),
                label["confidence"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(confidences, [("car", 1.0), ("dog", 0.95), ("auto", 0.9)]);
    assert_eq!(server.provider.calls(), 4);
    let document = labels(&server, &json!({"url": url})).await;
    assert!(document["id"].as_str().is_some_and(|id| id.len() == 36));
}

#[tokio::test(flavor = "multi_thread")]
async fn parents_are_categories() {
    let server = TestServer::start();
    for (tag, parents) in [("car", ["vehicle"]), ("vehicle", ["machine"])] {
        let entry = server.request(Method::PUT, &format!("/vocabulary/{tag}"));
        let entry = entry.json(&json!({"parents": parents})).send().await;
        assert_eq!(entry.unwrap().status(), 201);
    }
    let document = labels(&server, &json!({"images": [data_url("x")]})).await;
    let labels = document["result"]["labels"].as_array().unwrap();
    let categories = |name: &str| {
        let label = labels.iter().find(|label| label["name"] == name).unwrap();
        label["categories"].clone()
    };
    assert_eq!(categories("car"), json!(["machine", "vehicle"]));
    assert_eq!(categories("vehicle"), json!(["machine"]));
    assert_eq!(categories("machine"), Value::Null);
    assert_eq!(categories("auto"), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_in_photoprisms_words() {
    let server = TestServer::start();
    let with = |images: Value| post(&server, &json!({"id": ID, "images": images}));
    let seventeen = json!(vec![data_url("x"); 17]);
    let half = BASE64_STANDARD.encode(vec![0; IMAGE_BYTES / 2 + 1]);
    for (request, status, why) in [
        (with(json!([])), 400, "no picture"),
        (with(json!("QQ")), 400, "array of texts"),
        (with(json!([5])), 400, "array of texts"),
        (with(json!(["*"])), 400, "picture 1"),
        (with(json!(["QQ", "data:x"])), 400, "picture 2"),
        (with(seventeen), 400, "16 pictures"),
        (with(json!([half, half])), 413, "200000 bytes"),
        (with(json!(["QQ"])), 422, "not a fake picture"),
        (with(json!(["http://127.0.0.1/"])), 403, "not fetched"),
        (with(json!(["http://nowhere:x/"])), 400, "not a valid URL"),
        (
            server.request(Method::POST, PATH).body("{"),
            400,
            "not valid JSON",
        ),
        (server.request(Method::POST, PATH), 400, "not valid JSON"),
        (
            with(json!([])).header("content-encoding", "gzip"),
            415,
            "compressed",
        ),
        (server.request(Method::GET, PATH), 405, "POST"),
        (
            server.request(Method::POST, "/api/v1/vision/caption"),
            404,
            "no such route",
        ),
        (
            post(&server, &json!({})).header("origin", "http://evil.example"),
            403,
            "cross-site",
        ),
    ] {
        let (_, text) = refused(request, status).await;
        assert!(text.contains(why), "{why}: {text}");
    }
    server
        .provider
        .fail_next(UpstreamError::QuotaExhausted { retry_after: None });
    let (id, _) = refused(with(json!([data_url("x")])), 503).await;
    assert_eq!(id, ID);
    assert_eq!(server.provider.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_sent_as_bearer() {
    let server = TestServer::with(|setup| setup.settings.keys = KeyPolicy::Everything);
    let (tag, read) = (
        key(&server, &[Scope::Tag]).await,
        key(&server, &[Scope::Read]).await,
    );
    let body = json!({"images": [data_url("x")]});
    let sent = post(&server, &body).bearer_auth(&tag).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    refused(post(&server, &body), 401).await;
    refused(post(&server, &body).basic_auth("a", Some(&tag)), 401).await;
    let (_, text) = refused(post(&server, &body).bearer_auth(&read), 403).await;
    assert!(text.contains("`tag`"), "{text}");
}
