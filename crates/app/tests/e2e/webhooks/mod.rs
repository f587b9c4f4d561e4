//! Webhooks, on the running binary.

mod crash;
mod receiver;

use std::{
    collections::{BTreeSet, HashSet},
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use reqwest::{Method, RequestBuilder, Response};
use rstest::rstest;
use serde_json::{Value, json};
use upstream_fakes::Fakes;

use self::receiver::{Answer, Message, Receiver};
use super::{
    database::Kind,
    jobs,
    pictures::jpeg,
    server::{Server, command},
};

const ADMIN_KEY: &str = "an-admin-key-of-32-characters-!?";
const ADMIN: (&str, &str) = ("ETIQUETA__AUTH__ADMIN_KEY", ADMIN_KEY);

/// A server that only writes events: others deliver them.
const WRITES_ONLY: (&str, &str) = ("ETIQUETA__UPKEEP__ENABLED", "false");

/// Longer than anything that is due takes.
const SOON: Duration = Duration::from_secs(30);

/// All events.
const EVERYTHING: [&str; 5] = [
    "image.created",
    "image.tagged",
    "image.updated",
    "image.deleted",
    "job.finished",
];

async fn start(kind: Kind, variables: &[(&str, &str)]) -> Server {
    let variables = [&[ADMIN], variables].concat();
    Server::start_with(kind, Fakes::start().await.unwrap(), &variables).await
}

fn request(server: &Server, method: Method, path: &str) -> RequestBuilder {
    server.request(method, path).bearer_auth(ADMIN_KEY)
}

async fn post_webhook(server: &Server, url: &str, events: &[&str]) -> Response {
    let body = json!({"url": url, "events": events});
    let request = request(server, Method::POST, "/webhooks").json(&body);
    request.send().await.unwrap()
}

/// Registers a webhook; its id and its secret.
async fn register(server: &Server, receiver: &Receiver, events: &[&str]) -> (String, String) {
    let response = post_webhook(server, &receiver.url(), events).await;
    assert_eq!(response.status(), 201);
    let webhook: Value = response.json().await.unwrap();
    let text = |name: &str| webhook[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

async fn listed(server: &Server, id: &str) -> Value {
    let response = request(server, Method::GET, "/webhooks")
        .send()
        .await
        .unwrap();
    let webhooks: Vec<Value> = response.json().await.unwrap();
    let found = webhooks.into_iter().find(|webhook| webhook["id"] == id);
    found.unwrap()
}

/// Waits until a webhook is listed as it should be.
async fn listed_so(server: &Server, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = std::time::Instant::now();
    loop {
        let webhook = listed(server, id).await;
        if is_so(&webhook) {
            return webhook;
        }
        assert!(
            began.elapsed() < SOON,
            "{webhook}\n{}",
            server.process.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn id(image: &Value) -> String {
    image["id"].as_str().unwrap().to_owned()
}

/// The picture of that number, registered.
async fn image(server: &Server, number: u8) -> String {
    id(&server.register(&jpeg(number), "?min_confidence=20").await)
}

/// Verifies messages with the library of Standard Webhooks for Python.
fn verify(messages: &[Message], secret: &str) {
    let python = std::env::var("ETIQUETA_TEST_PYTHON")
        .expect("ETIQUETA_TEST_PYTHON names a Python interpreter; scripts/test makes one");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/webhooks/verify.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let messages: Vec<Value> = messages
        .iter()
        .map(|it| json!({"secret": secret, "headers": it.headers, "body": it.body}))
        .collect();
    let text = serde_json::to_vec(&messages).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let count = String::from_utf8(output.stdout).unwrap();
    assert_eq!(count.trim(), messages.len().to_string());
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn every_event_is_delivered_and_signed(#[case] kind: Kind) {
    let server = start(kind, &[]).await;
    let before = image(&server, 1).await;
    let receiver = Receiver::start().await;
    let (webhook, secret) = register(&server, &receiver, &EVERYTHING).await;
    let one = image(&server, 1).await;
    let body = json!({"add": ["mia"]});
    let path = format!("/image/{one}/tags");
    let edit = server.request(Method::PATCH, &path).json(&body).send();
    assert_eq!(edit.await.unwrap().status(), 200);
    let retag = format!("/image/{before}/retag?min_confidence=90");
    let retag = server.request(Method::POST, &retag).send().await.unwrap();
    assert_eq!(retag.status(), 200);
    let edit = json!({"kind": "edit", "filter": {"ids": [before]}, "add": ["by-job"]});
    let job = id(&jobs::done(&server, &edit).await);
    let path = format!("/image/{one}");
    let deleted = server.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);

    let expected: BTreeSet<(String, String)> = [
        ("image.created", &one),
        ("image.tagged", &one),
        ("image.updated", &one),
        ("image.tagged", &before),
        ("image.updated", &before),
        ("job.finished", &job),
        ("image.deleted", &one),
    ]
    .into_iter()
    .map(|(kind, id)| (kind.to_owned(), id.clone()))
    .collect();
    receiver
        .until(SOON, |messages| messages.len() >= expected.len())
        .await;
    let messages = receiver.messages();
    assert_eq!(receiver.events(), expected);
    assert_eq!(messages.len(), expected.len(), "{messages:#?}");
    let ids: HashSet<&str> = messages.iter().map(Message::id).collect();
    assert_eq!(ids.len(), messages.len());
    for message in &messages {
        assert_eq!(message.path, "/hook");
        assert_eq!(message.headers["content-type"], "application/json");
        assert!(message.body.len() < 200, "{}", message.body);
    }
    verify(&messages, &secret);
    let known = listed_so(&server, &webhook, |it| it["waiting"] == 0).await;
    assert_eq!(
        (&known["state"], &known["failures"]),
        (&json!("active"), &json!([]))
    );
    let log = server.process.log();
    assert!(
        !log.contains(&secret[6..]) && !log.contains("/hook"),
        "{log}"
    );
    let scrape = server.scrape().await;
    let delivered = "etiqueta_webhook_deliveries_total{outcome=\"delivered\"}";
    assert_eq!(scrape.value(delivered), Some(7.0));
}

#[tokio::test]
async fn a_failed_delivery_is_retried_under_the_same_id() {
    let server = start(Kind::Sqlite, &[]).await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Status(500));
    let (webhook, secret) = register(&server, &receiver, &["image.created"]).await;
    image(&server, 1).await;
    receiver.until(SOON, |messages| messages.len() == 1).await;
    receiver.answer(Answer::Status(200));
    let known = listed_so(&server, &webhook, |it| it["failures"][0].is_object()).await;
    let failure = &known["failures"][0];
    assert_eq!(failure["error"], "the endpoint answered 500");
    assert_eq!(
        (&failure["attempts"], &known["waiting"]),
        (&json!(1), &json!(1))
    );
    assert!(failure["next"].is_string());
    receiver.until(SOON, |messages| messages.len() == 2).await;
    let messages = receiver.messages();
    assert_eq!(messages[0].id(), messages[1].id());
    assert_eq!(messages[0].id(), failure["id"]);
    assert_eq!(messages[0].body, messages[1].body);
    let pause = messages[1].at - messages[0].at;
    assert!(pause >= Duration::from_secs(5), "{pause:?}");
    verify(&messages, &secret);
    let known = listed_so(&server, &webhook, |it| it["waiting"] == 0).await;
    assert_eq!(known["failures"], json!([]));
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn gone_disables_and_a_replay_delivers_what_failed(#[case] kind: Kind) {
    let server = start(kind, &[]).await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Status(410));
    let (webhook, _) = register(&server, &receiver, &["image.created"]).await;
    let first = image(&server, 1).await;
    let known = listed_so(&server, &webhook, |it| it["state"] == "disabled").await;
    assert_eq!(known["reason"], "gone");
    assert_eq!(known["failures"][0]["next"], Value::Null);
    // Nothing is written for it any more.
    image(&server, 2).await;
    assert_eq!(listed(&server, &webhook).await["waiting"], 0);
    receiver.answer(Answer::Status(204));
    let path = format!("/webhooks/{webhook}/replay");
    let replayed = request(&server, Method::POST, &path).send().await.unwrap();
    assert_eq!(replayed.status(), 202);
    receiver.until(SOON, |messages| messages.len() == 2).await;
    let third = image(&server, 3).await;
    receiver.until(SOON, |messages| messages.len() == 3).await;
    let told: Vec<_> = receiver.messages().iter().map(|it| it.event().1).collect();
    assert_eq!(told, [first.clone(), first, third]);

    let removed = request(&server, Method::DELETE, &format!("/webhooks/{webhook}"));
    assert_eq!(removed.send().await.unwrap().status(), 204);
    image(&server, 4).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.messages().len(), 3);
}

#[tokio::test]
async fn redirects_are_failures() {
    let server = start(Kind::Sqlite, &[]).await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Redirect);
    let (webhook, _) = register(&server, &receiver, &["image.created"]).await;
    image(&server, 1).await;
    let known = listed_so(&server, &webhook, |it| it["failures"][0].is_object()).await;
    assert_eq!(known["failures"][0]["error"], "the endpoint answered 307");
    let paths: HashSet<_> = receiver.messages().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, HashSet::from(["/hook".to_owned()]));
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_no_other() {
    let server = start(Kind::Sqlite, &[]).await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.answer(Answer::Hang);
    let (webhook, _) = register(&server, &slow, &["image.created"]).await;
    register(&server, &quick, &["image.created"]).await;
    for number in 1..=6 {
        image(&server, number).await;
    }
    // Less than the hanging endpoint is given.
    quick
        .until(Duration::from_secs(10), |messages| messages.len() == 6)
        .await;
    let under_way = slow.messages().len();
    assert!((1..=4).contains(&under_way), "{under_way}");
    let known = listed_so(&server, &webhook, |it| it["failures"][0].is_object()).await;
    let error = &known["failures"][0]["error"];
    assert_eq!(error, "no complete answer within 15 s");
}

#[tokio::test]
async fn an_endpoint_may_ask_to_be_left_alone() {
    let server = start(Kind::Sqlite, &[]).await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Busy(8));
    let (webhook, _) = register(&server, &receiver, &["image.created"]).await;
    image(&server, 1).await;
    listed_so(&server, &webhook, |it| it["failures"][0].is_object()).await;
    receiver.answer(Answer::Status(204));
    image(&server, 2).await;
    receiver.until(SOON, |messages| messages.len() == 3).await;
    let messages = receiver.messages();
    for later in &messages[1..] {
        let pause = later.at - messages[0].at;
        assert!(pause >= Duration::from_secs(8), "{pause:?}");
    }
}

#[tokio::test]
async fn metadata_services_are_refused_and_private_addresses_may_be() {
    let server = start(Kind::Sqlite, &[]).await;
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://0xa9fea9fe/",
        "http://[fe80::1]/",
        "http://me:secret@example.com/",
        "ftp://example.com/",
        "nowhere",
    ] {
        let refused = post_webhook(&server, url, &["image.created"]).await;
        server.assert_problem(refused, 400, "invalid-body").await;
    }
    let own = post_webhook(&server, "http://10.0.0.1:8080/", &["image.created"]).await;
    assert_eq!(own.status(), 201);
    let open = server.get("/webhooks").await;
    server.assert_problem(open, 401, "unauthenticated").await;
    let server = server
        .restart(&[ADMIN, ("ETIQUETA__WEBHOOKS__ALLOW", "public")])
        .await;
    let refused = post_webhook(&server, "http://127.0.0.1/", &["image.created"]).await;
    let problem = server.assert_problem(refused, 400, "invalid-body").await;
    assert!(
        problem["detail"].as_str().unwrap().contains("not public"),
        "{problem}"
    );
}

/// Two servers share the deliveries of one database.
#[tokio::test]
async fn two_servers_deliver_each_event_once() {
    let first = start(Kind::Mysql, &[]).await;
    let second = Server::launch(
        Arc::clone(&first.database),
        Arc::clone(&first.folder),
        Fakes::start().await.unwrap(),
        command(first.folder.path()),
        &[ADMIN],
    );
    second.wait_until_ready().await;
    let receiver = Receiver::start().await;
    let (webhook, _) = register(&first, &receiver, &["image.created"]).await;
    let mut expected = BTreeSet::new();
    for number in 0..60 {
        let server = if number % 2 == 0 { &first } else { &second };
        expected.insert(("image.created".to_owned(), image(server, number % 3).await));
    }
    receiver.until(SOON, |messages| messages.len() >= 60).await;
    listed_so(&second, &webhook, |it| it["waiting"] == 0).await;
    assert_eq!(receiver.events(), expected);
    assert_eq!(receiver.messages().len(), 60);
}
