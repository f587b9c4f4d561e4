//! The documentation served by the server.

use reqwest::Method;

use super::test_server::TestServer;
use crate::openapi;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served() {
    let server = TestServer::start();
    let expected = serde_json::to_value(openapi()).unwrap();
    assert_eq!(server.read("/openapi.json").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_known_is_not_sent_again() {
    let server = TestServer::start();
    let document = server.get("/openapi.json").await;
    let etag = document.headers()["etag"].clone();
    let again = server.request(Method::GET, "/openapi.json");
    let again = again.header("If-None-Match", etag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let packed = server.request(Method::GET, "/openapi.json");
    let packed = packed
        .header("Accept-Encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let length = |response: &reqwest::Response| response.content_length().unwrap();
    assert!(length(&packed) * 4 < length(&document));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_nothing_from_elsewhere() {
    let server = TestServer::start();
    let page = server.get("/docs").await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.url().path(), "/docs/");
    let html = page.text().await.unwrap();
    let links: Vec<_> = html
        .split(['"', '\''])
        .filter(|part| {
            let extension = part.rsplit_once('.').map(|(_, extension)| extension);
            matches!(extension, Some("js" | "css"))
        })
        .collect();
    assert!(links.len() > 2, "{html}");
    for link in links {
        assert!(!link.contains("//"), "{link}");
        let path = format!("/docs/{}", link.trim_start_matches("./"));
        assert_eq!(server.get(&path).await.status(), 200, "{path}");
    }
    let setup = server
        .get("/docs/swagger-initializer.js")
        .await
        .text()
        .await
        .unwrap();
    assert!(setup.contains("../openapi.json"), "{setup}");
    assert!(setup.contains("\"validatorUrl\": \"none\""), "{setup}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_files_are_not_found() {
    let server = TestServer::start();
    for path in [
        "/docs/nothing.js",
        "/docs/../../etc/passwd",
        "/docs/%2e%2e/x",
    ] {
        server
            .refused(server.request(Method::GET, path), 404, "route-not-found")
            .await;
    }
}
