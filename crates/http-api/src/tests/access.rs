//! Authentication and authorization of every route.

use chrono::TimeDelta;
use domain::{ApiKey, KeySecret, Scope, Scopes, ports::KeyStore as _, service::AdminKey};
use domain_testing::{api_key, at};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use super::test_server::{TestServer, picture, problem, until, upload};
use crate::{KeyPolicy, rights};

/// The admin key of the settings in these tests.
const ADMIN_KEY: &str = "an-admin-key-of-32-characters-!?";

/// An id that nothing has.
const ID: &str = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777";

/// Method, path, the scope it takes, and the policies under which it takes it: changes, everything; none is every
/// policy.
const ROUTES: &[(&str, &str, Scope, Option<[bool; 2]>)] = &[
    ("POST", "/image", Scope::Upload, Some([false, true])),
    ("POST", "/tag", Scope::Tag, Some([false, true])),
    ("GET", "/image/ID", Scope::Read, Some([false, true])),
    ("HEAD", "/image/ID", Scope::Read, Some([false, true])),
    ("DELETE", "/image/ID", Scope::Write, Some([true, true])),
    ("GET", "/image/ID/tags", Scope::Read, Some([false, true])),
    ("PATCH", "/image/ID/tags", Scope::Write, Some([true, true])),
    ("POST", "/image/ID/retag", Scope::Write, Some([true, true])),
    ("GET", "/image/ID/file", Scope::Read, Some([false, true])),
    ("GET", "/image/ID/info", Scope::Read, Some([false, true])),
    ("GET", "/image/ID/similar", Scope::Read, Some([false, true])),
    (
        "GET",
        "/image/ID/duplicates",
        Scope::Read,
        Some([false, true]),
    ),
    (
        "GET",
        "/image/ID/thumbnail",
        Scope::Read,
        Some([false, true]),
    ),
    ("GET", "/images", Scope::Read, Some([false, true])),
    ("HEAD", "/images", Scope::Read, Some([false, true])),
    ("GET", "/tags", Scope::Read, Some([false, true])),
    (
        "GET",
        "/tags/car/confidences",
        Scope::Read,
        Some([false, true]),
    ),
    ("GET", "/taggers", Scope::Read, Some([false, true])),
    ("GET", "/metrics", Scope::Metrics, Some([false, true])),
    ("HEAD", "/metrics", Scope::Metrics, Some([false, true])),
    ("GET", "/vocabulary", Scope::Read, Some([false, true])),
    ("HEAD", "/vocabulary", Scope::Read, Some([false, true])),
    ("GET", "/vocabulary/car", Scope::Read, Some([false, true])),
    ("PUT", "/vocabulary/car", Scope::Admin, Some([true, true])),
    (
        "DELETE",
        "/vocabulary/car",
        Scope::Admin,
        Some([true, true]),
    ),
    ("GET", "/jobs", Scope::Read, Some([false, true])),
    ("HEAD", "/jobs", Scope::Read, Some([false, true])),
    ("POST", "/jobs", Scope::Write, Some([true, true])),
    ("GET", "/jobs/ID", Scope::Read, Some([false, true])),
    ("DELETE", "/jobs/ID", Scope::Write, Some([true, true])),
    ("GET", "/v2/tags", Scope::Tag, Some([false, true])),
    ("HEAD", "/v2/tags", Scope::Tag, Some([false, true])),
    ("POST", "/v2/tags", Scope::Tag, Some([false, true])),
    ("POST", "/v2/uploads", Scope::Tag, Some([false, true])),
    ("DELETE", "/v2/uploads/ID", Scope::Tag, Some([false, true])),
    ("GET", "/v2/usage", Scope::Read, Some([false, true])),
    (
        "POST",
        "/api/v1/vision/labels",
        Scope::Tag,
        Some([false, true]),
    ),
    ("GET", "/keys", Scope::Admin, None),
    ("HEAD", "/keys", Scope::Admin, None),
    ("POST", "/keys", Scope::Admin, None),
    ("DELETE", "/keys/ID", Scope::Admin, None),
    ("GET", "/webhooks", Scope::Admin, None),
    ("HEAD", "/webhooks", Scope::Admin, None),
    ("POST", "/webhooks", Scope::Admin, None),
    ("DELETE", "/webhooks/ID", Scope::Admin, None),
    ("POST", "/webhooks/ID/replay", Scope::Admin, None),
];

/// What is open to everybody, also with a wrong key.
const OPEN: &[(&str, &str)] = &[
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/docs/"),
    ("GET", "/openapi.json"),
    ("DELETE", "/session"),
    ("OPTIONS", "/image"),
    ("OPTIONS", "/images"),
    ("OPTIONS", "/keys"),
    ("OPTIONS", "/keys/ID"),
    ("OPTIONS", "/webhooks"),
    ("OPTIONS", "/webhooks/ID"),
    ("OPTIONS", "/webhooks/ID/replay"),
    ("OPTIONS", "/session"),
];

const POLICIES: [KeyPolicy; 3] = [
    KeyPolicy::Nothing,
    KeyPolicy::Changes,
    KeyPolicy::Everything,
];

fn start(policy: KeyPolicy) -> TestServer {
    TestServer::with(|setup| {
        setup.settings.keys = policy;
        setup.admin_key = Some(AdminKey::parse(ADMIN_KEY).unwrap());
    })
}

/// Keeps a key with these scopes, and gives its secret.
pub(super) async fn key(server: &TestServer, scopes: &[Scope]) -> String {
    let secret = KeySecret::random().unwrap();
    let key = ApiKey {
        scopes: Scopes::new(scopes.iter().copied()).unwrap(),
        digest: secret.digest(),
        ..api_key("test", Scope::Read, at(0))
    };
    assert!(server.store.add_key(&key, 1000).await.unwrap());
    secret.expose().to_owned()
}

fn request(server: &TestServer, method: &str, path: &str) -> RequestBuilder {
    let request = server.request(method.parse().unwrap(), &path.replace("ID", ID));
    match (method, path) {
        ("POST", "/image" | "/tag") => request.json(&upload(&picture("x"))),
        ("PATCH", _) => request.json(&json!({"add": ["x"]})),
        ("POST", "/webhooks") => {
            request.json(&json!({"url": "http://a.test/", "events": ["job.finished"]}))
        }
        ("POST", "/keys") => request.json(&json!({"name": "x", "scopes": ["read"]})),
        _ => request,
    }
}

/// Whether a route has the errors of another service, which are tested elsewhere.
fn is_compatible(response: &Response) -> bool {
    let path = response.url().path();
    path.starts_with("/v2/") || path.starts_with("/api/v1/vision/")
}

/// Whether a request got as far as its route. What is refused must say why.
async fn passes(response: Response, scope: Scope, is_known: bool, is_head: bool) -> bool {
    match response.status().as_u16() {
        401 => {
            assert!(!is_known);
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            if !is_head && !is_compatible(&response) {
                problem(response, 401, "unauthenticated").await;
            }
            false
        }
        403 => {
            assert!(is_known);
            if !is_head && !is_compatible(&response) {
                let document = problem(response, 403, "forbidden").await;
                assert_eq!(document["scope"], scope.as_str());
                let detail = document["detail"].as_str().unwrap();
                assert!(detail.contains(scope.as_str()), "{detail}");
            }
            false
        }
        _ => true,
    }
}

#[test]
fn every_row_of_the_table_is_tried() {
    for (path, method, right) in rights::TABLE {
        let path = path.replace("{id}", "ID").replace("{tag}", "car");
        let mut tried = ROUTES.iter();
        let is_tried = tried.any(|(m, p, ..)| *m == method.as_str() && *p == path);
        let needs_key = right.scope(KeyPolicy::Everything).is_some();
        assert_eq!(is_tried, needs_key, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_for_its_scope() {
    for (index, policy) in POLICIES.into_iter().enumerate() {
        let server = start(policy);
        let mut keys = Vec::new();
        for scope in Scope::ALL {
            keys.push((Some(scope), key(&server, &[scope]).await));
        }
        keys.push((Some(Scope::Admin), ADMIN_KEY.to_owned()));
        for (method, path, needed, under) in ROUTES {
            let asks = under.is_none_or(|under| index > 0 && under[index - 1]);
            let is_head = *method == "HEAD";
            let bare = request(&server, method, path).send().await.unwrap();
            let what = format!("{policy:?} {method} {path}");
            assert_eq!(passes(bare, *needed, false, is_head).await, !asks, "{what}");
            for (scope, key) in &keys {
                let may = scope.is_some_and(|scope| scope.includes(*needed));
                let sent = request(&server, method, path).bearer_auth(key).send();
                let passed = passes(sent.await.unwrap(), *needed, true, is_head).await;
                assert_eq!(passed, may || !asks, "{what} {scope:?}");
            }
        }
    }
}

/// An invalid key is refused even where none is required.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_refused_under_every_policy() {
    for policy in POLICIES {
        let server = start(policy);
        let good = key(&server, &[Scope::Admin]).await;
        let unknown = KeySecret::random().unwrap();
        let wrong = [
            "",
            "etq_",
            unknown.expose(),
            &good[..46],
            &format!("{good}x"),
            &good.to_uppercase(),
            &good[4..],
            &ADMIN_KEY[..31],
            &format!("{ADMIN_KEY}!"),
            &"x".repeat(5000),
        ];
        for (method, path, _, _) in ROUTES.iter().filter(|(method, ..)| *method != "HEAD") {
            for key in wrong {
                let refused = request(&server, method, path).header("x-api-key", key);
                let refused = refused.send().await.unwrap();
                if is_compatible(&refused) {
                    assert_eq!(refused.status(), 401);
                } else {
                    problem(refused, 401, "unauthenticated").await;
                }
            }
        }
        assert_eq!(server.store.images().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_and_expired_keys_are_refused() {
    let server = start(KeyPolicy::Nothing);
    let secret = KeySecret::random().unwrap();
    let expiring = ApiKey {
        digest: secret.digest(),
        expires_at: Some(at(60)),
        ..api_key("expiring", Scope::Read, at(0))
    };
    server.store.add_key(&expiring, 1000).await.unwrap();
    let get = |key: &str| server.request(Method::GET, "/tags").bearer_auth(key);
    assert_eq!(get(secret.expose()).send().await.unwrap().status(), 200);
    server.clock.advance(TimeDelta::seconds(60));
    server
        .refused(get(secret.expose()), 401, "unauthenticated")
        .await;

    let revoked = key(&server, &[Scope::Read]).await;
    assert_eq!(get(&revoked).send().await.unwrap().status(), 200);
    for key in server.store.keys().await.unwrap() {
        server.store.remove_key(&key.id).await.unwrap();
    }
    server.refused(get(&revoked), 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_stand_in_either_header_but_not_in_the_url() {
    let server = start(KeyPolicy::Everything);
    let (one, other) = (
        key(&server, &[Scope::Read]).await,
        key(&server, &[Scope::Read]).await,
    );
    let get = || server.request(Method::GET, "/tags");
    let bearer = format!("bEARER  {one}");
    let accepted = [
        get().header("authorization", &bearer),
        get().header("x-api-key", &one),
        get()
            .header("authorization", &bearer)
            .header("x-api-key", &one),
        get()
            .header("authorization", "Basic dTpw")
            .header("x-api-key", &one),
        get().bearer_auth(ADMIN_KEY),
        get().header("x-api-key", ADMIN_KEY),
    ];
    for request in accepted {
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let refused = [
        get().bearer_auth(&one).header("x-api-key", &other),
        get().header("x-api-key", &one).header("x-api-key", &other),
        get().header("authorization", &one),
        get().header("authorization", format!("Token {one}")),
        get().basic_auth("me", Some(&one)),
        get().header("cookie", format!("etiqueta_session={one}")),
        server.request(Method::GET, &format!("/tags?key={one}")),
        server.request(Method::GET, &format!("/tags?access_token={one}")),
    ];
    for request in refused {
        let document = server.refused(request, 401, "unauthenticated").await;
        assert!(!document.to_string().contains("etq_"), "{document}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn some_routes_are_open_under_every_policy() {
    for policy in POLICIES {
        let server = start(policy);
        for (method, path) in OPEN {
            for key in [None, Some("etq_wrong")] {
                let request = request(&server, method, path);
                let request = match key {
                    Some(key) => request.bearer_auth(key),
                    None => request,
                };
                let status = request.send().await.unwrap().status();
                assert!(status.is_success(), "{policy:?} {method} {path}: {status}");
            }
        }
        let nowhere = server.request(Method::GET, "/nowhere");
        server.refused(nowhere, 404, "route-not-found").await;
        let refused = server.request(Method::PUT, "/images");
        server.refused(refused, 405, "method-not-allowed").await;
    }
}

/// Paths that the router takes for a route's own must not be another thing to the table of rights.
#[rstest::rstest]
#[case("/%69mages")]
#[case("/key%73")]
#[case("/keys?")]
#[case("/%6beys")]
#[tokio::test(flavor = "multi_thread")]
async fn encoded_paths_pass_no_further(#[case] path: &str) {
    let server = start(KeyPolicy::Everything);
    let mut raw = server.connect().await;
    raw.send(&format!(
        "GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    ))
    .await;
    let answer = raw.rest().await;
    let status = &answer[9..12];
    assert!(matches!(status, "401" | "404"), "{path}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_no_more_than_its_status_where_every_request_takes_a_key() {
    let server = start(KeyPolicy::Everything);
    assert_eq!(server.read("/readyz").await, json!({"status": "ready"}));
    server.originals.set_down(true);
    let report = server.get("/readyz").await;
    assert_eq!(report.status(), 503);
    let report: serde_json::Value = report.json().await.unwrap();
    assert_eq!(report, json!({"status": "not-ready"}));
    let server = start(KeyPolicy::Changes);
    assert!(server.read("/readyz").await["checks"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let server = start(KeyPolicy::Nothing);
    let used = key(&server, &[Scope::Read]).await;
    let send = async || {
        let request = server.request(Method::GET, "/tags").bearer_auth(&used);
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    let noted = || {
        let keys = futures_util::FutureExt::now_or_never(server.store.keys());
        keys.unwrap().unwrap()[0].last_used_at
    };
    assert_eq!(noted(), None);
    for (after, expected) in [(0, 0), (59, 0), (1, 60), (300, 360)] {
        server.clock.advance(TimeDelta::seconds(after));
        send().await;
        until(|| noted() == Some(at(expected))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_only_the_admin_key_is_accepted() {
    let server = TestServer::with(|setup| {
        setup.settings.keys = KeyPolicy::Everything;
        setup.settings.read_deadline = std::time::Duration::from_millis(100);
        setup.admin_key = Some(AdminKey::parse(ADMIN_KEY).unwrap());
    });
    let key = key(&server, &[Scope::Admin]).await;
    server.store.stall();
    let get = || server.request(Method::GET, "/openapi.json");
    assert_eq!(get().send().await.unwrap().status(), 200);
    let get = || server.request(Method::GET, &format!("/image/{}", "no-id"));
    server
        .refused(get().bearer_auth(&key), 503, "storage-unavailable")
        .await;
    server
        .refused(get().bearer_auth(ADMIN_KEY), 400, "invalid-id")
        .await;
}

/// An upload that is refused is not read.
#[tokio::test(flavor = "multi_thread")]
async fn access_is_checked_before_the_body_is_read() {
    let server = start(KeyPolicy::Everything);
    let mut raw = server.connect().await;
    raw.send(
        "POST /image HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\nContent-Length: 99999999\r\n\r\n",
    )
    .await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert!(head.contains("\r\nwww-authenticate: Bearer\r\n"), "{head}");
}

#[test]
fn admin_keys_have_32_visible_characters() {
    assert!(AdminKey::parse(ADMIN_KEY).is_ok());
    for text in [
        "",
        "short",
        &ADMIN_KEY[1..],
        &" ".repeat(40),
        &"ñ".repeat(40),
        &"x".repeat(513),
    ] {
        assert!(AdminKey::parse(text).is_err(), "{text}");
    }
}
