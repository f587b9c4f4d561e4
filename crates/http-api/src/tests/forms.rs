//! `POST /image` with bytes as they are and with forms, and without `data` in the answer.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::stream;
use reqwest::{
    Body, Method, RequestBuilder, Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::test_server::{IMAGE_BYTES, TestServer, picture, problem, upload};

const RAW: &str = "POST /image HTTP/1.1\r\nHost: t\r\nContent-Type: image/jpeg\r\n";

const MULTIPART: &str =
    "POST /image HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=b\r\n";

const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n";

/// A form with one file.
fn file(bytes: &[u8]) -> Form {
    Form::new().part("file", Part::bytes(bytes.to_vec()).file_name("a.jpg"))
}

/// A picture of that many bytes.
fn sized(bytes: usize) -> Vec<u8> {
    let empty = picture("").len();
    picture(&"x".repeat(bytes - empty)).to_vec()
}

impl TestServer {
    fn raw(&self, path: &str, content_type: &str, bytes: &[u8]) -> RequestBuilder {
        let request = self.request(Method::POST, path);
        request
            .header("content-type", content_type)
            .body(bytes.to_vec())
    }

    /// A request with a multipart body as it is, `b` being the boundary.
    fn form(&self, body: &str) -> RequestBuilder {
        self.raw("/image", "multipart/form-data; boundary=b", body.as_bytes())
    }
}

async fn names(response: Response) -> Vec<String> {
    let answer: Value = response.json().await.unwrap();
    let tags = answer["tags"].as_array().unwrap().iter();
    tags.map(|tag| tag["tag"].as_str().unwrap().to_owned())
        .collect()
}

#[rstest::rstest]
#[case("/image")]
#[case("/tag")]
#[tokio::test(flavor = "multi_thread")]
async fn every_content_type_gets_the_answer_of_json(#[case] path: &str) {
    let server = TestServer::start();
    let bytes = picture("x");
    let expected: Value = server
        .post(path, &upload(&bytes))
        .await
        .json()
        .await
        .unwrap();
    let anonymous = Form::new().part("anything", Part::bytes(bytes.to_vec()).file_name(""));
    for request in [
        server.raw(path, "image/jpeg", &bytes),
        server.raw(path, "Image/X-Any; a=b", &bytes),
        server.raw(path, "application/octet-stream", &bytes),
        server.request(Method::POST, path).multipart(file(&bytes)),
        server.request(Method::POST, path).multipart(anonymous),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        let location = response.headers().get("location").cloned();
        let mut answer: Value = response.json().await.unwrap();
        if path == "/image" {
            let id = answer["id"].as_str().unwrap();
            assert_eq!(location.unwrap(), format!("/image/{id}"));
            assert_eq!(answer["data"], BASE64_STANDARD.encode(&bytes));
            answer["id"] = expected["id"].clone();
        }
        assert_eq!(answer, expected);
    }
    let registered = if path == "/image" { 6 } else { 0 };
    assert_eq!(server.store.images().len(), registered);
    assert_eq!(server.provider.calls(), 1);
}

#[rstest::rstest]
#[case("/image")]
#[case("/tag")]
#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_read_from_the_query_only(#[case] path: &str) {
    let server = TestServer::start();
    let bytes = picture("x");
    for (query, expected) in [
        ("", 2),
        ("?min_confidence=0", 3),
        ("?min_confidence=100", 1),
    ] {
        let target = format!("{path}{query}");
        let raw = server.raw(&target, "image/png", &bytes);
        assert_eq!(names(raw.send().await.unwrap()).await.len(), expected);
        let form = server.request(Method::POST, &target);
        let form = form.multipart(file(&bytes));
        assert_eq!(names(form.send().await.unwrap()).await.len(), expected);
    }
    let with_part = file(&bytes).text("min_confidence", "0");
    let request = server.request(Method::POST, path).multipart(with_part);
    let refused = server.refused(request, 400, "invalid-body").await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("`min_confidence` is not a file"),
        "{detail}"
    );
    assert!(detail.contains("query"), "{detail}");
    let bad = server.raw(&format!("{path}?min_confidence=x"), "image/png", &bytes);
    server.refused(bad, 400, "invalid-parameter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_is_detected_from_the_bytes() {
    let server = TestServer::start();
    for content_type in ["image/jpeg", "application/octet-stream"] {
        let request = server.raw("/image", content_type, b"not a picture");
        server.refused(request, 422, "not-an-image").await;
    }
    let part = Part::bytes(picture("x").to_vec()).file_name("notes.txt");
    let part = part.mime_str("text/plain").unwrap();
    let request = server.request(Method::POST, "/image");
    let request = request.multipart(Form::new().part("file", part));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let json = server.raw(
        "/image",
        "image/png",
        upload(&picture("x")).to_string().as_bytes(),
    );
    server.refused(json, 422, "not-an-image").await;
}

#[rstest::rstest]
#[case("", "the boundary given in Content-Type does not occur")]
#[case("--b--\r\n", "no file part")]
#[case(
    "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n--b--",
    "the part `note` is not a file"
)]
#[case(
    "--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--",
    "Content-Disposition: form-data"
)]
#[case(
    "--b\r\n{FILE}abc\r\n--b\r\nContent-Disposition: form-data; name=two; filename=x\r\n\r\n",
    "the part `two` is a second file"
)]
#[case("--b\r\n{FILE}\r\n--b--", "the file of the part `file` is empty")]
#[case("--b\r\n{FILE}abc", "ends before its last boundary")]
#[case(
    "--b\r\nContent-Transfer-Encoding: base64\r\n{FILE}abc\r\n--b--",
    "the part `file` has a Content-Transfer-Encoding"
)]
#[tokio::test(flavor = "multi_thread")]
async fn other_forms_are_refused(#[case] body: String, #[case] reason: &str) {
    let server = TestServer::start();
    let request = server.form(&body.replace("{FILE}", FILE));
    let refused = server.refused(request, 400, "invalid-body").await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains(reason), "{detail}");
    assert!(server.store.images().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_is_no_picture() {
    let server = TestServer::start();
    let request = server.raw("/image", "image/png", b"");
    let refused = server.refused(request, 400, "invalid-body").await;
    assert_eq!(
        refused["detail"],
        "the body is empty; it must be the picture"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_picture_is_taken_in_every_form_and_a_larger_one_is_not() {
    let server = TestServer::start();
    let largest = sized(IMAGE_BYTES);
    let larger = sized(IMAGE_BYTES + 1);
    let chunked = |bytes: &[u8]| {
        let pieces: Vec<_> = bytes
            .chunks(3001)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
            .collect();
        let request = server.request(Method::POST, "/image");
        request
            .header("content-type", "image/tiff")
            .body(Body::wrap_stream(stream::iter(pieces)))
    };
    let requests = |bytes: &[u8]| {
        let form = server.request(Method::POST, "/image");
        [
            server.raw("/image", "image/tiff", bytes),
            chunked(bytes),
            form.multipart(file(bytes)),
        ]
    };
    for request in requests(&largest) {
        let image: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(image["data"], BASE64_STANDARD.encode(&largest));
    }
    for request in requests(&larger) {
        let refused = server.refused(request, 413, "payload-too-large").await;
        assert_eq!(refused["limit"], IMAGE_BYTES);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_of_a_file_is_bounded() {
    let server = TestServer::start();
    let head = format!("--b\r\nX: {}\r\n{FILE}abc\r\n--b--", "x".repeat(9000));
    let refused = server
        .refused(server.form(&head), 413, "payload-too-large")
        .await;
    assert_eq!(refused["limit"], 8192);
    let beside = "x".repeat(33_000);
    let epilogue = format!("--b\r\n{FILE}abc\r\n--b--{beside}");
    let refused = server
        .refused(server.form(&epilogue), 413, "payload-too-large")
        .await;
    assert_eq!(refused["limit"], 32_768);
    for preamble in [format!("{beside}\r\n--b\r\n{FILE}abc\r\n--b--"), beside] {
        let refused = server
            .refused(server.form(&preamble), 400, "invalid-body")
            .await;
        let detail = refused["detail"].as_str().unwrap();
        assert!(
            detail.contains("the boundary given in Content-Type"),
            "{detail}"
        );
    }
}

#[rstest::rstest]
#[case("multipart/form-data")]
#[case("multipart/form-data; charset=utf-8")]
#[case("multipart/form-data; boundary=")]
#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_a_boundary_is_415(#[case] content_type: &str) {
    let server = TestServer::start();
    for path in ["/image", "/tag"] {
        let request = server.raw(path, content_type, b"--b\r\n");
        server.refused(request, 415, "unsupported-media-type").await;
    }
}

/// An announced length over the limit, and an error in the first bytes.
#[rstest::rstest]
#[case(RAW, "Content-Length: 200001\r\n\r\n", "413", "payload-too-large")]
#[case(
    MULTIPART,
    "Content-Length: 232769\r\n\r\n",
    "413",
    "payload-too-large"
)]
#[case(
    MULTIPART,
    "Content-Length: 1000\r\n\r\n--c\r\n--b\r\n\r\n",
    "400",
    "invalid-body"
)]
#[tokio::test(flavor = "multi_thread")]
async fn errors_are_answered_before_the_body_has_arrived(
    #[case] head: &str,
    #[case] body: &str,
    #[case] status: &str,
    #[case] code: &str,
) {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send(&format!("{head}{body}")).await;
    let (head, body) = raw.answer().await;
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(body.contains(code), "{body}");
}

#[rstest::rstest]
#[case(RAW, "II*_640x480:")]
#[case(MULTIPART, "--b\r\n{FILE}II*_640x480:")]
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_pause_or_end_too_early_are_given_up(#[case] head: &str, #[case] body: &str) {
    let server = TestServer::with(|setup| setup.settings.body_pause = Duration::from_millis(100));
    let request = format!("{head}Content-Length: 1000\r\n\r\n{body}").replace("{FILE}", FILE);
    let mut raw = server.connect().await;
    raw.send(&request).await;
    let (head, body) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert!(body.contains("request-timeout"), "{body}");
    let mut raw = server.connect().await;
    raw.send(&request).await;
    raw.half_close().await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("invalid-body"), "{answer}");
    assert!(server.store.images().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_every_form_is_counted_and_given_back() {
    let server = TestServer::with(|setup| {
        setup.settings.memory_budget = IMAGE_BYTES;
        setup.settings.admission_wait = Duration::from_millis(100);
    });
    let bytes = sized(IMAGE_BYTES / 2);
    let requests = || {
        let form = server.request(Method::POST, "/tag");
        [
            server.raw("/tag", "image/tiff", &bytes),
            form.multipart(file(&bytes)),
        ]
    };
    for head in [RAW, MULTIPART] {
        let mut first = server.connect().await;
        first
            .send(&format!("{head}Content-Length: 190000\r\n\r\n"))
            .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        for request in requests() {
            server.refused(request, 503, "overloaded").await;
        }
        drop(first);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for request in requests().into_iter().chain(requests()) {
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

#[rstest::rstest]
#[case(&["return=minimal"])]
#[case(&["wait=5, Return=\"minimal\"; x=y"])]
#[case(&["handling=lenient", "return=minimal"])]
#[tokio::test(flavor = "multi_thread")]
async fn a_minimal_answer_has_no_data(#[case] preferences: &[&str]) {
    let server = TestServer::start();
    let mut request = server.raw("/image", "image/png", &picture("x"));
    for preference in preferences {
        request = request.header("prefer", *preference);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["preference-applied"], "return=minimal");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let image: Value = response.json().await.unwrap();
    let mut whole = server.read(&location).await;
    assert!(whole.as_object_mut().unwrap().remove("data").is_some());
    assert_eq!(image, whole);
    assert_eq!(
        image["tags"],
        json!([{"tag": "car", "confidence": 100.0}, {"tag": "auto", "confidence": 80.0}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_preferences_change_nothing() {
    let server = TestServer::start();
    for preference in [
        "return=representation",
        "respond-async",
        "x=\"return=minimal\"",
    ] {
        let request = server.request(Method::POST, "/image");
        let request = request.header("prefer", preference);
        let response = request.json(&upload(&picture("x"))).send().await.unwrap();
        assert!(!response.headers().contains_key("preference-applied"));
        let image: Value = response.json().await.unwrap();
        assert!(image["data"].is_string(), "{preference}");
    }
    let request = server.raw("/image", "image/png", b"x");
    let request = request.header("prefer", "return=minimal");
    let refused = request.send().await.unwrap();
    assert!(!refused.headers().contains_key("preference-applied"));
    problem(refused, 422, "not-an-image").await;
}
