//! Every fault, as seen by a client.

use std::error::Error;
use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::Value;
use upstream_fakes::{Fault, Route};

use crate::support::{Stage, error, form, png, refusal};

async fn try_upload(stage: &Stage) -> Result<Response, reqwest::Error> {
    upload_within(stage, Duration::from_secs(30)).await
}

/// Uploads with a short client time-out.
async fn hasty_upload(stage: &Stage) -> Result<Response, reqwest::Error> {
    upload_within(stage, Duration::from_millis(500)).await
}

async fn upload_within(stage: &Stage, patience: Duration) -> Result<Response, reqwest::Error> {
    let request = stage
        .imagekit("POST", crate::support::UPLOAD)
        .multipart(form(png()));
    request.timeout(patience).send().await
}

fn io_error(error: &reqwest::Error) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

#[tokio::test]
async fn forced_status_has_the_body_of_the_service_or_the_test() {
    let stage = Stage::new().await;
    let traffic = stage.fakes.imagekit().traffic();
    traffic.fail_next(Route::Upload, Fault::status(503));
    traffic.fail_next(Route::Upload, Fault::status(502).with_body("<html>"));
    traffic.fail_next(
        Route::Upload,
        Fault::status(500).with_header("Retry-After", "7"),
    );
    assert_eq!(refusal(try_upload(&stage).await.unwrap()).await.0, 503);
    let second = try_upload(&stage).await.unwrap();
    assert_eq!(
        (second.status().as_u16(), second.text().await.unwrap()),
        (502, "<html>".to_owned())
    );
    assert_eq!(
        try_upload(&stage).await.unwrap().headers()["retry-after"],
        "7"
    );
    assert_eq!(stage.fakes.imagekit().uploads(), 0);
    assert_eq!(try_upload(&stage).await.unwrap().status(), 200);
    assert_eq!(traffic.calls(Route::Upload), 4);

    let imagga = stage.fakes.imagga();
    imagga.traffic().fail_next(Route::Tags, Fault::status(503));
    assert_eq!(error(stage.tags_of_bytes(png()).await).await.0, 503);
    assert_eq!(
        imagga.quota_remaining(),
        1_000_000,
        "what failed was not counted"
    );
}

#[tokio::test]
async fn rate_limit_has_the_wait_in_milliseconds() {
    let stage = Stage::new().await;
    let fault = Fault::rate_limited(Duration::from_millis(250));
    stage
        .fakes
        .imagekit()
        .traffic()
        .fail_next(Route::Delete, fault);
    let (id, _) = stage.host(png()).await;
    let answer = stage.delete(&id).await;
    assert_eq!(answer.headers()["x-ratelimit-reset"], "250");
    assert_eq!(refusal(answer).await.0, 429);
    assert_eq!(stage.fakes.imagekit().alive(), 1);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let stage = Stage::new().await;
    let traffic = stage.fakes.imagekit().traffic();
    for fault in [
        Fault::reset(),
        Fault::reset().delayed(Duration::from_millis(50)),
    ] {
        traffic.fail_next(Route::Upload, fault);
        let error = try_upload(&stage).await.unwrap_err();
        assert_eq!(
            io_error(&error),
            Some(std::io::ErrorKind::ConnectionReset),
            "{error:?}"
        );
    }
    assert_eq!(stage.fakes.imagekit().uploads(), 0);
    assert_eq!(traffic.requests()[0].status, None);
    assert_eq!(try_upload(&stage).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_answer_may_be_lost_after_the_work_was_done() {
    let stage = Stage::new().await;
    let host = stage.fakes.imagekit();
    for fault in [
        Fault::reset(),
        Fault::hang(),
        Fault::status(504),
        Fault::garbage(),
        Fault::delay(Duration::from_secs(30)),
    ] {
        host.traffic()
            .fail_next(Route::Upload, fault.after_effect());
    }
    assert!(try_upload(&stage).await.is_err());
    assert!(hasty_upload(&stage).await.unwrap_err().is_timeout());
    assert_eq!(try_upload(&stage).await.unwrap().status(), 504);
    assert_eq!(try_upload(&stage).await.unwrap().status(), 200);
    assert!(hasty_upload(&stage).await.unwrap_err().is_timeout());
    assert_eq!(host.alive(), 5);
}

#[tokio::test]
async fn a_hang_lasts_until_the_client_gives_up() {
    let stage = Stage::new().await;
    stage
        .fakes
        .imagekit()
        .traffic()
        .fail_next(Route::Upload, Fault::hang());
    assert!(hasty_upload(&stage).await.unwrap_err().is_timeout());
    assert_eq!(stage.fakes.imagekit().uploads(), 0);
}

#[tokio::test]
async fn half_a_body_arrives_and_then_nothing() {
    let stage = Stage::new().await;
    stage
        .fakes
        .imagekit()
        .traffic()
        .fail_next(Route::Upload, Fault::half_body());
    let mut answer = try_upload(&stage).await.unwrap();
    assert_eq!(answer.status(), 200);
    let announced = answer.content_length().unwrap();
    let mut arrived = 0;
    let failure = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => arrived += chunk.len() as u64,
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(failure.is_some(), "the answer must not look complete");
    assert_eq!(arrived, announced / 2);
    assert_eq!(
        stage.fakes.imagekit().alive(),
        1,
        "the upload itself was done"
    );
}

#[tokio::test]
async fn half_a_picture_cannot_be_tagged() {
    let stage = Stage::new().await;
    let (_, url) = stage.host(png()).await;
    stage
        .fakes
        .imagekit()
        .traffic()
        .fail_next(Route::Serve, Fault::half_body());
    assert_eq!(error(stage.tags_of_url(&url).await).await.0, 400);
    assert_eq!(stage.tags_of_url(&url).await.status(), 200);
}

#[tokio::test]
async fn json_may_be_cut_and_may_be_none() {
    let stage = Stage::new().await;
    let traffic = stage.fakes.imagga().traffic();
    traffic.fail_next(Route::Tags, Fault::truncated_json());
    traffic.fail_next(Route::Tags, Fault::garbage());
    let cut = stage.tags_of_bytes(png()).await;
    assert_eq!(cut.status(), 200);
    let text = cut.text().await.unwrap();
    assert!(
        text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err(),
        "{text}"
    );
    let page = stage.tags_of_bytes(png()).await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.json::<Value>().await.is_err());
}

#[tokio::test]
async fn latency_and_delay_add_up() {
    let stage = Stage::new().await;
    let traffic = stage.fakes.imagekit().traffic();
    traffic.set_latency(Duration::from_millis(600));
    traffic.fail_next(Route::Upload, Fault::delay(Duration::from_millis(60)));
    let start = Instant::now();
    assert_eq!(try_upload(&stage).await.unwrap().status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(660));
    traffic.set_latency(Duration::ZERO);
    let start = Instant::now();
    assert_eq!(try_upload(&stage).await.unwrap().status(), 200);
    assert!(start.elapsed() < Duration::from_millis(600));
}

#[tokio::test]
async fn faults_queue_up_by_route_and_standing_ones_stay() {
    let stage = Stage::new().await;
    let traffic = stage.fakes.imagga().traffic();
    traffic.fail_next(Route::Usage, Fault::pass());
    traffic.fail_times(Route::Usage, 2, Fault::status(500));
    traffic.fail_every(Route::Usage, 2, Fault::status(503));
    assert_eq!(traffic.faults_left(), 3);
    let usage = async || {
        stage
            .imagga("GET", "/v2/usage")
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(
        stage.tags_of_bytes(png()).await.status(),
        200,
        "another route"
    );
    let mut met = Vec::new();
    for _ in 0..7 {
        met.push(usage().await);
    }
    assert_eq!(met, [200, 500, 500, 200, 503, 200, 503]);
    traffic.fail_always(Route::Usage, Fault::status(500));
    assert_eq!((usage().await, usage().await), (500, 500));
    traffic.heal();
    assert_eq!(usage().await, 200);
}

#[tokio::test]
async fn requests_are_recorded_without_credentials() {
    let stage = Stage::new().await;
    try_upload(&stage).await.unwrap();
    let traffic = stage.fakes.imagekit().traffic();
    let requests = traffic.requests_of(Route::Upload);
    let request = &requests[0];
    assert_eq!(
        (request.method.as_str(), request.status),
        ("POST", Some(200))
    );
    assert!(request.with_credentials && request.body_bytes > png().len());
    assert!(
        request
            .headers
            .iter()
            .any(|(name, _)| name == "content-type")
    );
    assert!(
        request
            .headers
            .iter()
            .all(|(name, _)| name != "authorization")
    );
    traffic.reset();
    assert_eq!(
        (traffic.requests().len(), traffic.calls(Route::Upload)),
        (0, 0)
    );
}
