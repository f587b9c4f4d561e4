//! The interfaces of Imagga and PhotoPrism, on the running binary.

use reqwest::{
    Method, Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use upstream_fakes::{Fakes, Route};

use super::{
    database::Kind,
    pictures::jpeg,
    server::{Server, encode},
};

fn file(bytes: Vec<u8>) -> Form {
    Form::new().part("image", Part::bytes(bytes).file_name("a.jpg"))
}

async fn result(response: Response) -> Value {
    let status = response.status();
    let document: Value = response.json().await.unwrap();
    assert_eq!(status, 200, "{document}");
    assert_eq!(document["status"], json!({"text": "", "type": "success"}));
    document["result"].clone()
}

async fn refused(response: Response, status: u16) -> String {
    let got = response.status();
    let document: Value = response.json().await.unwrap();
    assert_eq!(got, status, "{document}");
    assert_eq!(document["status"]["type"], "error");
    document["status"]["text"].as_str().unwrap().to_owned()
}

async fn tags(server: &Server, form: Form) -> Value {
    let request = server.request(Method::POST, "/v2/tags");
    let response = request.multipart(form).send().await.unwrap();
    result(response).await["tags"].clone()
}

async fn upload(server: &Server, number: u8) -> String {
    let request = server.request(Method::POST, "/v2/uploads");
    let response = request.multipart(file(jpeg(number))).send().await.unwrap();
    let uploaded = result(response).await;
    uploaded["upload_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_program_for_imagga_gets_what_imagga_says() {
    let fakes = Fakes::start().await.unwrap();
    let server =
        Server::start_with(Kind::Sqlite, fakes, &[("ETIQUETA__FETCH__ALLOW", "any")]).await;
    let image = server.register(&jpeg(1), "?min_confidence=0").await;
    let expected = image["tags"].as_array().unwrap().iter();
    let expected: Vec<_> = expected
        .map(|tag| json!({"confidence": tag["confidence"], "tag": {"en": tag["tag"]}}))
        .collect();
    assert!(expected.len() > 3);
    assert_eq!(tags(&server, file(jpeg(1))).await, json!(expected));
    let two = tags(&server, file(jpeg(1)).text("limit", "2")).await;
    assert_eq!(two, json!(expected[..2]));
    let url = server.url(&format!("/image/{}/file", image["id"].as_str().unwrap()));
    let request = server.request(Method::GET, "/v2/tags");
    let fetched = request
        .query(&[("image_url", &url)])
        .basic_auth("acc_1", Some("secret"));
    let fetched = result(fetched.send().await.unwrap()).await;
    assert_eq!(fetched["tags"], json!(expected));
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(calls, 1, "the same bytes cost one call");
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 1);
    let usage = server.get("/v2/usage").await;
    let left = usage.headers()["monthly-limit-remaining"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(left, server.fakes.imagga().quota_remaining().to_string());
    assert_eq!(result(usage).await["monthly_processed"], 1);
    let response = server.get("/v2/tags").await;
    assert!(refused(response, 400).await.contains("there is no picture"));
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("http_route=\"/v2/tags\""), "{metrics}");
}

#[tokio::test]
async fn an_upload_survives_a_kill_and_is_deleted() {
    let server = Server::start(Kind::Sqlite).await;
    let (one, other) = (upload(&server, 1).await, upload(&server, 2).await);
    let server = server.restart(&[]).await;
    let by_id = |id: &str| format!("/v2/tags?image_upload_id={id}");
    let tagged = result(server.get(&by_id(&one)).await).await;
    assert_eq!(tagged["tags"], tags(&server, file(jpeg(1))).await);
    let path = format!("/v2/uploads/{one}");
    let deleted = server.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(result(deleted).await, json!({"upload_id": one}));
    refused(server.get(&by_id(&one)).await, 404).await;
    assert!(result(server.get(&by_id(&other)).await).await["tags"].is_array());
    assert_eq!(server.json("/images").await, json!([]));
}

#[tokio::test]
async fn photoprism_gets_labels() {
    let variables = [("ETIQUETA__AUTH__REQUIRED", "true")];
    let key = (
        "ETIQUETA__AUTH__ADMIN_KEY",
        "an-admin-key-of-32-characters-!?",
    );
    let fakes = Fakes::start().await.unwrap();
    let server = Server::start_with(Kind::Sqlite, fakes, &[variables[0], key]).await;
    let images = [1, 2].map(|number| format!("data:image/jpeg;base64,{}", encode(&jpeg(number))));
    let body = json!({"id": "a-1", "model": "", "images": images});
    let request = || {
        server
            .request(Method::POST, "/api/v1/vision/labels")
            .json(&body)
    };
    let refused = request().send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["code"], 401);
    assert!(refused["error"].as_str().unwrap().contains("`tag`"));
    let labelled = request().bearer_auth(key.1).send().await.unwrap();
    assert_eq!(labelled.status(), 200);
    let labelled: Value = labelled.json().await.unwrap();
    assert_eq!(labelled["id"], "a-1");
    assert_eq!(labelled["model"]["name"], "imagga");
    let labels = labelled["result"]["labels"].as_array().unwrap();
    let confidences: Vec<f64> = labels
        .iter()
        .map(|it| it["confidence"].as_f64().unwrap())
        .collect();
    assert!(!confidences.is_empty() && confidences.is_sorted_by(|high, low| high >= low));
    assert!(confidences.iter().all(|it| (0.8..=1.0).contains(it)));
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 2);
}
