//! `GET /image/{id}/file`.

use std::sync::Arc;

use bytes::Bytes;
use domain::{
    Image,
    ports::{MockImageStore, MockOriginalStore, OriginalContent, OriginalStoreError, cause},
};
use domain_testing::{at, image};
use futures_util::{StreamExt, stream};
use reqwest::{Method, Response, header::HeaderMap};

use super::test_server::{TestServer, picture, problem};

/// A server that holds a picture, the path of its file, and its entity tag.
async fn registered() -> (TestServer, String, String) {
    let server = TestServer::start();
    let image = server.register("x").await;
    let path = format!("/image/{}/file", image["id"].as_str().unwrap());
    let etag = format!("\"{}\"", server.originals.digests()[0]);
    (server, path, etag)
}

async fn asked(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = server.request(Method::GET, path);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.send().await.unwrap()
}

/// Asserts what every answer with the original says.
fn assert_head(headers: &HeaderMap, etag: &str) {
    for (name, value) in [
        ("etag", etag),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_the_original() {
    let (server, path, etag) = registered().await;
    let response = server.get(&path).await;
    assert_eq!(response.status(), 200);
    assert_head(response.headers(), &etag);
    assert_eq!(response.headers()["content-type"], "image/jpeg");
    let id = path.split('/').nth(2).unwrap();
    let name = format!("inline; filename=\"{id}.jpg\"");
    assert_eq!(response.headers()["content-disposition"], name);
    assert_eq!(response.bytes().await.unwrap(), picture("x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_headers_alone() {
    let (server, path, etag) = registered().await;
    let request = server.request(Method::HEAD, &path);
    let response = request.header("range", "bytes=0-1").send().await.unwrap();
    assert_eq!(response.status(), 200, "ranges are for GET");
    assert_head(response.headers(), &etag);
    let len = picture("x").len().to_string();
    assert_eq!(response.headers()["content-length"], len);
    assert!(response.bytes().await.unwrap().is_empty());
    let options = server.send(Method::OPTIONS, &path).await;
    assert_eq!(options.headers()["allow"], "GET, HEAD, OPTIONS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_sent_alone() {
    let (server, path, etag) = registered().await;
    let bytes = picture("x");
    let len = bytes.len();
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=3-", 3..len),
        ("bytes=-2", len - 2..len),
    ] {
        let response = asked(&server, &path, &[("range", range), ("if-range", &etag)]).await;
        assert_eq!(response.status(), 206, "{range}");
        assert_head(response.headers(), &etag);
        let content_range = format!("bytes {}-{}/{len}", expected.start, expected.end - 1);
        assert_eq!(response.headers()["content-range"], content_range);
        assert_eq!(response.headers()["content-type"], "image/jpeg");
        assert_eq!(response.bytes().await.unwrap(), bytes.slice(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_single_current_range_is_answered_with_the_whole() {
    let (server, path, _) = registered().await;
    for headers in [
        [("range", "bytes=0-0,2-3"), ("accept", "*/*")],
        [("range", "lines=0-1"), ("accept", "*/*")],
        [("range", "bytes=0-0"), ("if-range", "\"other\"")],
    ] {
        let response = asked(&server, &path, &headers).await;
        assert_eq!(response.status(), 200, "{headers:?}");
        assert_eq!(response.bytes().await.unwrap(), picture("x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_beyond_the_end_is_not_satisfiable() {
    let (server, path, _) = registered().await;
    let response = asked(&server, &path, &[("range", "bytes=100000-")]).await;
    let len = picture("x").len();
    assert_eq!(
        response.headers()["content-range"],
        format!("bytes */{len}")
    );
    let document = problem(response, 416, "range-not-satisfiable").await;
    assert_eq!(document["limit"], len);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_spare_the_bytes() {
    let (server, path, etag) = registered().await;
    // The answer needs no original.
    server.originals.set_down(true);
    let response = asked(&server, &path, &[("if-none-match", &etag)]).await;
    assert_eq!(response.status(), 304);
    assert_head(response.headers(), &etag);
    assert!(response.bytes().await.unwrap().is_empty());
    let response = asked(&server, &path, &[("if-match", "\"other\"")]).await;
    problem(response, 412, "precondition-failed").await;
    server.originals.set_down(false);
    let response = asked(&server, &path, &[("if-match", &etag)]).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_no_image_is_not_found() {
    let (server, path, _) = registered().await;
    let request = server.request(Method::GET, "/image/x/file");
    server.refused(request, 400, "invalid-id").await;
    let missing = "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/file";
    let request = server.request(Method::GET, missing);
    server.refused(request, 404, "image-not-found").await;
    let request = server.request(Method::GET, &format!("{path}?size=1"));
    server.refused(request, 400, "invalid-parameter").await;
    let request = server.request(Method::POST, &path);
    server.refused(request, 405, "method-not-allowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_original_that_was_altered_is_an_error() {
    let (server, path, _) = registered().await;
    let digest = server.originals.digests()[0];
    let other = Bytes::from(vec![b'?'; picture("x").len()]);
    server.originals.tamper(&digest, other);
    let request = server.request(Method::GET, &path);
    server.refused(request, 500, "internal").await;
    assert!(server.store.damaged_at(&digest).is_some());
    // One of another length is found out by a range, too.
    server.originals.tamper(&digest, "other");
    let request = server.request(Method::GET, &path);
    server
        .refused(request.header("range", "bytes=0-0"), 500, "internal")
        .await;
}

/// A server whose only original is read in these pieces, and the path of its file.
fn reading(
    known: Image,
    pieces: impl Fn() -> Vec<Result<Bytes, OriginalStoreError>> + Send + Sync + 'static,
) -> (TestServer, String) {
    let path = format!("/image/{}/file", known.id);
    let len = known.facts.byte_size;
    let mut originals = MockOriginalStore::new();
    originals.expect_get().returning(move |_, _| {
        Ok(Some(OriginalContent {
            len,
            stamp: None,
            stream: stream::iter(pieces()).boxed(),
        }))
    });
    let mut store = MockImageStore::new();
    store
        .expect_find()
        .returning(move |_| Ok(Some(known.clone())));
    let server = TestServer::with(|setup| {
        setup.images = Arc::new(store);
        setup.originals = Arc::new(originals);
    });
    (server, path)
}

/// Whether the connection ends before the whole answer came, or any of it.
async fn is_broken_off(server: &TestServer, path: &str) -> bool {
    let Ok(response) = server.request(Method::GET, path).send().await else {
        return true;
    };
    assert_eq!(response.status(), 200);
    assert_eq!(response.content_length(), Some(300_000));
    response.bytes().await.is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_original_that_was_altered_is_never_sent_whole() {
    let altered = Bytes::from(vec![8; 300_000]);
    let known = image(&vec![7; 300_000], at(0), &[]);
    let (server, path) = reading(known, move || vec![Ok(altered.clone())]);
    assert!(is_broken_off(&server, &path).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_that_cannot_be_read_on_breaks_the_connection_off() {
    let known = image(&vec![7; 300_000], at(0), &[]);
    let (server, path) = reading(known, || {
        let gone = OriginalStoreError::Unavailable(cause("SECRET"));
        vec![Ok(vec![7; 200_000].into()), Err(gone)]
    });
    assert!(is_broken_off(&server, &path).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_original_comes_whole() {
    let bytes = Bytes::from(vec![7; 300_000]);
    let known = image(&bytes, at(0), &[]);
    let content = bytes.clone();
    let (server, path) = reading(known, move || {
        let pieces = [content.slice(..100_000), content.slice(100_000..)];
        pieces.map(Ok).into()
    });
    assert_eq!(server.get(&path).await.bytes().await.unwrap(), bytes);
}
