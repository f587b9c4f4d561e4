//! Imagga's interface: tags, uploads, usage.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::TimeDelta;
use domain::{
    LabelNames, NameTable,
    ports::{Quota, UpstreamError, cause},
};
use domain_testing::{FakeImageCodec, at};
use reqwest::{
    Method, RequestBuilder, Response,
    header::HeaderMap,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use url_fetch::FetchPolicy;

use super::{
    fetching::{serving, with_length},
    test_server::{IMAGE_BYTES, TestServer, UPLOAD_BYTES, picture},
};

/// The answer to a request that is not refused.
pub(super) async fn success(response: Response) -> Value {
    let status = response.status();
    let document: Value = response.json().await.unwrap();
    assert_eq!(status, 200, "{document}");
    assert_eq!(document["status"], json!({"text": "", "type": "success"}));
    document["result"].clone()
}

/// Asserts that a request fails with that status in Imagga's form, and gives the text and the headers.
pub(super) async fn refused(request: RequestBuilder, status: u16) -> (String, HeaderMap) {
    let response = request.send().await.unwrap();
    let (got, headers) = (response.status(), response.headers().clone());
    let document: Value = response.json().await.unwrap();
    assert_eq!(got, status, "{document}");
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers.contains_key("x-request-id"));
    let text = document["status"]["text"].as_str().unwrap().to_owned();
    assert!(!text.is_empty());
    let expected = json!({"status": {"text": text, "type": "error"}});
    assert_eq!(document, expected, "nothing else");
    (text, headers)
}

fn fetching() -> TestServer {
    TestServer::with(|setup| {
        setup.fetching = FetchPolicy::Any;
        let spanish = NameTable::parse("car\tcoche\n").unwrap();
        setup.names = LabelNames::default().with("es", spanish).unwrap();
    })
}

/// A URL as a parameter.
fn encoded(url: &str) -> String {
    url::form_urlencoded::byte_serialize(url.as_bytes()).collect()
}

async fn served(bytes: &[u8]) -> String {
    serving(with_length(bytes.len(), bytes)).await.0
}

fn file(bytes: &[u8]) -> Form {
    let part = Part::bytes(bytes.to_vec()).file_name("a.jpg");
    Form::new().part("image", part)
}

fn post(server: &TestServer, path: &str) -> RequestBuilder {
    server.request(Method::POST, path)
}

async fn upload(server: &TestServer, bytes: &[u8]) -> String {
    let sent = post(server, "/v2/uploads").multipart(file(bytes)).send();
    let result = success(sent.await.unwrap()).await;
    result["upload_id"].as_str().unwrap().to_owned()
}

/// The tags that the fake finds.
fn all() -> Value {
    json!({"tags": [
        {"confidence": 100.0, "tag": {"en": "car"}},
        {"confidence": 80.0, "tag": {"en": "auto"}},
        {"confidence": 69.437_355_041_503_9, "tag": {"en": "cab"}},
    ]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_may_come_in_each_way_and_costs_one_call() {
    let server = fetching();
    let bytes = picture("x");
    let (url, text) = (served(&bytes).await, BASE64_STANDARD.encode(&bytes));
    let id = upload(&server, &bytes).await;
    let by_url = format!("/v2/tags?image_url={}", encoded(&url));
    let by_id = format!("/v2/tags?image_upload_id={id}");
    let by_text = format!("/v2/tags?image_base64={}", encoded(&text));
    let form = |name: &'static str, value: &str| Form::new().text(name, value.to_owned());
    let tags = || post(&server, "/v2/tags");
    for request in [
        server.request(Method::GET, &by_url),
        server.request(Method::GET, &by_id),
        server.request(Method::GET, &by_text),
        post(&server, &by_url),
        post(&server, &by_id),
        tags().multipart(file(&bytes)),
        tags().multipart(form("image_base64", &text)),
        tags().multipart(form("image_url", &url)),
        tags().multipart(form("image_upload_id", &id)),
        tags().form(&[("image_base64", &text)]),
        tags().form(&[("image_base64", format!("data:image/png;base64,{text}"))]),
        tags().form(&[("image_url", &url)]),
        tags().form(&[("image_upload_id", &id)]),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(success(response).await, all());
    }
    assert_eq!(server.provider.calls(), 1, "the same bytes cost one call");
    assert!(server.store.images().is_empty());
    assert!(server.originals.digests().is_empty());
}

#[rstest::rstest]
#[case("", &["car", "auto", "cab"])]
#[case("limit=-1", &["car", "auto", "cab"])]
#[case("limit=2", &["car", "auto"])]
#[case("limit=1&limit=3", &["car"])]
#[case("threshold=80", &["car", "auto"])]
#[case("threshold=80.01", &["car"])]
#[case("threshold=&limit=", &["car", "auto", "cab"])]
#[case("threshold=69.4&limit=100000", &["car", "auto", "cab"])]
#[case("decrease_parents=0&tagger_id=x&%ff=%zz&limit=2", &["car", "auto"])]
#[tokio::test(flavor = "multi_thread")]
async fn parameters_count_in_the_query_and_in_the_form(
    #[case] parameters: &str,
    #[case] expected: &[&str],
) {
    let server = TestServer::start();
    let in_query = post(&server, &format!("/v2/tags?{parameters}"));
    let in_query = in_query.multipart(file(&picture("x")));
    let text = BASE64_STANDARD.encode(picture("x"));
    let body = format!("{parameters}&image_base64={}", encoded(&text));
    let in_form = post(&server, "/v2/tags")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    for request in [in_query, in_form] {
        let result = success(request.send().await.unwrap()).await;
        let tags = result["tags"].as_array().unwrap();
        let names: Vec<_> = tags
            .iter()
            .map(|tag| tag["tag"]["en"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_shown_in_the_languages() {
    let server = fetching();
    let tags = async |query: &str| {
        let request = post(&server, &format!("/v2/tags?limit=2&{query}"));
        let sent = request.multipart(file(&picture("x"))).send();
        success(sent.await.unwrap()).await["tags"].clone()
    };
    let tag = |confidence: f64, tag: Value| json!({"confidence": confidence, "tag": tag});
    let both = json!([
        tag(100.0, json!({"en": "car", "es": "coche"})),
        tag(80.0, json!({"en": "auto", "es": "auto"})),
    ]);
    assert_eq!(tags("language=en,es").await, both);
    assert_eq!(tags("language=ES,%20en,es").await, both);
    let spanish = tags("language=es").await;
    assert_eq!(spanish[0], tag(100.0, json!({"es": "coche"})));
    let request = post(&server, "/v2/tags?language=en,xx").multipart(file(&picture("x")));
    let (text, _) = refused(request, 400).await;
    assert!(text.contains("`xx`") && text.contains("en, es"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verbose_tells_where_a_tag_is_from() {
    let server = TestServer::start();
    let entry = server.request(Method::PUT, "/vocabulary/car");
    let entry = entry.json(&json!({"parents": ["vehicle"]})).send().await;
    assert_eq!(entry.unwrap().status(), 201);
    let request = post(&server, "/v2/tags?verbose=1&threshold=90");
    let sent = request.multipart(file(&picture("x"))).send().await.unwrap();
    let expected = json!({"tags": [
        {"confidence": 100.0, "tag": {"en": "car"}, "origin": "recognition"},
        {"confidence": 100.0, "tag": {"en": "vehicle"}, "origin": "additional"},
    ]});
    assert_eq!(success(sent).await, expected);
}

/// Asserts that requests are refused with these statuses, in texts that hold these words.
async fn all_refused(
    server: &TestServer,
    rows: impl IntoIterator<Item = (RequestBuilder, u16, &'static str)>,
) {
    for (request, status, why) in rows {
        let (text, _) = refused(request, status).await;
        assert!(text.contains(why), "{why}: {text}");
    }
    assert_eq!(server.provider.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_picture_is_required() {
    let server = TestServer::start();
    let get = |query: &str| server.request(Method::GET, &format!("/v2/tags?{query}"));
    let tags = || post(&server, "/v2/tags");
    let two = [("image_base64", "QQ"), ("image_base64", "QQ")];
    let with_url = post(&server, "/v2/tags?image_url=http://a").multipart(file(b"x"));
    let uploads = || post(&server, "/v2/uploads");
    let rows = [
        (get(""), 400, "no picture"),
        (get("image_url="), 400, "no picture"),
        (tags(), 400, "no picture"),
        (tags().form(&[("limit", "5")]), 400, "no picture"),
        (with_url, 400, "more than one"),
        (
            get("image_url=http://a&image_upload_id=b"),
            400,
            "more than one",
        ),
        (tags().form(&two), 400, "more than one"),
        (tags().form(&[("image", "QQ")]), 400, "not sent as a file"),
        (tags().form(&[("image_base64", "")]), 400, "empty"),
        (tags().multipart(file(b"")), 400, "empty"),
        (
            uploads().form(&[("image_url", "http://a")]),
            400,
            "no picture",
        ),
        (uploads(), 400, "no picture"),
        (uploads().multipart(file(b"")), 400, "empty"),
    ];
    all_refused(&server, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_cannot_be_had_or_read_are_bad_requests() {
    let server = fetching();
    let get = |query: &str| server.request(Method::GET, &format!("/v2/tags?{query}"));
    let tags = || post(&server, "/v2/tags");
    let huge = FakeImageCodec::picture(100_000, 100_000, "");
    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    let missing = format!("image_url={}", encoded(&serving(missing).await.0));
    let other_id = "image_upload_id=0193a1c2-5f0a-4c3e-9d55-3ffa4d0cb777";
    let too_large = vec![0; IMAGE_BYTES + 1];
    let rows = [
        (tags().form(&[("image_base64", "*")]), 400, "not base64"),
        (
            tags().form(&[("image_base64", "QQ")]),
            400,
            "not a fake picture",
        ),
        (tags().multipart(file(b"text")), 400, "not a fake picture"),
        (tags().multipart(file(&huge)), 400, "pixels"),
        (tags().multipart(file(&too_large)), 413, "200000 bytes"),
        (get("image_url=nowhere"), 400, "not a valid URL"),
        (get("image_url=file:///etc/passwd"), 400, "not fetched"),
        (get(&missing), 400, "answered 404"),
        (
            get("image_upload_id=i05e132196706b94b1d85efb5f3"),
            404,
            "no such upload",
        ),
        (get(other_id), 404, "no such upload"),
        (
            server.request(Method::DELETE, "/v2/uploads/x"),
            404,
            "no such upload",
        ),
    ];
    all_refused(&server, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_in_imaggas_words() {
    let server = TestServer::start();
    let get = |path: &str| server.request(Method::GET, path);
    let with = |query: &str| {
        let request = post(&server, &format!("/v2/tags?{query}"));
        request.multipart(file(&picture("x")))
    };
    let tags = || post(&server, "/v2/tags");
    let packed = tags().header("content-encoding", "gzip");
    let long = format!("/v2/tags?{}", "x".repeat(20_000));
    let rows = [
        (
            tags().json(&json!({"image_url": "http://a"})),
            400,
            "form-data",
        ),
        (tags().body("x"), 400, "multipart/form-data"),
        (packed.form(&[("a", "b")]), 400, "compressed"),
        (
            tags().form(&[("a", "x".repeat(100_000))]),
            413,
            "beside the picture",
        ),
        (with("limit=0"), 400, "`limit`"),
        (with("limit=-2"), 400, "`limit`"),
        (with("limit=ten"), 400, "`limit`"),
        (with("threshold=101"), 400, "`threshold`"),
        (with("threshold=nan"), 400, "`threshold`"),
        (get("/v2/nowhere"), 404, "no such route"),
        (get("/v2"), 404, "no such route"),
        (
            server.request(Method::PUT, "/v2/tags"),
            405,
            "GET, HEAD, POST",
        ),
        (get(&long), 414, "16384"),
        (get("/v2/usage").header("host", "evil.example"), 421, "host"),
    ];
    all_refused(&server, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_are_fetched_by_the_rules_of_uploads() {
    for (policy, url) in [
        (FetchPolicy::None, "https://example.org/a.jpg"),
        (FetchPolicy::Public, "http://127.0.0.1/a.jpg"),
        (FetchPolicy::Public, "http://example.org:8080/"),
    ] {
        let server = TestServer::with(|setup| setup.fetching = policy);
        let path = format!("/v2/tags?image_url={}", encoded(url));
        let (text, _) = refused(server.request(Method::GET, &path), 400).await;
        assert!(text.contains("the URL is not fetched"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_tagger_have_imaggas_statuses() {
    let server = TestServer::start();
    let quota = UpstreamError::QuotaExhausted { retry_after: None };
    let busy = UpstreamError::Busy { retry_after: None };
    let broken = UpstreamError::Refused(cause("SECRET"));
    let slow = UpstreamError::TimedOut;
    for (error, status, waits) in [
        (quota, 403, true),
        (busy, 429, true),
        (broken, 502, false),
        (slow, 504, false),
    ] {
        server.provider.fail_next(error);
        let request = post(&server, "/v2/tags").multipart(file(&picture("x")));
        let (text, headers) = refused(request, status).await;
        assert!(!text.contains("SECRET"));
        assert_eq!(headers.contains_key("retry-after"), waits, "{status}");
    }
    assert_eq!(server.provider.calls(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_kept_for_an_hour_and_for_every_server() {
    let server = TestServer::start();
    let bytes = picture("x");
    let id = upload(&server, &bytes).await;
    // Another server in the same place.
    let other = TestServer::with(|setup| {
        setup.fakes.uploads = server.uploads.clone();
        setup.fakes.clock = server.clock.clone();
    });
    for server in [&server, &other] {
        let tags = server.get(&format!("/v2/tags?image_upload_id={id}")).await;
        assert_eq!(success(tags).await, all());
    }
    server.clock.advance(TimeDelta::minutes(61));
    let path = format!("/v2/tags?image_upload_id={id}");
    let (text, _) = refused(server.request(Method::GET, &path), 410).await;
    assert!(text.contains("expired"), "{text}");
    let path = format!("/v2/uploads/{id}");
    refused(server.request(Method::DELETE, &path), 410).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_deleted_once() {
    let server = TestServer::start();
    let text = BASE64_STANDARD.encode(picture("x"));
    let sent = post(&server, "/v2/uploads")
        .form(&[("image_base64", &text)])
        .send();
    let uploaded = success(sent.await.unwrap()).await;
    let id = uploaded["upload_id"].as_str().unwrap();
    let path = format!("/v2/uploads/{id}");
    let deleted = success(server.send(Method::DELETE, &path).await).await;
    assert_eq!(deleted, uploaded);
    refused(server.request(Method::DELETE, &path), 404).await;
    let path = format!("/v2/tags?image_upload_id={id}");
    refused(server.request(Method::GET, &path), 404).await;
    assert!(server.uploads.ids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_bounded() {
    let server = TestServer::start();
    let bytes = vec![7; IMAGE_BYTES];
    let fitting = UPLOAD_BYTES / IMAGE_BYTES as u64;
    for _ in 0..fitting {
        upload(&server, &bytes).await;
    }
    let request = || post(&server, "/v2/uploads").multipart(file(&picture("x")));
    let (text, _) = refused(request(), 507).await;
    assert!(text.contains(&UPLOAD_BYTES.to_string()), "{text}");
    server.uploads.set_down(true);
    server.clock.advance(TimeDelta::minutes(5));
    let (_, headers) = refused(request(), 503).await;
    assert!(headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_headers_show_the_quota() {
    let server = TestServer::start();
    let usage = async || success(server.get("/v2/usage?history=1&concurrency=1").await).await;
    assert_eq!(usage().await, json!({}));
    server.provider.set_quota(Some(Quota {
        limit: 1000,
        remaining: 983,
        resets_at: Some(at(0)),
    }));
    let end = at(0).format("%Y-%m-%d %H:%M:%S").to_string();
    let expected =
        json!({"monthly_limit": 1000, "monthly_processed": 17, "billing_period_end": end});
    assert_eq!(usage().await, expected);
    let request = post(&server, "/v2/tags").multipart(file(&picture("x")));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["monthly-limit"], "1000");
    assert_eq!(response.headers()["monthly-limit-remaining"], "983");
    let reset = at(0).timestamp().to_string();
    assert_eq!(response.headers()["monthly-limit-reset"], reset);
}
