//! The control endpoint, as used by another process.

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{Stage, labels, png};

async fn control(stage: &Stage, method: &str, url: &str, body: &Value) -> Response {
    let request = stage.http.request(method.parse().unwrap(), url);
    request.json(body).send().await.unwrap()
}

#[tokio::test]
async fn faults_are_set_and_healed_over_http() {
    let stage = Stage::new().await;
    let faults = format!("{}/_control/faults", stage.fakes.imagga().url());
    let usage = async || stage.imagga("GET", "/v2/usage").send().await.unwrap();
    let order = json!({
        "route": "usage", "kind": "status", "status": 429, "headers": { "Retry-After": "1" },
    });
    assert_eq!(control(&stage, "POST", &faults, &order).await.status(), 204);
    let limited = usage().await;
    assert_eq!(
        (limited.status().as_u16(), &limited.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    assert_eq!(usage().await.status(), 200);

    let order = json!({ "route": "usage", "kind": "reset", "every": 1 });
    control(&stage, "POST", &faults, &order).await;
    assert!(stage.imagga("GET", "/v2/usage").send().await.is_err());
    control(&stage, "DELETE", &faults, &Value::Null).await;
    assert_eq!(usage().await.status(), 200);
    for order in [
        json!({ "route": "usage", "kind": "explode" }),
        json!({ "route": "nowhere", "kind": "reset" }),
        json!({ "route": "usage", "kind": "reset", "tims": 2 }),
        json!({ "route": "usage", "kind": "status", "status": 99 }),
    ] {
        assert_eq!(
            control(&stage, "POST", &faults, &order).await.status(),
            400,
            "{order}"
        );
    }
}

#[tokio::test]
async fn counters_are_read_and_reset_over_http() {
    let stage = Stage::new().await;
    let (id, _) = stage.host(png()).await;
    let root = format!("{}/_control", stage.fakes.imagekit().url());
    let get = async |path: &str| {
        stage
            .http
            .get(format!("{root}{path}"))
            .send()
            .await
            .unwrap()
    };
    let stats: Value = get("").await.json().await.unwrap();
    assert_eq!(
        stats["routes"]["upload"],
        json!({ "calls": 1, "in_flight": 0, "peak_in_flight": 1 })
    );
    assert_eq!(
        (&stats["files"]["alive"], &stats["files"]["uploads"]),
        (&json!(1), &json!(1))
    );
    let requests: Vec<Value> = get("/requests").await.json().await.unwrap();
    assert_eq!(
        (&requests[0]["route"], &requests[0]["status"]),
        (&json!("upload"), &json!(200))
    );

    stage.delete(&id).await;
    let files: Vec<Value> = get("/files").await.json().await.unwrap();
    assert_eq!(
        (&files[0]["alive"], &files[0]["file"]["fileId"]),
        (&json!(false), &json!(id))
    );
    assert_eq!(
        get(&format!("/files/{id}")).await.bytes().await.unwrap(),
        png()
    );
    assert_eq!(get("/nothing").await.status(), 404);

    control(&stage, "POST", &format!("{root}/reset"), &Value::Null).await;
    let stats: Value = get("").await.json().await.unwrap();
    assert_eq!(
        (&stats["routes"], &stats["files"]["uploads"]),
        (&json!({}), &json!(0))
    );
}

#[tokio::test]
async fn settings_are_changed_over_http() {
    let stage = Stage::new().await;
    let url = |base: &str| format!("{base}/_control/settings");
    let imagga = url(stage.fakes.imagga().url());
    let settings = json!({
        "latency_ms": 1, "quota": 1, "max_concurrency": 5, "upload_lifetime_ms": 10,
        "tags": [["cat", 70.5], ["dog", 90]],
    });
    assert_eq!(
        control(&stage, "PUT", &imagga, &settings).await.status(),
        204
    );
    let seen = labels(stage.tags_of_bytes(png()).await).await;
    assert_eq!(seen, [("dog".to_owned(), 90.0), ("cat".to_owned(), 70.5)]);
    assert_eq!(stage.tags_of_bytes(png()).await.status(), 403);
    let imagekit = url(stage.fakes.imagekit().url());
    let settings = json!({ "latency_ms": 1, "cdn": true, "writes_per_second": 5 });
    assert_eq!(
        control(&stage, "PUT", &imagekit, &settings).await.status(),
        204
    );
    let (id, picture) = stage.host(png()).await;
    stage.delete(&id).await;
    assert_eq!(stage.http.get(picture).send().await.unwrap().status(), 200);
    let unknown = json!({ "latency": 1 });
    assert_eq!(
        control(&stage, "PUT", &imagekit, &unknown).await.status(),
        400
    );
    assert_eq!(
        control(&stage, "PUT", &imagga, &unknown).await.status(),
        400
    );
}
