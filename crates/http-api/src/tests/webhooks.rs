//! `/webhooks`.

use domain::{
    MAX_WEBHOOKS, WebhookEvent, WebhookId,
    ports::{DeliveryOutcome, DeliveryQueue as _},
    service::AdminKey,
};
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

async fn register(server: &TestServer, body: &Value) -> Value {
    let response = request(server, Method::POST, "/webhooks").json(body).send();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

async fn list(server: &TestServer) -> Value {
    let response = request(server, Method::GET, "/webhooks").send();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

fn id(webhook: &Value) -> WebhookId {
    webhook["id"].as_str().unwrap().parse().unwrap()
}

fn body() -> Value {
    json!({"url": "https://hooks.test/a?b=c", "events": ["image.deleted", "image.created", "image.created"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_registered_and_its_secret_told_once() {
    let server = start();
    let mut created = register(&server, &body()).await;
    let secret = created["secret"].as_str().unwrap().to_owned();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 50,
        "{secret}"
    );
    created.as_object_mut().unwrap().remove("secret");
    let events = json!(["image.created", "image.deleted"]);
    let url = "https://hooks.test/a?b=c";
    let expected = json!({"id": created["id"], "url": url, "events": events});
    assert_eq!(created, expected);
    let listed = list(&server).await;
    assert!(listed[0]["created"].is_string());
    let expected = json!([{
        "id": created["id"], "url": url, "events": events, "state": "active", "reason": null,
        "created": listed[0]["created"], "waiting": 0, "failures": [],
    }]);
    assert_eq!(listed, expected);
    assert!(!listed.to_string().contains(&secret[6..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_wait_and_failures_are_listed() {
    let server = start();
    let webhook = register(&server, &body()).await;
    let image = server.register("x").await;
    let image_id = image["id"].as_str().unwrap();
    assert_eq!(list(&server).await[0]["waiting"], 1);
    let created = WebhookEvent::ImageCreated(image_id.parse().unwrap());
    assert_eq!(server.store.waiting_events(&id(&webhook)), [created]);
    let claim = async || {
        let lease = chrono::TimeDelta::hours(1);
        let limit = std::num::NonZeroU32::MIN;
        let webhook = id(&webhook);
        let claimed = server.store.claim_deliveries(&webhook, lease, limit);
        claimed.await.unwrap().remove(0)
    };
    let claimed = claim().await;
    let outcome = DeliveryOutcome::Gone {
        error: "the endpoint answered 410".to_owned(),
    };
    assert!(
        server
            .store
            .settle_delivery(&claimed.lease, &outcome)
            .await
            .unwrap()
    );
    let listed = list(&server).await;
    assert_eq!(listed[0]["state"], "disabled");
    assert_eq!(listed[0]["reason"], "gone");
    assert_eq!(listed[0]["waiting"], 0);
    let failure = &listed[0]["failures"][0];
    let expected = json!({
        "id": claimed.lease.id.message_id(), "type": "image.created", "data": {"id": image_id},
        "attempts": 1, "tried": failure["tried"], "next": null, "error": "the endpoint answered 410",
    });
    assert_eq!(*failure, expected);
    assert!(failure["tried"].is_string());

    let path = format!("/webhooks/{}/replay", webhook["id"].as_str().unwrap());
    let replayed = request(&server, Method::POST, &path).send().await.unwrap();
    assert_eq!(replayed.status(), 202);
    let listed = list(&server).await;
    assert_eq!(listed[0]["state"], "active");
    assert_eq!(
        (&listed[0]["waiting"], &listed[0]["failures"]),
        (&json!(1), &json!([]))
    );
    let claimed = claim().await;
    let outcome = DeliveryOutcome::Retry {
        after: chrono::TimeDelta::hours(1),
        pause: None,
        error: "no connection to the host".to_owned(),
    };
    assert!(
        server
            .store
            .settle_delivery(&claimed.lease, &outcome)
            .await
            .unwrap()
    );
    assert!(list(&server).await[0]["failures"][0]["next"].is_string());
}

#[rstest::rstest]
#[case(json!({}), "`url` is missing")]
#[case(json!({"url": "http://a.test/"}), "`events` is missing")]
#[case(json!({"url": "http://a.test/", "events": []}), "`events` is empty")]
#[case(json!({"url": "http://a.test/", "events": ["image.seen"]}), "`events` holds `image.seen`; it takes image.created, image.tagged")]
#[case(json!({"url": "http://a.test/", "events": "image.created"}), "`events` is not an array of texts")]
#[case(json!({"url": 1, "events": ["image.created"]}), "`url` is not a text")]
#[case(json!({"url": "ftp://a.test/", "events": ["image.created"]}), "`url`: not allowed")]
#[case(json!({"url": "http://169.254.169.254/", "events": ["image.created"]}), "`url`: not allowed")]
#[case(json!({"url": "http://a.test/", "events": ["image.created"], "secret": "x"}), "`secret` is not a member of it")]
#[case(json!([]), "the body is not an object")]
#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_are_refused(#[case] body: Value, #[case] why: &str) {
    let server = start();
    let refused = request(&server, Method::POST, "/webhooks").json(&body);
    let document = server.refused(refused, 400, "invalid-body").await;
    let detail = document["detail"].as_str().unwrap();
    assert!(detail.contains(why), "{detail}");
    assert_eq!(list(&server).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_are_refused() {
    let server = start();
    let plain = request(&server, Method::POST, "/webhooks");
    let plain = plain.header("content-type", "text/plain").body("{}");
    server.refused(plain, 415, "unsupported-media-type").await;
    let unknown = "/webhooks/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777";
    for (method, path) in [
        (Method::DELETE, unknown.to_owned()),
        (Method::POST, format!("{unknown}/replay")),
    ] {
        let refused = request(&server, method.clone(), &path);
        server.refused(refused, 404, "webhook-not-found").await;
        let malformed = path.replace("7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777", "7");
        let refused = request(&server, method.clone(), &malformed);
        server.refused(refused, 400, "invalid-id").await;
        let refused = request(&server, method, &format!("{path}?a=b"));
        server.refused(refused, 400, "invalid-parameter").await;
    }
    for method in [Method::GET, Method::POST] {
        let refused = request(&server, method, "/webhooks?limit=1");
        server.refused(refused, 400, "invalid-parameter").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_webhook_is_gone() {
    let server = start();
    let (gone, stays) = (
        register(&server, &body()).await,
        register(&server, &body()).await,
    );
    let path = format!("/webhooks/{}", gone["id"].as_str().unwrap());
    let removed = request(&server, Method::DELETE, &path)
        .send()
        .await
        .unwrap();
    assert_eq!(removed.status(), 204);
    let again = request(&server, Method::DELETE, &path);
    server.refused(again, 404, "webhook-not-found").await;
    let listed = list(&server).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], stays["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_a_hundred_webhooks_at_most() {
    let server = start();
    for _ in 0..MAX_WEBHOOKS {
        register(&server, &body()).await;
    }
    let one_more = request(&server, Method::POST, "/webhooks").json(&body());
    let document = problem(one_more.send().await.unwrap(), 409, "too-many").await;
    assert_eq!(document["limit"], 100);
}
