//! Imagga: quota, concurrency, expiring uploads, usage.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use reqwest::Response;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use upstream_fakes::{Fakes, Route, tags_of};

use crate::support::{Stage, error, labels, png, text};

fn header(answer: &Response, name: &str) -> u64 {
    answer.headers()[name].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_quota_counts_down_to_a_refusal_and_comes_back() {
    let stage = Stage::with(Fakes::builder().quota(2).start().await.unwrap());
    for remaining in [1, 0] {
        let answer = stage.tags_of_bytes(png()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "monthly-limit"), 2);
        assert_eq!(header(&answer, "monthly-limit-remaining"), remaining);
    }
    let refused = stage.tags_of_bytes(png()).await;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert!(header(&refused, "monthly-limit-reset") > now);
    let message = "You have reached your monthly limits for this subscription.";
    assert_eq!(error(refused).await, (403, message.to_owned()));
    let usage = stage.imagga("GET", "/v2/usage").send().await.unwrap();
    assert_eq!(usage.status(), 200, "usage costs nothing");

    stage
        .fakes
        .imagga()
        .set_quota(0, Some(Duration::from_millis(50)));
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(stage.tags_of_bytes(png()).await.status(), 200);
    assert_eq!(stage.fakes.imagga().quota_remaining(), 1);
}

#[tokio::test]
async fn calls_beyond_the_concurrency_limit_are_refused() {
    let builder = Fakes::builder()
        .max_concurrency(Some(2))
        .latency(Duration::from_secs(1));
    let stage = Stage::with(builder.start().await.unwrap());
    let answers = join_all((0..5).map(|_| stage.tags_of_bytes(png()))).await;
    let ok = answers
        .iter()
        .filter(|answer| answer.status() == 200)
        .count();
    assert_eq!(ok, 2);
    for answer in answers.into_iter().filter(|answer| answer.status() != 200) {
        assert_eq!(error(answer).await.0, 429);
    }
    let traffic = stage.fakes.imagga().traffic();
    assert_eq!(
        (traffic.peak_in_flight(), traffic.calls(Route::Tags)),
        (2, 5)
    );
    traffic.set_latency(Duration::ZERO);
    assert_eq!(stage.tags_of_bytes(png()).await.status(), 200);
    stage.fakes.imagga().set_max_concurrency(None);
    let answers = join_all((0..5).map(|_| stage.tags_of_bytes(png()))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
}

#[tokio::test]
async fn cancelled_call_frees_its_slot() {
    let builder = Fakes::builder()
        .max_concurrency(Some(1))
        .latency(Duration::from_secs(30));
    let stage = Stage::with(builder.start().await.unwrap());
    let patience = Duration::from_millis(200);
    let request = stage
        .imagga("GET", "/v2/usage")
        .timeout(patience)
        .send()
        .await;
    assert!(request.unwrap_err().is_timeout());
    stage.fakes.imagga().traffic().set_latency(Duration::ZERO);
    for _ in 0..100 {
        if stage.fakes.imagga().traffic().in_flight() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        stage
            .imagga("GET", "/v2/usage")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

async fn upload(stage: &Stage) -> String {
    let form = Form::new().part("image", Part::bytes(png()).file_name("a.png"));
    let answer = stage
        .imagga("POST", "/v2/uploads")
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"]["type"], "success");
    text(&body["result"]["upload_id"])
}

async fn tags_of_upload(stage: &Stage, id: &str) -> Response {
    let query = [("image_upload_id", id)];
    stage
        .imagga("GET", "/v2/tags")
        .query(&query)
        .send()
        .await
        .unwrap()
}

async fn delete(stage: &Stage, id: &str) -> Response {
    stage
        .imagga("DELETE", &format!("/v2/uploads/{id}"))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn an_upload_is_tagged_and_deleted() {
    let stage = Stage::new().await;
    let remaining = stage.fakes.imagga().quota_remaining();
    let id = upload(&stage).await;
    assert_eq!(
        stage.fakes.imagga().quota_remaining(),
        remaining,
        "uploads are free"
    );
    assert_eq!(stage.fakes.imagga().alive(), 1);
    assert_eq!(stage.fakes.imagga().pictures(), [png()]);
    assert_eq!(
        labels(tags_of_upload(&stage, &id).await).await,
        tags_of(&png()).unwrap()
    );
    assert_eq!(delete(&stage, &id).await.status(), 200);
    assert_eq!(error(delete(&stage, &id).await).await.0, 404);
    assert_eq!(error(tags_of_upload(&stage, &id).await).await.0, 404);
    let imagga = stage.fakes.imagga();
    assert_eq!(
        (imagga.alive(), imagga.uploads(), imagga.releases()),
        (0, 1, 1)
    );
}

#[tokio::test]
async fn an_upload_expires() {
    let stage = Stage::new().await;
    let id = upload(&stage).await;
    stage.fakes.imagga().set_upload_lifetime(Duration::ZERO);
    assert_eq!(error(tags_of_upload(&stage, &id).await).await.0, 410);
    assert_eq!(error(delete(&stage, &id).await).await.0, 410);
    assert_eq!(stage.fakes.imagga().alive(), 0);
}

#[tokio::test]
async fn an_upload_without_a_picture_is_refused() {
    let stage = Stage::new().await;
    let post = |form| stage.imagga("POST", "/v2/uploads").multipart(form).send();
    for form in [
        Form::new(),
        Form::new().text("image", "x"),
        Form::new().text("file", "x"),
    ] {
        assert_eq!(error(post(form).await.unwrap()).await.0, 400);
    }
}

#[tokio::test]
async fn usage_has_quota_and_concurrency() {
    let stage = Stage::with(
        Fakes::builder()
            .quota(10)
            .max_concurrency(Some(3))
            .start()
            .await
            .unwrap(),
    );
    stage.tags_of_bytes(png()).await;
    let usage = stage.imagga("GET", "/v2/usage").send().await.unwrap();
    let usage: Value = usage.json().await.unwrap();
    let result = &usage["result"];
    assert_eq!(
        (&result["monthly_limit"], &result["monthly_requests"]),
        (&10.into(), &1.into())
    );
    assert_eq!(
        result["concurrency"],
        serde_json::json!({ "max": 3, "now": 1 })
    );
    assert!(result["billing_period_end"].is_string());
}
