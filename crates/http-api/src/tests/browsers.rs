//! Cross-site requests, CORS, security headers and the rate limit.

use domain::{ApiKey, KeySecret, Scope, ports::KeyStore as _};
use domain_testing::{api_key, at};
use reqwest::{Method, RequestBuilder, Response};

use super::test_server::{TestServer, picture, problem, upload};
use crate::Origin;

fn listing(origin: &str) -> TestServer {
    TestServer::with(|setup| setup.settings.cors_origins = vec![Origin::parse(origin).unwrap()])
}

fn post(server: &TestServer, headers: &[(&str, &str)]) -> RequestBuilder {
    let request = server.request(Method::POST, "/image");
    let request = request.json(&upload(&picture("x")));
    with_headers(server, request, headers)
}

/// Adds headers; `HOST` in a value is the server's own.
fn with_headers(
    server: &TestServer,
    request: RequestBuilder,
    headers: &[(&str, &str)],
) -> RequestBuilder {
    let host = server.address.to_string();
    headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, value.replace("HOST", &host))
    })
}

#[rstest::rstest]
#[case(&[("sec-fetch-site", "cross-site")])]
#[case(&[("sec-fetch-site", "same-site")])]
#[case(&[("sec-fetch-site", "cross-site"), ("origin", "http://HOST")])]
#[case(&[("origin", "http://evil.example")])]
#[case(&[("origin", "null")])]
#[case(&[("origin", "http://127.0.0.1:1")])]
#[case(&[("origin", "http://HOST"), ("host", "localhost")])]
#[case(&[("origin", "http://evil.example"), ("x-forwarded-host", "evil.example")])]
#[case(&[("origin", "http://evil.example"), ("authorization", "Basic dTpw")])]
#[case(&[("sec-fetch-site", "odd"), ("origin", "http://evil.example")])]
#[case(&[("sec-fetch-site", "odd")])]
#[case(&[("sec-fetch-site", "")])]
#[case(&[("sec-fetch-site", "Cross-Site")])]
#[case(&[("sec-fetch-site", "SAME-ORIGIN")])]
#[case(&[("sec-fetch-site", "same-origin, cross-site")])]
#[case(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")])]
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_change_nothing(#[case] headers: &[(&str, &str)]) {
    let server = TestServer::start();
    let document = server
        .refused(post(&server, headers), 403, "cross-origin")
        .await;
    assert_eq!(document["setting"], "server.cors_origins");
    assert!(server.store.images().is_empty());
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let request = server.request(method, "/images");
        let request = with_headers(&server, request, headers);
        server.refused(request, 403, "cross-origin").await;
    }
    // What changes nothing is answered; the browser keeps the answer from the page.
    let request = server.request(Method::GET, "/images");
    let request = with_headers(&server, request, headers);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[rstest::rstest]
#[case(&[])]
#[case(&[("origin", "http://HOST")])]
#[case(&[("origin", "https://HOST")])]
#[case(&[("sec-fetch-site", "same-origin")])]
#[case(&[("sec-fetch-site", "none")])]
#[case(&[("sec-fetch-site", "same-origin"), ("origin", "http://other.example")])]
#[tokio::test(flavor = "multi_thread")]
async fn its_own_pages_and_other_programs_pass(#[case] headers: &[(&str, &str)]) {
    let server = TestServer::start();
    let response = post(&server, headers).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

/// No page can make a browser send such a header across sites.
#[tokio::test(flavor = "multi_thread")]
async fn cross_site_requests_with_a_key_in_a_header_pass() {
    let server = TestServer::start();
    let secret = KeySecret::random().unwrap();
    let key = ApiKey {
        digest: secret.digest(),
        ..api_key("a", Scope::Upload, at(0))
    };
    server.store.add_key(&key, 1000).await.unwrap();
    let foreign = [
        ("sec-fetch-site", "cross-site"),
        ("origin", "http://a.example"),
    ];
    let sent = post(&server, &foreign).bearer_auth(secret.expose());
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let wrong = post(&server, &foreign).header("x-api-key", "etq_wrong");
    server.refused(wrong, 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_that_of_a_trusted_proxy() {
    let server = TestServer::with(|setup| {
        setup.settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let host = ("x-forwarded-host", "photos.example.com");
    let own = post(&server, &[host, ("origin", "https://photos.example.com")]);
    assert_eq!(own.send().await.unwrap().status(), 200);
    let foreign = post(&server, &[host, ("origin", "https://evil.example")]);
    server.refused(foreign, 403, "cross-origin").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_listed_site_may_call() {
    let server = listing("https://photos.example.com");
    let listed = [
        ("origin", "https://photos.example.com"),
        ("sec-fetch-site", "cross-site"),
    ];
    let response = post(&server, &listed).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://photos.example.com"
    );
    assert_eq!(headers["vary"], "Origin");
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("Link") && exposed.contains("X-Request-Id"));
    assert!(!headers.contains_key("access-control-allow-credentials"));
    for origin in [
        "https://evil.example",
        "http://photos.example.com",
        "https://photos.example.com:8443",
        "https://photos.example.com.evil.example",
        "null",
    ] {
        let other = [("origin", origin), ("sec-fetch-site", "cross-site")];
        let response = post(&server, &other).send().await.unwrap();
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
        assert_eq!(response.headers()["vary"], "Origin");
        problem(response, 403, "cross-origin").await;
    }
}

async fn preflight(server: &TestServer, path: &str, origin: &str) -> Response {
    let request = server.request(Method::OPTIONS, path);
    let request = request
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization");
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_what_a_listed_site_may_send() {
    let server = listing("https://photos.example.com");
    let response = preflight(&server, "/image", "https://photos.example.com").await;
    assert_eq!(response.status(), 204);
    let headers = response.headers();
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://photos.example.com"
    );
    assert_eq!(headers["access-control-allow-methods"], "POST, OPTIONS");
    assert_eq!(headers["access-control-max-age"], "600");
    let allowed = headers["access-control-allow-headers"].to_str().unwrap();
    for name in ["Authorization", "Content-Type", "X-API-Key"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    for (server, origin) in [
        (&server, "https://evil.example"),
        (&TestServer::start(), "https://photos.example.com"),
    ] {
        let response = preflight(server, "/image", origin).await;
        assert_eq!(response.status(), 204);
        let mut names = response.headers().keys();
        assert!(!names.any(|name| name.as_str().starts_with("access-control-")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_security_headers() {
    let server = TestServer::start();
    for path in [
        "/images",
        "/nowhere",
        "/image/1",
        "/livez",
        "/keys",
        "/docs/",
        "/openapi.json",
    ] {
        let response = server.get(path).await;
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        let policy = headers.get("content-security-policy");
        assert_eq!(policy.is_some(), path == "/docs/", "{path}");
        let vary = headers.get("vary").map(|vary| vary.to_str().unwrap());
        assert!(!vary.is_some_and(|vary| vary.contains("Origin")), "{path}");
    }
    let mut raw = server.connect().await;
    raw.send("nonsense\r\n\r\n").await;
    let (head, _) = raw.answer().await;
    assert!(
        head.contains("\r\nx-content-type-options: nosniff\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nreferrer-policy: no-referrer\r\n"),
        "{head}"
    );
}

/// What the page of the documentation needs is what its policy allows: no scripts inline.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_has_no_inline_script() {
    let server = TestServer::start();
    let html = server.get("/docs/").await.text().await.unwrap();
    for script in html.split("<script").skip(1) {
        let (attributes, rest) = script.split_once('>').unwrap();
        let inside = rest.split("</script>").next().unwrap();
        assert!(
            attributes.contains("src=") && inside.trim().is_empty(),
            "{script}"
        );
    }
    assert!(!html.contains(" onload="), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_the_limit_are_refused() {
    let server = TestServer::with(|setup| setup.settings.requests_per_minute = 3);
    let secret = KeySecret::random().unwrap();
    let key = ApiKey {
        digest: secret.digest(),
        ..api_key("a", Scope::Read, at(0))
    };
    server.store.add_key(&key, 1000).await.unwrap();
    let bare = || server.request(Method::GET, "/tags");
    let with_key = || bare().bearer_auth(secret.expose());
    for _ in 0..3 {
        assert_eq!(bare().send().await.unwrap().status(), 200);
        assert_eq!(with_key().send().await.unwrap().status(), 200);
    }
    for request in [bare(), with_key()] {
        let document = server.refused(request, 429, "too-many-requests").await;
        assert_eq!(document["limit"], 3);
        assert_eq!(document["setting"], "limits.requests_per_minute");
        assert!((1..=20).contains(&document["retry_after"].as_u64().unwrap()));
    }
    // Requests with an invalid key count for their address.
    let wrong = bare().bearer_auth("etq_wrong");
    server.refused(wrong, 429, "too-many-requests").await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
}
