//! `/keys`.

use domain::{
    SecretDigest,
    ports::KeyStore as _,
    service::{AdminKey, MAX_KEYS},
};
use domain_testing::{api_key, at};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::test_server::{TestServer, problem};

const ADMIN_KEY: &str = "an-admin-key-of-32-characters-!?";

fn start() -> TestServer {
    TestServer::with(|setup| setup.admin_key = Some(AdminKey::parse(ADMIN_KEY).unwrap()))
}

fn request(server: &TestServer, method: Method, path: &str) -> RequestBuilder {
    server.request(method, path).bearer_auth(ADMIN_KEY)
}

async fn create(server: &TestServer, body: &Value) -> Value {
    let response = request(server, Method::POST, "/keys").json(body).send();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

async fn list(server: &TestServer) -> Value {
    let response = request(server, Method::GET, "/keys").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_told_once_and_kept_as_a_digest() {
    let server = start();
    let body = json!({"name": " phone ", "scopes": ["upload", "read", "read"]});
    let mut created = create(&server, &body).await;
    let secret = created["key"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("etq_") && secret.len() == 47, "{secret}");
    created.as_object_mut().unwrap().remove("key");
    let id = created["id"].as_str().unwrap().to_owned();
    assert_eq!(
        created,
        json!({"id": id, "name": "phone", "scopes": ["read", "upload"], "expires": null})
    );
    let kept = server.store.keys().await.unwrap();
    assert_eq!(kept[0].digest, SecretDigest::of(&secret));

    let use_it = server.request(Method::GET, "/tags").bearer_auth(&secret);
    assert_eq!(use_it.send().await.unwrap().status(), 200);
    super::test_server::until(|| {
        let keys = futures_util::FutureExt::now_or_never(server.store.keys());
        keys.unwrap().unwrap()[0].last_used_at.is_some()
    })
    .await;
    let listed = list(&server).await;
    assert_eq!(
        listed,
        json!([{
            "id": id, "name": "phone", "scopes": ["read", "upload"],
            "created": "2024-01-01 00:00:00", "expires": null, "last_used": "2024-01-01 00:00:00",
        }])
    );
    assert!(!listed.to_string().contains(&secret[4..]));
}

#[rstest::rstest]
#[case("2024-01-02 10:00:00", "2024-01-02 10:00:00")]
#[case("2024-01-02T10:00:00+01:00", "2024-01-02 09:00:00")]
#[case("2024-01-02", "2024-01-02 23:59:59")]
#[case("9999-12-31", "9999-12-31 23:59:59")]
#[case("9999-12-31 23:59:59", "9999-12-31 23:59:59")]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_expire(#[case] expires: &str, #[case] shown: &str) {
    let server = start();
    let body = json!({"name": "a", "scopes": ["read"], "expires": expires});
    assert_eq!(create(&server, &body).await["expires"], shown);
    assert_eq!(list(&server).await[0]["expires"], shown);
}

/// The last day of a zone behind UTC ends in the year 10000.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_day_may_be_that_of_any_zone() {
    let server = TestServer::with(|setup| {
        setup.admin_key = Some(AdminKey::parse(ADMIN_KEY).unwrap());
        setup.settings.timezone = chrono_tz::America::New_York;
    });
    let body = json!({"name": "a", "scopes": ["read"], "expires": "9999-12-31"});
    let expires = create(&server, &body).await["expires"].clone();
    assert_eq!(expires, "9999-12-31 23:59:59");
}

#[rstest::rstest]
#[case(json!({}), "`name` is missing")]
#[case(json!({"name": "a"}), "`scopes` is missing")]
#[case(json!({"name": "a", "scopes": []}), "`scopes` is empty")]
#[case(json!({"name": "a", "scopes": ["root"]}), "`scopes` holds `root`; it takes read, tag, upload, write, metrics, admin")]
#[case(json!({"name": "a", "scopes": "read"}), "`scopes` is not an array of texts")]
#[case(json!({"name": "", "scopes": ["read"]}), "`name`: the name of a key has 1 to 100")]
#[case(json!({"name": "a\nb", "scopes": ["read"]}), "`name`")]
#[case(json!({"name": "x".repeat(101), "scopes": ["read"]}), "`name`")]
#[case(json!({"name": "a", "scopes": ["read"], "expires": "soon"}), "`expires` is not a date")]
#[case(json!({"name": "a", "scopes": ["read"], "expires": "2023-12-31"}), "`expires` lies in the past")]
#[case(json!({"name": "a", "scopes": ["read"], "id": 1}), "`id` is not a member of it")]
#[case(json!(["a", ["read"]]), "the body is not an object")]
#[case(json!(null), "the body is not an object")]
#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_are_refused(#[case] body: Value, #[case] why: &str) {
    let server = start();
    let refused = request(&server, Method::POST, "/keys").json(&body);
    let document = server.refused(refused, 400, "invalid-body").await;
    let detail = document["detail"].as_str().unwrap();
    assert!(detail.contains(why), "{detail}");
    assert_eq!(list(&server).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_are_refused() {
    let server = start();
    let post = || request(&server, Method::POST, "/keys");
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
    let large = post()
        .header("content-type", "application/json")
        .body(large);
    let document = server.refused(large, 400, "invalid-body").await;
    assert_eq!(document["limit"], 1 << 20);
    let plain = post().header("content-type", "text/plain").body("{}");
    server.refused(plain, 415, "unsupported-media-type").await;
    server
        .refused(post().body("{}"), 415, "unsupported-media-type")
        .await;
    for method in [Method::GET, Method::POST] {
        let refused = request(&server, method, "/keys?limit=1");
        server.refused(refused, 400, "invalid-parameter").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_gone() {
    let server = start();
    let body = json!({"name": "a", "scopes": ["admin"]});
    let (gone, stays) = (create(&server, &body).await, create(&server, &body).await);
    let path = format!("/keys/{}", gone["id"].as_str().unwrap());
    let response = request(&server, Method::DELETE, &path)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 204);
    let again = request(&server, Method::DELETE, &path);
    server.refused(again, 404, "key-not-found").await;
    let malformed = request(&server, Method::DELETE, "/keys/7");
    server.refused(malformed, 400, "invalid-id").await;
    let listed = list(&server).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], stays["id"]);
    let key = gone["key"].as_str().unwrap();
    let refused = server.request(Method::GET, "/tags").bearer_auth(key);
    server.refused(refused, 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_a_thousand_keys_at_most() {
    let server = start();
    for _ in 0..MAX_KEYS {
        let key = api_key("a", domain::Scope::Read, at(0));
        assert!(server.store.add_key(&key, MAX_KEYS).await.unwrap());
    }
    let body = json!({"name": "a", "scopes": ["read"]});
    let response = request(&server, Method::POST, "/keys").json(&body).send();
    let document = problem(response.await.unwrap(), 409, "too-many").await;
    assert_eq!(document["limit"], 1000);
}
