//! `GET /taggers`, and several taggers at once.

use domain::ports::{UpstreamError, cause};
use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{TestServer, picture, upload};

#[tokio::test(flavor = "multi_thread")]
async fn taggers_are_listed_with_their_state() {
    let server = TestServer::start();
    let loading = UpstreamError::Unavailable {
        retry_after: None,
        source: cause("the model is being loaded"),
    };
    let exhausted = UpstreamError::QuotaExhausted { retry_after: None };
    for (reason, state) in [
        (None, "ready"),
        (Some(exhausted), "quota-exhausted"),
        (Some(loading), "not-ready"),
    ] {
        server.provider.set_not_ready(reason);
        let expected = json!([{
            "name": "fake", "version": "1", "state": state, "languages": ["en"],
            "embeds_pictures": false, "embeds_words": false,
        }]);
        assert_eq!(server.read("/taggers").await, expected);
    }
    assert_eq!(server.provider.calls(), 0);
    let request = server.request(Method::GET, "/taggers?limit=1");
    server.refused(request, 400, "invalid-parameter").await;
}

fn with_two() -> TestServer {
    TestServer::with(|setup| setup.has_second = true)
}

async fn posted(server: &TestServer, path: &str) -> Value {
    let response = server.post(path, &upload(&picture("x"))).await;
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap()
}

fn pair(tag: &str, confidence: f64) -> Value {
    json!({"tag": tag, "confidence": confidence})
}

#[tokio::test(flavor = "multi_thread")]
async fn several_taggers_are_listed_and_must_all_be_ready() {
    let server = with_two();
    let taggers = server.read("/taggers").await;
    let names: Vec<&Value> = taggers
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["fake", "second"]);
    let ready = server.read("/readyz").await;
    assert_eq!(ready["checks"]["tag_provider"]["name"], "fake, second");
    server
        .second
        .set_not_ready(Some(UpstreamError::QuotaExhausted { retry_after: None }));
    let ready = server.request(Method::GET, "/readyz").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(server.read("/taggers").await[1]["state"], "quota-exhausted");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_taggers_tag_unless_some_are_named() {
    let server = with_two();
    let tagged = posted(&server, "/tag").await;
    let all = json!([pair("car", 100.0), pair("rug", 90.0), pair("auto", 80.0)]);
    let expected = json!({"tags": all, "provider": "fake, second", "version": "1, 2"});
    assert_eq!(tagged, expected);
    assert_eq!(posted(&server, "/image").await["tags"], all);
    let only = json!([pair("rug", 90.0), pair("car", 85.0)]);
    let tagged = posted(&server, "/tag?provider=second").await;
    let expected = json!({"tags": only, "provider": "second", "version": "2"});
    assert_eq!(tagged, expected);
    let image = posted(&server, "/image?provider=second").await;
    assert_eq!(image["tags"], only);
    let info = format!("/image/{}/info", image["id"].as_str().unwrap());
    assert_eq!(server.read(&info).await["provider"], "second");
    assert_eq!((server.provider.calls(), server.second.calls()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_said_what_is_told_where_it_is_asked_for() {
    let server = with_two();
    let image = posted(&server, "/image").await;
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    assert_eq!(
        server.read(&format!("{path}/info")).await["provider"],
        "fake, second"
    );
    let shown = server.read(&format!("{path}/tags")).await;
    assert!(shown.get("said").is_none());
    assert_eq!(shown["tags"][0]["provider"], "fake");
    let known = server.read(&format!("{path}/tags?said=true")).await;
    assert_eq!(known["tags"], shown["tags"]);
    let said = |tag: &str, confidence: f64, provider: &str, version: &str| {
        json!({
            "tag": tag, "confidence": confidence, "source": "provider",
            "provider": provider, "version": version,
        })
    };
    let expected = json!([
        said("auto", 80.0, "fake", "1"),
        said("car", 100.0, "fake", "1"),
        said("car", 85.0, "second", "2"),
        said("rug", 90.0, "second", "2"),
    ]);
    assert_eq!(known["said"], expected);
    let retag = server.request(Method::POST, &format!("{path}/retag?provider=second"));
    let retagged: Value = retag.send().await.unwrap().json().await.unwrap();
    assert_eq!(retagged["tags"][0]["tag"], "rug");
    assert_eq!(retagged["tags"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tagger_that_is_not_set_up_is_refused() {
    let server = with_two();
    for path in [
        "/tag?provider=imagga",
        "/image?provider=fake,imagga",
        "/image?provider=",
    ] {
        let request = server.request(Method::POST, path);
        let request = request.json(&upload(&picture("x")));
        let refused = server.refused(request, 400, "invalid-parameter").await;
        assert_eq!(refused["parameter"], "provider", "{path}");
        assert!(
            refused["detail"]
                .as_str()
                .unwrap()
                .contains("`fake, second`")
        );
    }
    assert_eq!((server.provider.calls(), server.second.calls()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_choice_belongs_to_a_request_that_is_repeated() {
    let server = with_two();
    let post = |path: &'static str| {
        let request = server.request(Method::POST, path);
        let request = request.json(&upload(&picture("x")));
        request.header("Idempotency-Key", "one")
    };
    let first: Value = post("/image?provider=second")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let again: Value = post("/image?provider=second")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(first["id"], again["id"]);
    server
        .refused(post("/image"), 422, "idempotency-mismatch")
        .await;
}
