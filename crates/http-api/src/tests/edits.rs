//! Deleting images, editing tags, and tagging again.

use domain::{
    ImageId, SourcedTag, TagSource,
    ports::{OriginalStore as _, PutMode},
};
use domain_testing::tag;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::test_server::{TestServer, problem};

const UNKNOWN: &str = "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777";

fn path_of(image: &Value) -> String {
    format!("/image/{}", image["id"].as_str().unwrap())
}

/// Registers a picture with the tags car (100), auto (80) and cab (69.4).
async fn registered(server: &TestServer) -> String {
    path_of(&server.register("x").await)
}

async fn edit(server: &TestServer, path: &str, body: &Value) -> Response {
    let request = server.request(Method::PATCH, &format!("{path}/tags"));
    request.json(body).send().await.unwrap()
}

async fn edited(server: &TestServer, path: &str, body: &Value) -> Value {
    let response = edit(server, path, body).await;
    assert_eq!(response.status(), 200);
    let etag = response.headers()["etag"].clone();
    let document: Value = response.json().await.unwrap();
    let read = server.get(&format!("{path}/tags")).await;
    assert_eq!(read.headers()["etag"], etag);
    assert_eq!(read.json::<Value>().await.unwrap(), document);
    document
}

fn names(document: &Value) -> Vec<&str> {
    let tags = document["tags"].as_array().unwrap();
    tags.iter()
        .map(|tag| tag["tag"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_image_is_gone() {
    let server = TestServer::start();
    let path = registered(&server).await;
    let response = server.send(Method::DELETE, &path).await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.text().await.unwrap(), "");
    for (method, path) in [
        (Method::DELETE, path.clone()),
        (Method::GET, path.clone()),
        (Method::GET, format!("{path}/tags")),
        (Method::GET, format!("{path}/file")),
        (Method::GET, format!("{path}/info")),
        (Method::POST, format!("{path}/retag")),
        (Method::DELETE, UNKNOWN.to_owned()),
    ] {
        problem(server.send(method, &path).await, 404, "image-not-found").await;
    }
    assert_eq!(server.read("/images").await, json!([]));
    assert_eq!(server.read("/tags").await, json!([]));
    let invalid = server.send(Method::DELETE, "/image/x").await;
    problem(invalid, 400, "invalid-id").await;
    let path = format!("{UNKNOWN}?force=true");
    let parameter = server.send(Method::DELETE, &path).await;
    problem(parameter, 400, "invalid-parameter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_say_who_gave_them() {
    let server = TestServer::start();
    let path = registered(&server).await;
    let response = server.get(&format!("{path}/tags")).await;
    assert_eq!(response.headers()["etag"], "\"tags-0\"");
    let text = response.text().await.unwrap();
    let tag = |name: &str, confidence: &str| {
        format!(
            "{{\"tag\":\"{name}\",\"confidence\":{confidence},\"source\":\"provider\",\
             \"provider\":\"fake\",\"version\":\"1\"}}"
        )
    };
    let tags = [
        tag("car", "100.0"),
        tag("auto", "80.0"),
        tag("cab", "69.4373550415039"),
    ];
    assert_eq!(
        text,
        format!("{{\"tags\":[{}],\"rejected\":[]}}", tags.join(","))
    );
    let request = server.request(Method::GET, &format!("{path}/tags"));
    let response = request.header("if-none-match", "\"tags-0\"").send().await;
    let response = response.unwrap();
    assert_eq!(response.status(), 304);
    assert_eq!(response.headers()["etag"], "\"tags-0\"");
    problem(
        server.get(&format!("{UNKNOWN}/tags")).await,
        404,
        "image-not-found",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_added_and_removed() {
    let server = TestServer::start();
    let path = registered(&server).await;
    let body =
        json!({"add": [" Carrot ", {"tag": "cab", "confidence": 90}], "remove": ["AUTO", "dog"]});
    let document = edited(&server, &path, &body).await;
    let person = |name: &str, confidence: f64| {
        json!({"tag": name, "confidence": confidence, "source": "person", "provider": null,
               "version": null})
    };
    let tags = document["tags"].as_array().unwrap();
    assert_eq!(names(&document), ["car", "carrot", "cab"]);
    assert_eq!(tags[1], person("carrot", 100.0));
    assert_eq!(tags[2], person("cab", 90.0));
    assert_eq!(document["rejected"], json!(["auto"]), "nobody gave dog");
    // Everywhere else, too.
    let image = server.read(&path).await;
    let expected = json!([
        {"tag": "car", "confidence": 100.0},
        {"tag": "carrot", "confidence": 100.0},
        {"tag": "cab", "confidence": 90.0},
    ]);
    assert_eq!(image["tags"], expected);
    assert_eq!(
        server
            .read("/images?tags=carrot")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(server.read("/images?tags=auto").await, json!([]));
    // Added again, it is no longer rejected; without its confidence it has 100.
    let body = json!({"add": [{"tag": "auto"}], "remove": ["carrot"]});
    let document = edited(&server, &path, &body).await;
    assert_eq!(names(&document), ["auto", "car", "cab"]);
    assert_eq!(document["rejected"], json!([]));
    let before = edited(&server, &path, &json!({})).await;
    assert_eq!(before, document, "nothing is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_other_tags_is_refused() {
    let server = TestServer::start();
    let path = registered(&server).await;
    let send = async |etag: &str, name: &str| {
        let request = server.request(Method::PATCH, &format!("{path}/tags"));
        let request = request.header("if-match", etag);
        request.json(&json!({"add": [name]})).send().await.unwrap()
    };
    for etag in ["\"tags-0\"", "*", "\"x\", \"tags-2\""] {
        let response = send(etag, &format!("label {}", etag.len())).await;
        assert_eq!(response.status(), 200, "{etag}");
    }
    let current = server.get(&format!("{path}/tags")).await;
    assert_eq!(current.headers()["etag"], "\"tags-3\"");
    for etag in ["\"tags-2\"", "W/\"tags-3\"", "tags-3", ""] {
        let document = problem(send(etag, "late").await, 412, "precondition-failed").await;
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains("\"tags-3\""), "{detail}");
    }
    let document = server.read(&format!("{path}/tags")).await;
    assert!(!names(&document).contains(&"late"));
    let request = server.request(Method::PATCH, &format!("{UNKNOWN}/tags"));
    let request = request.header("if-match", "*").json(&json!({}));
    server.refused(request, 404, "image-not-found").await;
}

#[rstest::rstest]
#[case(json!({"add": "cat"}), "add")]
#[case(json!({"added": ["cat"]}), "`added` is not a member of it")]
#[case(json!({"add": [1]}), "add")]
#[case(json!({"add": [{"tag": "cat", "weight": 1}]}), "the body is not an object")]
#[case(json!({"add": [{"confidence": 1}]}), "the body is not an object")]
#[case(json!({"add": [{"tag": "cat", "confidence": 100.5}]}), "from 0 to 100")]
#[case(json!({"add": [{"tag": "cat", "confidence": -1}]}), "from 0 to 100")]
#[case(json!({"add": [" "]}), "`add`")]
#[case(json!({"remove": ["x".repeat(256)]}), "`remove`")]
#[case(json!({"add": ["Cat"], "remove": [" cat"]}), "both in `add` and in `remove`")]
#[case(json!([]), "the body is not an object")]
#[tokio::test(flavor = "multi_thread")]
async fn edits_are_read_strictly(#[case] body: Value, #[case] why: &str) {
    let server = TestServer::start();
    let path = registered(&server).await;
    let document = problem(edit(&server, &path, &body).await, 400, "invalid-body").await;
    let detail = document["detail"].as_str().unwrap();
    assert!(detail.contains(why), "{detail}");
    let known = server.get(&format!("{path}/tags")).await;
    assert_eq!(known.headers()["etag"], "\"tags-0\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_have_bounds() {
    let server = TestServer::start();
    let path = registered(&server).await;
    let many: Vec<String> = (0..1001).map(|n| format!("label {n}")).collect();
    for list in ["add", "remove"] {
        let response = edit(&server, &path, &json!({ list: many })).await;
        let document = problem(response, 400, "invalid-body").await;
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains(list) && detail.contains("1000"), "{detail}");
    }
    let body = json!({"add": many[..997]});
    assert_eq!(
        edited(&server, &path, &body).await["tags"]
            .as_array()
            .unwrap()
            .len(),
        1000
    );
    let response = edit(&server, &path, &json!({"add": ["x"]})).await;
    let document = problem(response, 409, "too-many").await;
    assert_eq!(document["limit"], 1000);
    let text = server.request(Method::PATCH, &format!("{path}/tags"));
    let text = text.header("content-type", "text/plain").body("{}");
    server.refused(text, 415, "unsupported-media-type").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tagging_again_keeps_what_persons_did() {
    let server = TestServer::start();
    let path = registered(&server).await;
    edited(&server, &path, &json!({"add": ["mia"], "remove": ["car"]})).await;
    let again = format!("{path}/retag?min_confidence=75&provider=fake");
    let response = server.send(Method::POST, &again).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"], "\"tags-2\"");
    let document: Value = response.json().await.unwrap();
    assert_eq!(names(&document), ["mia", "auto"]);
    assert_eq!(document["rejected"], json!(["car"]));
    assert_eq!(server.provider.calls(), 1, "the answer is known");
    let info = server.read(&format!("{path}/info")).await;
    assert_eq!(info["min_confidence"], 75.0);
    // The threshold that is kept.
    let response = server.send(Method::POST, &format!("{path}/retag")).await;
    let document: Value = response.json().await.unwrap();
    assert_eq!(names(&document), ["mia", "auto"]);
}

/// As after a change of the provider's version.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_without_an_answer_is_tagged() {
    let server = TestServer::start();
    let bytes = super::test_server::picture("x");
    let image = domain_testing::image(&bytes, domain_testing::at(0), &[("old", 90.0)]);
    super::info::record(&server, &image, domain::ImageInfo::default()).await;
    let put = server
        .originals
        .put(&image.digest, bytes, PutMode::Overwrite);
    put.await.unwrap();
    let path = format!("/image/{}", image.id);
    let response = server.send(Method::POST, &format!("{path}/retag")).await;
    assert_eq!(response.status(), 200);
    let document: Value = response.json().await.unwrap();
    assert_eq!(names(&document), ["car", "auto"]);
    assert_eq!(server.provider.calls(), 1);
    let response = server.send(Method::POST, &format!("{path}/retag")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(server.provider.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tagging_again_is_asked_for_strictly() {
    let server = TestServer::start();
    let path = registered(&server).await;
    for (query, parameter) in [
        ("provider=other", "provider"),
        ("min_confidence=101", "min_confidence"),
        ("confidence=1", "confidence"),
    ] {
        let response = server
            .send(Method::POST, &format!("{path}/retag?{query}"))
            .await;
        let document = problem(response, 400, "invalid-parameter").await;
        assert_eq!(document["parameter"], parameter);
    }
    let response = server.send(Method::POST, &format!("{UNKNOWN}/retag")).await;
    problem(response, 404, "image-not-found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_searched_by_who_tagged_them() {
    let server = TestServer::start();
    let edited_one = registered(&server).await;
    edited(&server, &edited_one, &json!({"add": ["mia"]})).await;
    let from_file = server.register("file").await;
    let id: ImageId = from_file["id"].as_str().unwrap().parse().unwrap();
    let said = SourcedTag {
        tag: tag("holiday", 100.0),
        source: TagSource::File,
    };
    server.store.say(&id, said);
    for (search, count) in [
        ("source:person", 1),
        ("source:file", 1),
        ("source:provider", 2),
        ("-source:person", 1),
        ("source:person car", 1),
    ] {
        let found = server.read(&format!("/images?q={search}")).await;
        assert_eq!(found.as_array().unwrap().len(), count, "{search}");
    }
}
