//! `POST /image`.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::ports::{UpstreamError, cause};
use domain_testing::FakeImageCodec;
use futures_util::stream;
use reqwest::{Body, Method};
use serde_json::{Value, json};

use super::test_server::{IMAGE_BYTES, TEST_TIMEOUT, TestServer, picture, problem, until, upload};

const JSON: &str = "POST /image HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_registered_and_given_back() {
    let server = TestServer::with(|setup| {
        setup.settings.timezone = chrono_tz::Europe::Madrid;
    });
    let bytes = picture(&"x".repeat(113));
    let response = server.post("/image", &upload(&bytes)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let text = response.text().await.unwrap();
    let image: Value = serde_json::from_str(&text).unwrap();
    let id = image["id"].as_str().unwrap();
    assert_eq!(location, format!("/image/{id}"));
    assert_eq!(
        image,
        json!({
            "id": id,
            "size": 0.12,
            "date": "2024-01-01 01:00:00",
            "tags": [{"tag": "car", "confidence": 100.0}, {"tag": "auto", "confidence": 80.0}],
            "data": BASE64_STANDARD.encode(&bytes),
        })
    );
    assert!(text.starts_with(&format!("{{\"id\":\"{id}\",\"size\":0.12,\"date\":")));
    assert_eq!(server.read(&location).await, image);
    assert_eq!(server.store.images().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_threshold_is_inclusive_and_confidences_stay_as_they_are() {
    let server = TestServer::start();
    for (query, tags) in [
        ("", vec!["car", "auto"]),
        ("?min_confidence=80", vec!["car", "auto"]),
        ("?min_confidence=80.000001", vec!["car"]),
        ("?min_confidence=100", vec!["car"]),
        (
            "?min_confidence=69.4373550415039",
            vec!["car", "auto", "cab"],
        ),
        ("?min_confidence=0", vec!["car", "auto", "cab"]),
    ] {
        let response = server
            .post(&format!("/image{query}"), &upload(&picture("x")))
            .await;
        let text = response.text().await.unwrap();
        let image: Value = serde_json::from_str(&text).unwrap();
        let names: Vec<_> = image["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| &tag["tag"])
            .collect();
        assert_eq!(names, tags, "{query}");
        assert_eq!(text.contains("69.4373550415039"), tags.contains(&"cab"));
    }
    assert_eq!(server.provider.calls(), 1, "the same bytes cost one call");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_refused() {
    let server = TestServer::start();
    for (query, name) in [
        ("min_confidence=", "min_confidence"),
        ("min_confidence=NaN", "min_confidence"),
        ("min_confidence=101", "min_confidence"),
        ("min_confidence=1&min_confidence=1", "min_confidence"),
        ("minconfidence=60", "minconfidence"),
    ] {
        let request = server
            .request(Method::POST, &format!("/image?{query}"))
            .json(&upload(b"x"));
        let problem = server.refused(request, 400, "invalid-parameter").await;
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains(&format!("`{name}`"))
        );
        assert_eq!(problem["parameter"], name);
    }
}

#[rstest::rstest]
#[case("", "invalid-body", "JSON")]
#[case("hello", "invalid-body", "expected `{`, at offset 0")]
#[case("[]", "invalid-body", "object")]
#[case("{}", "invalid-body", "data")]
#[case(r#"{"data":null}"#, "invalid-body", "data")]
#[case(r#"{"data":"QUJD","data":"QUJD"}"#, "invalid-body", "data")]
#[case(r#"{"data":"QUJD""#, "invalid-body", "JSON")]
#[case(r#"{"data":"QUJD"}x"#, "invalid-body", "JSON")]
#[case(r#"{"data":""}"#, "invalid-base64", "offset 0")]
#[case(r#"{"data":"QUJ*"}"#, "invalid-base64", "offset 3")]
#[case(r#"{"data":"QUJDR"}"#, "invalid-base64", "offset 5")]
#[case(r#"{"data":"\n=QUJ"}"#, "invalid-base64", "offset 1")]
#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_are_refused(#[case] body: String, #[case] code: &str, #[case] what: &str) {
    let server = TestServer::start();
    let request = server
        .request(Method::POST, "/image")
        .header("content-type", "application/json");
    let problem = server.refused(request.body(body), 400, code).await;
    assert!(
        problem["detail"].as_str().unwrap().contains(what),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_may_begin_with_a_byte_order_mark_and_must_be_utf8() {
    let server = TestServer::start();
    let json = format!("\u{feff}{}", upload(&picture("x")));
    let post = |body: Vec<u8>| {
        let request = server.request(Method::POST, "/image");
        request
            .header("content-type", "application/json")
            .body(body)
    };
    let taken = post(json.clone().into_bytes()).send().await.unwrap();
    assert_eq!(taken.status(), 200);
    let utf16: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin1 = b"{\"note\":\"a\xf1o\",\"data\":\"QUJD\"}".to_vec();
    for body in [utf16.clone(), utf16.get(2..).unwrap().to_vec(), latin1] {
        let refused = server.refused(post(body), 400, "invalid-body").await;
        assert!(
            refused["detail"].as_str().unwrap().contains("UTF-8"),
            "{refused}"
        );
    }
}

#[rstest::rstest]
#[case("data:;base64,")]
#[case("data:application/octet-stream;base64,")]
#[case("data:image/jpeg;name=\"a,b.jpg\";base64,")]
#[tokio::test(flavor = "multi_thread")]
async fn data_urls_may_name_any_type(#[case] prefix: &str) {
    let server = TestServer::start();
    let data = BASE64_STANDARD.encode(picture("x"));
    let body = json!({"data": format!("{prefix}{data}")});
    let response = server.post("/image", &body).await;
    assert_eq!(response.status(), 200);
    let image: Value = response.json().await.unwrap();
    assert_eq!(image["data"], data);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_types_are_not_taken() {
    let server = TestServer::start();
    let body = upload(&picture("x")).to_string();
    for content_type in [
        None,
        Some("text/plain"),
        Some("multipart/form-data"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let mut request = server.request(Method::POST, "/image").body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let refused = server.refused(request, 415, "unsupported-media-type").await;
        let detail = refused["detail"].as_str().unwrap();
        assert!(
            detail.contains(content_type.unwrap_or("missing")),
            "{detail}"
        );
        for taken in [
            "application/json",
            "image/*",
            "application/octet-stream",
            "multipart/form-data",
        ] {
            assert!(detail.contains(taken), "{detail}");
        }
    }
    let request = server.request(Method::POST, "/image").body(body);
    let request = request.header("content-type", "application/json; charset=utf-8");
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_refused() {
    let server = TestServer::start();
    let request = server
        .request(Method::POST, "/image")
        .json(&upload(b"not a picture"));
    let refused = server.refused(request, 422, "not-an-image").await;
    assert_eq!(refused["detail"], "not a fake picture");
    let huge = FakeImageCodec::picture(100_000, 100_000, "");
    let request = server.request(Method::POST, "/image").json(&upload(&huge));
    server.refused(request, 422, "image-too-large").await;
}

#[rstest::rstest]
#[case(UpstreamError::Refused(cause("SECRET")), 502, "tagging-failed", None)]
#[case(
    UpstreamError::Unreadable(cause("SECRET")),
    502,
    "tagging-failed",
    None
)]
#[case(UpstreamError::Busy { retry_after: Some(Duration::from_millis(1500)) }, 503, "upstream-busy", Some("2"))]
#[case(UpstreamError::QuotaExhausted { retry_after: None }, 503, "quota-exhausted", Some("60"))]
#[case(UpstreamError::TimedOut, 504, "tagging-timeout", None)]
#[tokio::test(flavor = "multi_thread")]
async fn upstream_failures(
    #[case] error: UpstreamError,
    #[case] status: u16,
    #[case] code: &str,
    #[case] wait: Option<&str>,
) {
    let server = TestServer::start();
    server.provider.fail_next(error);
    let response = server.post("/image", &upload(&picture("x"))).await;
    let header = response.headers().get("retry-after").cloned();
    assert_eq!(header.as_ref().map(|value| value.to_str().unwrap()), wait);
    let document = problem(response, status, code).await;
    assert!(!document.to_string().contains("SECRET"));
    assert!(server.store.images().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_gone_is_not_the_clients_fault() {
    let server = TestServer::start();
    server.originals.set_down(true);
    let request = server
        .request(Method::POST, "/image")
        .json(&upload(&picture("x")));
    server.refused(request, 503, "storage-unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_image_is_taken_in_chunks_or_with_a_length() {
    let server = TestServer::start();
    let bytes = picture(&"x".repeat(IMAGE_BYTES - "II*_640x480:".len()));
    assert_eq!(server.post("/image", &upload(&bytes)).await.status(), 200);
    let body = upload(&bytes).to_string();
    let pieces: Vec<_> = body
        .as_bytes()
        .chunks(3001)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let request = server
        .request(Method::POST, "/image")
        .header("content-type", "application/json")
        .body(Body::wrap_stream(stream::iter(pieces)));
    let response = request.send().await.unwrap();
    let image: Value = response.json().await.unwrap();
    assert_eq!(image["data"], BASE64_STANDARD.encode(&bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_image_is_refused_with_the_limit() {
    let server = TestServer::start();
    let request = server
        .request(Method::POST, "/image")
        .json(&upload(&vec![0; IMAGE_BYTES + 1]));
    let refused = server.refused(request, 413, "payload-too-large").await;
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains(&IMAGE_BYTES.to_string())
    );
    assert_eq!(refused["limit"], IMAGE_BYTES);
}

/// A client that has announced too much is told at once; it may go on sending for a while and still
/// reads the answer.
#[rstest::rstest]
#[case("Content-Length: 99999999\r\n", "")]
#[case("Transfer-Encoding: chunked\r\n", "100000\r\n")]
#[tokio::test(flavor = "multi_thread")]
async fn too_large_is_said_before_the_body_is_there(#[case] framing: &str, #[case] chunk: &str) {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send(&format!("{JSON}{framing}\r\n{chunk}{{\"data\":\""))
        .await;
    let piece = "QUJD".repeat(16_384);
    if !chunk.is_empty() {
        // The size of the image is known only once so much of it has come.
        for _ in 0..5 {
            raw.send(&piece).await;
        }
    }
    let (head, body) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert!(body.contains("\"payload-too-large\""), "{body}");
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        raw.try_send(piece.as_bytes()).await.unwrap();
    }
    raw.half_close().await;
    assert_eq!(raw.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_body_is_told_at_once() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{JSON}Content-Length: 100000\r\n\r\n{{\"data\":\"QUJD!"
    ))
    .await;
    let (head, body) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(
        body.contains("invalid-base64") && body.contains("offset 4"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_pauses_too_long_is_given_up() {
    let server = TestServer::with(|setup| setup.settings.body_pause = Duration::from_millis(100));
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{JSON}Content-Length: 1000\r\n\r\n{{\"data\":\"QUJD"
    ))
    .await;
    let (head, body) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert!(body.contains("request-timeout"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_given_up() {
    let server = TestServer::with(|setup| {
        setup.settings.body_pause = Duration::from_secs(10);
        setup.settings.body_timeout = Duration::from_millis(300);
    });
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{JSON}Content-Length: 100000\r\n\r\n{{\"data\":\""
    ))
    .await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        raw.send("QUJD").await;
    }
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_too_early_is_refused() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{JSON}Content-Length: 1000\r\n\r\n{{\"data\":\"QUJD\"}}"
    ))
    .await;
    raw.half_close().await;
    let answer = raw.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("invalid-body"),
        "{answer}"
    );
    assert!(server.store.images().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_uploads_at_once_wait_and_are_refused() {
    let server = TestServer::with(|setup| {
        setup.settings.memory_budget = IMAGE_BYTES;
        setup.settings.admission_wait = Duration::from_millis(100);
    });
    let mut first = server.connect().await;
    first
        .send(&format!(
            "{JSON}Content-Length: 250000\r\n\r\n{{\"data\":\""
        ))
        .await;
    let request = || {
        server
            .request(Method::POST, "/image")
            .json(&upload(&vec![0; IMAGE_BYTES]))
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.refused(request(), 503, "overloaded").await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.refused(request(), 422, "not-an-image").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_an_upload_is_given_back() {
    let server = TestServer::with(|setup| {
        setup.settings.memory_budget = 4 * IMAGE_BYTES;
        setup.settings.admission_wait = Duration::from_secs(5);
    });
    let bytes = picture(&"x".repeat(IMAGE_BYTES / 2));
    // The fake store keeps the first one's bytes, and with them their share.
    for _ in 0..6 {
        assert_eq!(server.post("/image", &upload(&bytes)).await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_registered_all_the_same() {
    let server =
        TestServer::with(|setup| setup.settings.request_deadline = Duration::from_millis(300));
    server.provider.hold();
    let request = server
        .request(Method::POST, "/image")
        .json(&upload(&picture("x")));
    server.refused(request, 504, "tagging-timeout").await;
    assert!(server.store.images().is_empty());
    server.provider.let_go();
    until(|| server.store.images().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_does_not_stop_its_upload() {
    let server = TestServer::start();
    server.provider.hold();
    let body = upload(&picture("x")).to_string();
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{JSON}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    until(|| server.provider.calls() == 1).await;
    drop(raw);
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.provider.let_go();
    until(|| server.store.images().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_only_stops_sending_gets_what_costs_no_call() {
    let server = TestServer::start();
    server.register("x").await;
    let body = upload(&picture("x")).to_string();
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{JSON}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    raw.half_close().await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\"}"), "{answer}");
    assert_eq!(server.provider.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let server = TestServer::start();
    let body = upload(&picture("x")).to_string();
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{JSON}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ))
    .await;
    assert_eq!(raw.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send(&body).await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_the_same_bytes_share_one_call() {
    let server = TestServer::start();
    server.provider.hold();
    let body = upload(&picture("x"));
    let posts = futures_util::future::join_all((0..5).map(|_| server.post("/image", &body)));
    let letting_go = async {
        until(|| server.provider.calls() == 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.provider.let_go();
    };
    let (responses, ()) = tokio::join!(tokio::time::timeout(TEST_TIMEOUT, posts), letting_go);
    assert!(
        responses
            .unwrap()
            .iter()
            .all(|response| response.status() == 200)
    );
    assert_eq!(server.provider.calls(), 1);
    assert_eq!(server.store.images().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_bytes_beyond_the_bound_of_the_store_are_507() {
    let bytes = picture("x");
    let room = bytes.len() as u64;
    let server = TestServer::with(|setup| setup.store_bytes = Some(room));
    server.register("x").await;
    let request = server
        .request(Method::POST, "/image")
        .json(&upload(&picture("y")));
    let document = server.refused(request, 507, "store-full").await;
    assert_eq!(document["limit"], room);
    assert_eq!(document["setting"], "limits.store_bytes");
    server.register("x").await;
}
