//! Responses to input that is not a request, over real sockets.

use std::time::Duration;

use serde_json::Value;

use super::test_server::{Raw, TestServer, picture, upload};

/// The head of a request.
const GET: &str = "GET /tags HTTP/1.1\r\nHost: t\r\n";

/// The head of an upload.
const POST: &str = "POST /image HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n";

/// Reads a response that must be a problem document.
async fn problem(raw: &mut Raw, status: u16, code: &str) -> Value {
    let (head, body) = raw.answer().await;
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/problem+json\r\n"),
        "{head}"
    );
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(document["code"], code, "{document}");
    assert_eq!(document["status"], status);
    assert_eq!(document["description"], document["detail"]);
    let id = document["request_id"].as_str().unwrap();
    assert!(
        head.contains(&format!("\r\nx-request-id: {id}\r\n")),
        "{head}"
    );
    document
}

/// The same for a response that ends the connection.
async fn last_problem(raw: &mut Raw, status: u16, code: &str) -> Value {
    let document = problem(raw, status, code).await;
    assert_eq!(raw.rest().await, "");
    document
}

#[rstest::rstest]
#[case(b"nonsense\r\n\r\n", "not valid HTTP/1.1")]
#[case(b"G(T / HTTP/1.1\r\nHost: t\r\n\r\n", "not valid HTTP/1.1")]
#[case(
    b"GET / HTTP/1.1\r\nHost: t\r\nbad header\r\n\r\n",
    "not valid HTTP/1.1"
)]
#[case(b"GET / HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n", "not valid HTTP/1.1")]
#[case(b"GET /tags HTTP/1.1\r\n\r\n", "`Host`")]
#[case(b"GET /tags HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "`Host`")]
#[case(
    b"POST /image HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n",
    "`Content-Length`"
)]
#[case(
    b"POST /image HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "`Content-Length`"
)]
#[case(
    b"POST /image HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "`Transfer-Encoding`"
)]
#[case(
    b"POST /image HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "`Transfer-Encoding`"
)]
#[case(b"POST /image HTTP/1.0\r\n\r\n", "`Content-Length`")]
#[case(b"GET /\r\n\r\n", "not valid HTTP/1.1")]
#[case(b"GET / HTTP/3.7\r\nHost: t\r\n\r\n", "HTTP/1.0")]
#[case(b"GET nonsense%% HTTP/1.1\r\nHost: t\r\n\r\n", "the URL is malformed")]
#[case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "HTTP/2")]
#[case(b"\x16\x03\x01\0\xc8\x01\0\0\xc4\x03\x03", "TLS")]
#[tokio::test(flavor = "multi_thread")]
async fn input_that_is_not_http_is_a_problem(#[case] bytes: &[u8], #[case] what: &str) {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send_bytes(bytes).await;
    let document = last_problem(&mut raw, 400, "malformed-request").await;
    assert!(
        document["detail"].as_str().unwrap().contains(what),
        "{document}"
    );
}

#[rstest::rstest]
#[case(60_000)]
#[case(70_000)]
#[case(131_072)]
#[case(2_000_000)]
#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_too_long_is_414_however_long_it_is(#[case] length: usize) {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    let url = "x".repeat(length);
    raw.send(&format!(
        "GET /{url} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    ))
    .await;
    let document = last_problem(&mut raw, 414, "uri-too-long").await;
    assert_eq!(document["limit"], 16_384);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_beyond_the_librarys_limits_are_431() {
    let server = TestServer::start();
    for (headers, limit) in [
        (format!("X-Long: {}\r\n", "x".repeat(140_000)), 32_768),
        ("X: 1\r\n".repeat(120), 96),
    ] {
        let mut raw = server.connect().await;
        raw.send(&format!("{GET}{headers}\r\n")).await;
        let document = last_problem(&mut raw, 431, "headers-too-large").await;
        assert_eq!(document["limit"], limit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_answers_are_unchanged() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send(&format!("{GET}\r\n{GET}\r\nnonsense\r\n\r\n"))
        .await;
    for _ in 0..2 {
        let (head, body) = raw.answer().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(body, "[]");
    }
    last_problem(&mut raw, 400, "malformed-request").await;
    let mut raw = server.connect().await;
    raw.send(&format!("{GET}\r\n")).await;
    assert_eq!(raw.answer().await.1, "[]");
    let url = "x".repeat(200_000);
    raw.send(&format!("GET /{url}")).await;
    last_problem(&mut raw, 414, "uri-too-long").await;
}

/// The library frames answers by the head that it has parsed last.
#[rstest::rstest]
#[case::get("GET /tags HTTP/1.1\r\nHost: t\r\n\r\n", "[]")]
#[case::unknown("GET /none HTTP/1.1\r\nHost: t\r\n\r\n", "route-not-found")]
#[case::sized(
    "POST /image HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "invalid-body"
)]
#[case::chunked(
    "POST /image HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
     1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    "invalid-body"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_later_request_does_not_change_the_answer_to_an_earlier_one(
    #[case] first: &str,
    #[case] expected: &str,
    #[values(
        "HEAD /tags HTTP/1.1\r\nHost: t\r\n\r\n",
        "HEAD /tags HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
        "HEAD /tags HTTP/1.0\r\n\r\n"
    )]
    second: &str,
    #[values(1, 20, usize::MAX)] piece: usize,
) {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    let requests = format!("{first}{first}{second}");
    for piece in requests.as_bytes().chunks(piece) {
        raw.send_bytes(piece).await;
    }
    for _ in 0..2 {
        let (head, body) = raw.answer().await;
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        assert!(!head.contains("connection: close"), "{head}");
        assert!(body.contains(expected), "{head}{body}");
    }
    let head = raw.head().await;
    assert!(
        head.contains(" 200 ") && head.contains("content-length: 2\r\n"),
        "{head}"
    );
}

/// As many as the library would queue, and more.
#[tokio::test(flavor = "multi_thread")]
async fn requests_in_one_write_are_answered_in_order() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    let requests: Vec<String> = (0..200)
        .map(|number| {
            let method = if number % 3 == 0 { "HEAD" } else { "GET" };
            format!("{method} /tags HTTP/1.1\r\nHost: t\r\nX-Request-Id: number-{number}\r\n\r\n")
        })
        .collect();
    raw.send(&requests.concat()).await;
    for number in 0..200 {
        let head = raw.head().await;
        assert!(
            head.contains(&format!("x-request-id: number-{number}\r\n")),
            "{head}"
        );
        if number % 3 != 0 {
            assert_eq!(raw.exactly(2).await, "[]");
        }
    }
}

/// A request in progress is answered before the garbage after it.
#[tokio::test(flavor = "multi_thread")]
async fn request_in_progress_is_answered_before_garbage() {
    let server = TestServer::start();
    let body = upload(&picture("x")).to_string();
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{POST}Content-Length: {}\r\n\r\n{body}nonsense\r\n\r\n",
        body.len()
    ))
    .await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let rest = raw.rest().await;
    assert!(
        rest.contains("HTTP/1.1 400 ") && rest.ends_with('}'),
        "{rest}"
    );
    assert!(rest.contains("\"code\":\"malformed-request\""), "{rest}");
}

#[rstest::rstest]
#[case(POST, "zz\r\n")]
#[case(POST, "3\r\n{\"dxx")]
#[case(POST, "ffffffffffffffffff\r\n")]
#[case(GET, "zz\r\n")]
#[tokio::test(flavor = "multi_thread")]
async fn bad_chunks_are_a_problem_on_every_route(#[case] head: &str, #[case] body: &str) {
    // A handler that does not read the body, and has not answered yet.
    let server = TestServer::with(|setup| setup.fakes.store.stall());
    let mut raw = server.connect().await;
    raw.send(&format!(
        "{head}X-Request-Id: mine\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
    ))
    .await;
    let document = problem(&mut raw, 400, "invalid-body").await;
    assert_eq!(document["request_id"], "mine");
    assert_eq!(raw.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_head_times_out() {
    let server = TestServer::with(|setup| setup.settings.head_timeout = Duration::from_millis(200));
    for start in ["", "G", "GET /images HTTP/1.1\r\nHost: "] {
        let mut raw = server.connect().await;
        raw.send(start).await;
        last_problem(&mut raw, 408, "request-timeout").await;
    }
}

/// The library has a deadline for the first head alone.
#[tokio::test(flavor = "multi_thread")]
async fn later_incomplete_head_times_out() {
    let server = TestServer::with(|setup| setup.settings.head_timeout = Duration::from_millis(200));
    let mut raw = server.connect().await;
    raw.send(&format!("{GET}\r\n")).await;
    assert_eq!(raw.answer().await.1, "[]");
    raw.send("GET /im").await;
    last_problem(&mut raw, 408, "request-timeout").await;
}

/// Input that arrives along with the previous request makes the library forget that the connection is idle.
#[tokio::test(flavor = "multi_thread")]
async fn incomplete_head_behind_a_request_times_out() {
    let server = TestServer::with(|setup| {
        setup.settings.head_timeout = Duration::from_millis(200);
        setup.settings.idle_timeout = Duration::from_millis(500);
    });
    let mut raw = server.connect().await;
    raw.send(&format!("{GET}\r\nGET /im")).await;
    assert_eq!(raw.answer().await.1, "[]");
    let rest = raw.rest().await;
    assert!(
        rest.is_empty() || rest.starts_with("HTTP/1.1 408 "),
        "{rest}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_between_requests_has_no_deadline_of_a_head() {
    let server = TestServer::with(|setup| setup.settings.head_timeout = Duration::from_millis(200));
    let mut raw = server.connect().await;
    for _ in 0..3 {
        raw.send(&format!("{GET}\r\n")).await;
        assert_eq!(raw.answer().await.1, "[]");
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}
