//! Rules of every route: ids, methods, limits, odd requests.

use reqwest::Method;

use super::test_server::{TestServer, problem};

#[tokio::test(flavor = "multi_thread")]
async fn request_id_is_kept_or_generated() {
    let server = TestServer::start();
    for path in ["/images", "/nowhere", "/image/1"] {
        let request = server
            .request(Method::GET, path)
            .header("x-request-id", "my-id.1_2");
        assert_eq!(
            request.send().await.unwrap().headers()["x-request-id"],
            "my-id.1_2"
        );
        let request = server
            .request(Method::GET, path)
            .header("x-request-id", "{\"no\":1}");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"].len(), 36);
    }
}

#[rstest::rstest]
#[case("/")]
#[case("")]
#[case("/nowhere")]
#[case("/images/")]
#[case("/tags/")]
#[case("/tag/")]
#[case("/image/")]
#[case("/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/")]
#[case("/image/a/b")]
#[case("//images")]
#[case("/Images")]
#[case("/openapi.json/")]
#[tokio::test(flavor = "multi_thread")]
async fn other_paths_are_not_found(#[case] path: &str) {
    let server = TestServer::start();
    for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
        server
            .refused(server.request(method, path), 404, "route-not-found")
            .await;
    }
    assert_eq!(server.send(Method::HEAD, path).await.status(), 404);
}

#[rstest::rstest]
#[case("/image", &["GET", "HEAD", "PUT", "DELETE", "PATCH", "BREW"], "POST, OPTIONS")]
#[case("/tag", &["GET", "HEAD", "PUT", "DELETE"], "POST, OPTIONS")]
#[case("/images", &["POST", "PUT", "DELETE", "TRACE"], "GET, HEAD, OPTIONS")]
#[case("/tags", &["POST", "PUT"], "GET, HEAD, OPTIONS")]
#[case("/tags/car/confidences", &["POST", "PUT"], "GET, HEAD, OPTIONS")]
#[case("/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777", &["POST", "PATCH"], "GET, HEAD, DELETE, OPTIONS")]
#[case("/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/tags", &["POST", "DELETE"], "GET, HEAD, PATCH, OPTIONS")]
#[case("/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/retag", &["GET", "DELETE"], "POST, OPTIONS")]
#[case("/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/similar", &["POST", "DELETE"], "GET, HEAD, OPTIONS")]
#[case("/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/duplicates", &["POST", "PUT"], "GET, HEAD, OPTIONS")]
#[case("/jobs", &["PUT", "DELETE", "PATCH"], "GET, HEAD, POST, OPTIONS")]
#[case("/jobs/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777", &["POST", "PUT"], "GET, HEAD, DELETE, OPTIONS")]
#[case("/vocabulary", &["POST", "PUT", "DELETE"], "GET, HEAD, OPTIONS")]
#[case("/vocabulary/car", &["POST", "PATCH"], "GET, HEAD, PUT, DELETE, OPTIONS")]
#[case("/v2/tags", &["PUT", "DELETE", "PATCH"], "GET, HEAD, POST, OPTIONS")]
#[case("/v2/uploads", &["GET", "PUT", "DELETE"], "POST, OPTIONS")]
#[case("/v2/uploads/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777", &["GET", "POST"], "DELETE, OPTIONS")]
#[case("/v2/usage", &["POST", "DELETE"], "GET, HEAD, OPTIONS")]
#[case("/api/v1/vision/labels", &["GET", "PUT", "DELETE"], "POST, OPTIONS")]
#[case("/keys", &["PUT", "DELETE", "PATCH"], "GET, HEAD, POST, OPTIONS")]
#[case("/keys/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777", &["GET", "POST"], "DELETE, OPTIONS")]
#[case("/webhooks", &["PUT", "DELETE", "PATCH"], "GET, HEAD, POST, OPTIONS")]
#[case("/webhooks/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777", &["GET", "POST"], "DELETE, OPTIONS")]
#[case("/webhooks/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/replay", &["GET", "DELETE"], "POST, OPTIONS")]
#[case("/session", &["GET", "PUT"], "POST, DELETE, OPTIONS")]
#[case("/readyz", &["POST"], "GET, HEAD, OPTIONS")]
#[case("/metrics", &["POST", "DELETE"], "GET, HEAD, OPTIONS")]
#[case("/openapi.json", &["POST"], "GET, HEAD, OPTIONS")]
#[case("/docs/", &["POST"], "GET, HEAD, OPTIONS")]
#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_not_allowed(
    #[case] path: &str,
    #[case] methods: &[&str],
    #[case] allow: &str,
) {
    let server = TestServer::start();
    for method in methods {
        let response = server.send(method.parse().unwrap(), path).await;
        assert_eq!(response.headers()["allow"], allow);
        if *method == "HEAD" || path.starts_with("/v2/") || path.starts_with("/api/v1/vision/") {
            assert_eq!(response.status(), 405);
        } else {
            problem(response, 405, "method-not-allowed").await;
        }
    }
    let response = server.send(Method::OPTIONS, path).await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["allow"], allow);
    assert!(response.headers().contains_key("x-request-id"));
    assert!(!response.headers().contains_key("content-length"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_as_a_whole_has_options() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send("OPTIONS * HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(
        answer.contains("\r\nallow: GET, HEAD, POST, PATCH, DELETE, OPTIONS\r\n"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn long_urls_and_headers_are_refused_beyond_the_limit() {
    let server = TestServer::start();
    let tags = |length: usize| format!("/images?tags={}", "x".repeat(length));
    assert_eq!(server.get(&tags(8 * 1024)).await.status(), 200);
    let refused = server
        .refused(
            server.request(Method::GET, &tags(20_000)),
            414,
            "uri-too-long",
        )
        .await;
    assert_eq!(refused["limit"], 16_384);
    server
        .refused(
            server.request(Method::POST, &tags(60_000)),
            414,
            "uri-too-long",
        )
        .await;
    let with = |length: usize| {
        server
            .request(Method::GET, "/images")
            .header("x-long", "x".repeat(length))
    };
    assert_eq!(with(8 * 1024).send().await.unwrap().status(), 200);
    let refused = server.refused(with(40_000), 431, "headers-too-large").await;
    assert_eq!(refused["limit"], 32_768);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    let request = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: t\r\n{more}\r\n");
    let requests = [
        request("/tags", "X-Request-Id: a\r\n"),
        request("/nowhere", "X-Request-Id: b\r\n"),
        request("/livez", "X-Request-Id: c\r\nConnection: close\r\n"),
    ];
    raw.send(&requests.concat()).await;
    for (id, status) in [("a", 200), ("b", 404), ("c", 200)] {
        let (head, _) = raw.answer().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(
            head.contains(&format!("\r\nx-request-id: {id}\r\n")),
            "{head}"
        );
    }
    assert_eq!(raw.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_body_does_no_harm() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send("POST /tags HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    raw.half_close().await;
    assert_eq!(raw.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_old_client_is_answered() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send("GET /images HTTP/1.0\r\n\r\n").await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n[]"), "{answer}");
}

/// The answer to a request with these lines in its head.
async fn with_head(server: &TestServer, target: &str, lines: &str) -> String {
    let mut raw = server.connect().await;
    raw.send(&format!(
        "GET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"
    ))
    .await;
    raw.rest().await
}

#[rstest::rstest]
#[case("/tags", "Host: evil.example\r\n")]
#[case("/livez", "Host: evil.example:8080\r\n")]
#[case("/nowhere", "Host: EVIL.example.\r\n")]
#[case("/tags", "Host: localhost@evil.example\r\n")]
#[case("http://evil.example/tags", "Host: localhost\r\n")]
#[case("http://localhost/tags", "Host: evil.example\r\n")]
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_is_misdirected(#[case] target: &str, #[case] lines: &str) {
    let server = TestServer::start();
    let answer = with_head(&server, target, lines).await;
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    assert!(
        answer.contains("\"code\":\"misdirected-request\""),
        "{answer}"
    );
    assert!(
        answer.contains("\"setting\":\"server.allowed_hosts\""),
        "{answer}"
    );
    assert!(!answer.to_lowercase().contains("evil.example"), "{answer}");
}

#[rstest::rstest]
#[case("/tags", "Host: 127.0.0.1\r\n")]
#[case("/tags", "Host: [::1]:8080\r\n")]
#[case("/tags", "Host: LOCALHOST.:8080\r\n")]
#[case("/tags", "Host: nas.local\r\n")]
#[case("/tags", "Host:\r\n")]
#[case("/tags", "Host: localhost\r\nX-Forwarded-Host: evil.example\r\n")]
#[case("http://localhost/tags", "Host: localhost\r\n")]
#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_private_names_are_served(#[case] target: &str, #[case] lines: &str) {
    let server = TestServer::start();
    let answer = with_head(&server, target, lines).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// An upload for another host is rejected before its body arrives.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_checked_before_anything_is_read() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send(
        "POST /image HTTP/1.1\r\nHost: evil.example\r\nContent-Type: text/plain\r\n\
         Content-Length: 99999999\r\n\r\n",
    )
    .await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 421 "), "{head}");
}
