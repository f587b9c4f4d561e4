//! The web page at `/` and its files below `/ui/`.

use reqwest::{Client, Method, Response};
use rstest::rstest;

use super::test_server::{TestServer, problem};
use crate::KeyPolicy;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn ask(
    server: &TestServer,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut request = server.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

/// The paths that the page names, below `/`.
async fn files(server: &TestServer) -> Vec<String> {
    let page = ask(server, Method::GET, "/", &[("Accept", BROWSER)]).await;
    let html = page.text().await.unwrap();
    let links = html.split('"').filter(|part| part.starts_with("ui/"));
    links.map(|link| format!("/{link}")).collect()
}

#[rstest]
#[case(BROWSER)]
#[case("text/html")]
#[case("*/*, TEXT/HTML; q=0.1")]
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_the_page(#[case] accept: &str) {
    let server = TestServer::start();
    for method in [Method::GET, Method::HEAD] {
        let page = ask(&server, method.clone(), "/", &[("Accept", accept)]).await;
        assert_eq!(page.status(), 200);
        let headers = page.headers().clone();
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert!(headers["vary"].to_str().unwrap().starts_with("Accept"));
        assert_eq!(headers["cache-control"], "no-cache");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let body = page.text().await.unwrap();
        assert_eq!(body.is_empty(), method == Method::HEAD);
    }
}

#[rstest]
#[case(Method::GET, "*/*")]
#[case(Method::GET, "text/*")]
#[case(Method::GET, "application/json")]
#[case(Method::GET, "text/html;q=0")]
#[case(Method::GET, "text/html-not")]
#[case(Method::POST, "text/html")]
#[case(Method::DELETE, "text/html")]
#[tokio::test(flavor = "multi_thread")]
async fn everybody_else_gets_what_the_api_says(#[case] method: Method, #[case] accept: &str) {
    let server = TestServer::start();
    let answer = ask(&server, method, "/", &[("Accept", accept)]).await;
    problem(answer, 404, "route-not-found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_nothing_in_particular_gets_what_the_api_says() {
    let server = TestServer::start();
    let mut raw = server.connect().await;
    raw.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let (head, body) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert!(body.contains("route-not-found"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_for_good() {
    let server = TestServer::start();
    let files = files(&server).await;
    assert!(files.len() > 20, "{files:?}");
    for path in files {
        let file = ask(&server, Method::GET, &path, &[]).await;
        assert_eq!(file.status(), 200, "{path}");
        let headers = file.headers().clone();
        let (_, extension) = path.rsplit_once('.').unwrap();
        let expected = match extension {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(headers["content-type"], expected, "{path}");
        assert_eq!(
            headers["cache-control"],
            "public, max-age=31536000, immutable"
        );
        let etag = headers["etag"].to_str().unwrap();
        let known = ask(&server, Method::GET, &path, &[("If-None-Match", etag)]).await;
        assert_eq!(known.status(), 304, "{path}");
        let head = ask(&server, Method::HEAD, &path, &[]).await;
        assert_eq!(
            head.headers()["content-length"],
            headers["content-length"],
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_compressed_for_who_takes_that() {
    let server = TestServer::start();
    let files = files(&server).await;
    let path = files.iter().find(|path| path.ends_with("main.js")).unwrap();
    let plain = ask(&server, Method::GET, path, &[]).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(plain.headers()["vary"], "Accept-Encoding");
    let packed = [("Accept-Encoding", "br, gzip")];
    let packed = ask(&server, Method::GET, path, &packed).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_ne!(packed.headers()["etag"], plain.headers()["etag"]);
    assert!(packed.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
    let refused = [("Accept-Encoding", "gzip;q=0")];
    let refused = ask(&server, Method::GET, path, &refused).await;
    assert!(!refused.headers().contains_key("content-encoding"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_files_are_not_found() {
    let server = TestServer::start();
    let files = files(&server).await;
    let folder = files[0].rsplit_once('/').unwrap().0;
    let missing = [
        "/ui/".to_owned(),
        "/ui/main.js".to_owned(),
        "/ui/0000000000000000/main.js".to_owned(),
        format!("{folder}/nothing.js"),
        format!("{folder}/index.html"),
    ];
    for path in missing {
        server
            .refused(server.request(Method::GET, &path), 404, "route-not-found")
            .await;
    }
    // As it is written, where a client does not resolve it first.
    let mut raw = server.connect().await;
    let path = format!("{folder}/../../Cargo.toml");
    raw.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_open_where_everything_else_takes_a_key() {
    let server = TestServer::with(|setup| setup.settings.keys = KeyPolicy::Everything);
    let page = ask(&server, Method::GET, "/", &[("Accept", BROWSER)]).await;
    assert_eq!(page.status(), 200);
    for path in files(&server).await {
        assert_eq!(
            ask(&server, Method::GET, &path, &[]).await.status(),
            200,
            "{path}"
        );
    }
    // With a key that is not valid, too: the page is where a valid one is entered.
    let wrong = [("Accept", BROWSER), ("X-API-Key", "etq_wrong")];
    let page = ask(&server, Method::GET, "/", &wrong).await;
    assert_eq!(page.status(), 200);
}

/// A proxy may serve it below any prefix.
#[tokio::test(flavor = "multi_thread")]
async fn no_link_of_the_page_is_absolute() {
    let server = TestServer::start();
    let client = Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/", server.address);
    let page = client
        .get(url)
        .header("Accept", BROWSER)
        .send()
        .await
        .unwrap();
    let html = page.text().await.unwrap();
    for attribute in ["href=\"", "src=\""] {
        for link in html.split(attribute).skip(1) {
            assert!(
                !link.starts_with('/') && !link.starts_with("http"),
                "{link}"
            );
        }
    }
}
