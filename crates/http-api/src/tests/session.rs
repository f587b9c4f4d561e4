//! `/session`: session cookies.

use chrono::TimeDelta;
use domain::{ApiKey, KeySecret, Scope, ports::KeyStore as _, service::AdminKey};
use domain_testing::{api_key, at};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use super::test_server::TestServer;
use crate::KeyPolicy;

const ADMIN_KEY: &str = "an-admin-key-of-32-characters-!?";

fn start() -> TestServer {
    TestServer::with(|setup| {
        setup.settings.keys = KeyPolicy::Everything;
        setup.settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        setup.admin_key = Some(AdminKey::parse(ADMIN_KEY).unwrap());
    })
}

/// Keeps a key for reading, and gives it with its secret.
async fn key(server: &TestServer) -> (ApiKey, String) {
    let secret = KeySecret::random().unwrap();
    let key = ApiKey {
        digest: secret.digest(),
        ..api_key("page", Scope::Read, at(0))
    };
    server.store.add_key(&key, 1000).await.unwrap();
    (key, secret.expose().to_owned())
}

fn begin(server: &TestServer, key: &str) -> RequestBuilder {
    let request = server.request(Method::POST, "/session");
    request.json(&json!({"key": key}))
}

/// The cookie of an answer that is 204.
fn cookie(response: &Response) -> String {
    assert_eq!(response.status(), 204);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    cookie.to_owned()
}

/// What a browser sends back of it.
fn sent(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

async fn log_in(server: &TestServer, key: &str) -> String {
    let response = begin(server, key).send().await.unwrap();
    sent(&cookie(&response)).to_owned()
}

async fn status(server: &TestServer, method: Method, path: &str, cookie: &str) -> u16 {
    let request = server.request(method, path).header("cookie", cookie);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stands_for_its_key() {
    let server = start();
    let (_, secret) = key(&server).await;
    let session = log_in(&server, &secret).await;
    assert_eq!(status(&server, Method::GET, "/tags", &session).await, 200);
    assert_eq!(status(&server, Method::GET, "/keys", &session).await, 403);
    let admin = log_in(&server, ADMIN_KEY).await;
    assert_eq!(status(&server, Method::GET, "/keys", &admin).await, 200);
    let kept = format!("{:?}", server.store.sessions());
    let token = session.split_once('=').unwrap().1;
    assert!(!kept.contains(token) && !kept.contains(&secret), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_for_this_site_alone() {
    let server = start();
    let (_, secret) = key(&server).await;
    let plain = cookie(&begin(&server, &secret).send().await.unwrap());
    let attributes = "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict";
    assert!(plain.ends_with(attributes), "{plain}");
    let behind_tls = begin(&server, &secret)
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-prefix", "/pictures");
    let secure = cookie(&behind_tls.send().await.unwrap());
    let attributes = "; Path=/pictures; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure";
    assert!(secure.ends_with(attributes), "{secure}");

    let server = TestServer::with(|setup| setup.settings.keys = KeyPolicy::Everything);
    let (_, secret) = key(&server).await;
    let untrusted = begin(&server, &secret).header("x-forwarded-proto", "https");
    let cookie = cookie(&untrusted.send().await.unwrap());
    assert!(!cookie.contains("Secure"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_begins_no_session() {
    let server = start();
    let (key, secret) = key(&server).await;
    server.store.remove_key(&key.id).await.unwrap();
    let unknown = KeySecret::random().unwrap();
    for key in ["", "etq_", &secret, unknown.expose(), &ADMIN_KEY[1..]] {
        let refused = server
            .refused(begin(&server, key), 401, "unauthenticated")
            .await;
        assert!(key.len() < 5 || !refused.to_string().contains(key));
    }
    assert!(server.store.sessions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_are_refused_and_not_repeated() {
    let server = start();
    for body in [
        json!({"key": ADMIN_KEY, "name": "me"}),
        json!({"name": ADMIN_KEY}),
        json!([ADMIN_KEY]),
        json!(ADMIN_KEY),
        json!({"key": {"key": ADMIN_KEY}}),
    ] {
        let refused = server.request(Method::POST, "/session").json(&body);
        let document = server.refused(refused, 400, "invalid-body").await;
        assert!(!document.to_string().contains(ADMIN_KEY), "{document}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_told_to() {
    let server = start();
    let (_, secret) = key(&server).await;
    let (session, other) = (
        log_in(&server, &secret).await,
        log_in(&server, &secret).await,
    );
    for _ in 0..2 {
        let end = server.request(Method::DELETE, "/session");
        let response = end.header("cookie", &session).send().await.unwrap();
        let expected = "etiqueta_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict";
        assert_eq!(cookie(&response), expected);
        assert_eq!(status(&server, Method::GET, "/tags", &session).await, 401);
    }
    assert_eq!(status(&server, Method::GET, "/tags", &other).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key_and_after_thirty_days() {
    let server = start();
    let (key, secret) = key(&server).await;
    let session = log_in(&server, &secret).await;
    server
        .clock
        .advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    assert_eq!(status(&server, Method::GET, "/tags", &session).await, 200);
    let younger = log_in(&server, &secret).await;
    server.clock.advance(TimeDelta::seconds(1));
    assert_eq!(status(&server, Method::GET, "/tags", &session).await, 401);
    assert_eq!(status(&server, Method::GET, "/tags", &younger).await, 200);
    server.store.remove_key(&key.id).await.unwrap();
    assert_eq!(status(&server, Method::GET, "/tags", &younger).await, 401);
    assert!(
        server
            .store
            .sessions()
            .iter()
            .all(|it| it.key != key.digest)
    );
}

/// Browsers go on sending the cookie of a session that has ended.
#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_counts_as_no_credential() {
    let server = TestServer::start();
    let cookie = format!("etiqueta_session={}", "x".repeat(43));
    assert_eq!(status(&server, Method::GET, "/tags", &cookie).await, 200);
    assert_eq!(status(&server, Method::GET, "/keys", &cookie).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_ends_the_one_before() {
    let server = start();
    let (_, secret) = key(&server).await;
    let first = log_in(&server, &secret).await;
    let again = begin(&server, &secret).header("cookie", &first);
    let second = cookie(&again.send().await.unwrap());
    assert_eq!(status(&server, Method::GET, "/tags", &first).await, 401);
    assert_eq!(
        status(&server, Method::GET, "/tags", sent(&second)).await,
        200
    );
    assert_eq!(server.store.sessions().len(), 1);
}

/// A cookie has no effect where a page of another site makes the browser send it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_does_not_help_pages_of_other_sites() {
    let server = start();
    let admin = log_in(&server, ADMIN_KEY).await;
    let post = || {
        let body = json!({"name": "a", "scopes": ["admin"]});
        let request = server.request(Method::POST, "/keys").json(&body);
        request.header("cookie", &admin)
    };
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        let refused = post().header(name, value);
        server.refused(refused, 403, "cross-origin").await;
    }
    assert!(server.store.keys().await.unwrap().is_empty());
    // No browser.
    assert_eq!(post().send().await.unwrap().status(), 201);
    let own = post().header("sec-fetch-site", "same-origin");
    assert_eq!(own.send().await.unwrap().status(), 201);
}
