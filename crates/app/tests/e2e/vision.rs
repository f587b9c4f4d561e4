//! A vision server as the tagger, over the whole way of an upload.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use upstream_fakes::{Fakes, Fault, Habit, Route, Vision};

use super::{database::Kind, pictures::jpeg, server::Server};

/// A server that tags by that vision server, with more variables.
async fn server(kind: Kind, vision: &Vision, more: &[(&str, &str)]) -> Server {
    let own = [
        ("ETIQUETA__TAGGING__PROVIDER", "openai"),
        ("ETIQUETA__OPENAI__BASE_URL", vision.base_url()),
        ("ETIQUETA__OPENAI__MODEL", Vision::MODEL),
    ];
    Server::start_with(kind, Fakes::start().await.unwrap(), &[&own, more].concat()).await
}

fn names(image: &Value) -> Vec<&str> {
    let tags = image["tags"].as_array().unwrap();
    tags.iter()
        .map(|tag| tag["tag"].as_str().unwrap())
        .collect()
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn tags_of_a_vision_server_are_kept_like_any_others(#[case] kind: Kind) {
    let vision = Vision::start().unwrap();
    vision.always_see([("Cat", 95.0), ("sofa", 85.0), ("dust", 20.0)]);
    vision.answer(Habit::Fenced);
    let server = server(kind, &vision, &[]).await;
    let image = server.register(&jpeg(1), "").await;
    assert_eq!(names(&image), ["cat", "sofa"]);
    // Known bytes cost no call.
    server.register(&jpeg(1), "?min_confidence=10").await;
    assert_eq!(vision.traffic().requests_of(Route::Chat).len(), 1);
    let id = image["id"].as_str().unwrap();
    let tags = server.json(&format!("/image/{id}/tags")).await;
    assert_eq!(tags["tags"][0]["provider"], "openai");
    let taggers = server.json("/taggers").await;
    assert_eq!(taggers[0]["name"], "openai");
    let version = taggers[0]["version"].as_str().unwrap();
    assert!(version.starts_with(Vision::MODEL), "{version}");
    // The copy is a JPEG of the size that is set, not the upload; and only this server was called.
    assert_eq!(server.fakes.imagekit().uploads(), 0);
}

#[tokio::test]
async fn a_closed_vocabulary_that_changes_is_what_the_model_may_say() {
    let vision = Vision::start().unwrap();
    vision.always_see([("cat", 95.0), ("sofa", 85.0)]);
    let server = server(Kind::Sqlite, &vision, &[]).await;
    let put = async |server: &Server, tag: &str| {
        let request = server.request(reqwest::Method::PUT, &format!("/vocabulary/{tag}"));
        let status = request.json(&json!({})).send().await.unwrap().status();
        assert_eq!(status, 201, "{tag}");
    };
    put(&server, "sofa").await;
    let closed = [
        ("ETIQUETA__TAGGING__PROVIDER", "openai"),
        ("ETIQUETA__OPENAI__BASE_URL", vision.base_url()),
        ("ETIQUETA__OPENAI__MODEL", Vision::MODEL),
        ("ETIQUETA__TAGGING__VOCABULARY", "closed"),
    ];
    let server = server.restart(&closed).await;
    let image = server.register(&jpeg(1), "").await;
    assert_eq!(names(&image), ["sofa"]);
    assert!(
        vision
            .question()
            .contains("from this list alone, spelt as they are there: sofa.")
    );
    put(&server, "cat").await;
    let image = server.register(&jpeg(2), "").await;
    assert_eq!(names(&image), ["cat", "sofa"]);
    assert!(
        vision.question().contains("cat, sofa"),
        "{}",
        vision.question()
    );
}

#[rstest]
#[case(Fault::status(404), 502)]
#[case(Fault::status(401), 502)]
#[case(Fault::garbage(), 502)]
#[case(Fault::status(503), 502)]
#[case(Fault::status(429).with_header("Retry-After", "7"), 503)]
#[tokio::test]
async fn its_failures_are_told_as_those_of_any_tagger(#[case] fault: Fault, #[case] status: u16) {
    let vision = Vision::start().unwrap();
    let server = server(Kind::Sqlite, &vision, &[]).await;
    vision.traffic().fail_always(Route::Chat, fault);
    assert_eq!(server.post(&jpeg(1), "").await.status(), status);
    vision.traffic().heal();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.json("/images").await, json!([]));
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn several_taggers_tag_and_are_told_apart(#[case] kind: Kind) {
    let vision = Vision::start().unwrap();
    vision.always_see([("Cat", 95.0), ("sofa", 85.0), ("dust", 20.0)]);
    let both = [("ETIQUETA__TAGGING__PROVIDER", "imagga, openai")];
    let server = server(kind, &vision, &both).await;
    let image = server.register(&jpeg(1), "?min_confidence=0").await;
    let id = image["id"].as_str().unwrap();
    let info = server.json(&format!("/image/{id}/info")).await;
    assert_eq!(info["provider"], "imagga, openai");
    let known = server.json(&format!("/image/{id}/tags?said=true")).await;
    let by = |list: &str, name: &str| {
        let tags = known[list].as_array().unwrap().iter();
        tags.filter(|tag| tag["provider"] == name).count()
    };
    assert!(by("said", "imagga") > 0);
    assert_eq!(by("said", "openai"), 3);
    let shown: usize = ["imagga", "openai"]
        .iter()
        .map(|name| by("tags", name))
        .sum();
    assert_eq!(shown, image["tags"].as_array().unwrap().len());
    // The statistics have each tag once.
    let summaries = server.json("/tags").await;
    for summary in summaries.as_array().unwrap() {
        assert_eq!(summary["n_images"], 1, "{summary}");
    }
    assert_eq!(summaries.as_array().unwrap().len(), shown);
    let retag = server.request(
        reqwest::Method::POST,
        &format!("/image/{id}/retag?provider=openai"),
    );
    let retagged: Value = retag.send().await.unwrap().json().await.unwrap();
    assert_eq!(names(&retagged), ["cat", "sofa", "dust"]);
    let server = server.restart(&[]).await;
    let info = server.json(&format!("/image/{id}/info")).await;
    assert_eq!(info["provider"], "openai");
    assert_eq!(vision.traffic().requests_of(Route::Chat).len(), 1);
}
