use std::{net::TcpListener, time::Duration};

use domain::ports::{CallContext, TagProvider, UpstreamError};
use tag_provider_imagga::{Delivery, Imagga};
use upstream_fakes::{Fakes, Fault, Route};

use crate::support::{Stage, chain, client, kind, red, settings};

async fn meet(stage: &Stage, fault: Fault) -> UpstreamError {
    stage.imagga().traffic().fail_next(Route::Tags, fault);
    stage.tag(&red()).await.unwrap_err()
}

#[rstest::rstest]
#[case(400, "unreadable", None)]
#[case(401, "refused", None)]
#[case(402, "refused", None)]
#[case(404, "refused", None)]
#[case(405, "refused", None)]
#[case(406, "refused", None)]
#[case(410, "refused", None)]
#[case(408, "unavailable", Some(3))]
#[case(429, "busy", Some(3))]
#[case(500, "unavailable", Some(3))]
#[case(503, "unavailable", Some(3))]
#[case(302, "malformed", None)]
#[tokio::test]
async fn every_status_has_its_meaning(
    #[case] status: u16,
    #[case] expected: &str,
    #[case] wait: Option<u64>,
) {
    let stage = Stage::new(Delivery::File).await;
    let error = meet(
        &stage,
        Fault::status(status).with_header("Retry-After", "3"),
    )
    .await;
    assert_eq!(kind(&error), (expected, wait));
}

#[tokio::test]
async fn too_many_at_a_time_is_busy_without_a_wait() {
    let stage = Stage::new(Delivery::File).await;
    stage.imagga().set_max_concurrency(Some(0));
    let error = stage.tag(&red()).await.unwrap_err();
    assert_eq!(kind(&error), ("busy", None));
}

#[rstest::rstest]
#[case(Fault::garbage())]
#[case(Fault::truncated_json())]
#[case(Fault::status(200).with_body(""))]
#[case(Fault::status(200).with_body("null"))]
#[case(Fault::status(200).with_body(r#"{"status": {"text": "no", "type": "error"}}"#))]
#[case(Fault::status(200).with_body(r#"{"result": {"tags": [{"confidence": 1}]}}"#))]
#[case(Fault::status(200).with_body(r#"{"result": {"tags": [{"confidence": 101, "tag": {"en": "car"}}]}}"#))]
#[case(Fault::status(200).with_body(r#"{"result": {"tags": [{"confidence": -1, "tag": {"en": "car"}}]}}"#))]
#[case(Fault::status(200).with_body(r#"{"result": {"tags": [{"confidence": 50, "tag": {"de": "Auto"}}]}}"#))]
#[tokio::test]
async fn answers_that_are_none_are_malformed(#[case] fault: Fault) {
    let stage = Stage::new(Delivery::File).await;
    let error = meet(&stage, fault).await;
    assert_eq!(kind(&error), ("malformed", None));
    stage.tag(&red()).await.unwrap();
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let stage = Stage::new(Delivery::File).await;
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    for (status, expected) in [
        (200, "malformed"),
        (500, "unavailable"),
        (400, "unreadable"),
    ] {
        let error = meet(&stage, Fault::status(status).with_body(&long)).await;
        assert_eq!(kind(&error), (expected, None));
        assert!(chain(&error).len() < 1000);
    }
}

#[tokio::test]
async fn broken_connections_are_temporary() {
    let stage = Stage::new(Delivery::File).await;
    for fault in [
        Fault::reset(),
        Fault::reset().after_effect(),
        Fault::half_body(),
    ] {
        let error = meet(&stage, fault.clone()).await;
        assert_eq!(kind(&error), ("unavailable", None), "{fault:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable() {
    let fakes = Fakes::start().await.unwrap();
    let mut settings = settings(&fakes, Delivery::File);
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    settings.base_url = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let provider = Imagga::new(client(Duration::from_secs(5)), settings).unwrap();
    let error = provider
        .tag(&red(), &CallContext::local())
        .await
        .unwrap_err();
    assert_eq!(kind(&error), ("unavailable", None));
}

#[tokio::test]
async fn silence_ends_with_the_client_s_time_out() {
    let fakes = Fakes::start().await.unwrap();
    let settings = settings(&fakes, Delivery::File);
    let provider = Imagga::new(client(Duration::from_millis(150)), settings).unwrap();
    let stage = Stage { fakes, provider };
    let error = meet(&stage, Fault::hang()).await;
    assert_eq!(kind(&error), ("timed out", None));
}

#[tokio::test]
async fn the_log_has_what_imagga_said_and_never_the_credentials() {
    let (key, secret) = ("acc_neverToBeSeen", "neverToBeSeenEither");
    let stage = Stage::with(Delivery::File, |settings| {
        settings.api_key = key.into();
        settings.api_secret = secret.into();
    })
    .await;
    let error = stage.tag(&red()).await.unwrap_err();
    assert_eq!(kind(&error), ("refused", None));
    assert_eq!(error.to_string(), "the upstream refused the call");
    let log = chain(&error);
    assert!(log.contains("Imagga answered 401: "), "{log}");
    let echo = format!(r#"{{"status": {{"text": "no: {key}/{secret}", "type": "error"}}}}"#);
    let echoed = meet(&stage, Fault::status(400).with_body(&echo)).await;
    for text in [log, chain(&echoed), format!("{:?}", stage.provider)] {
        assert!(!text.contains(key) && !text.contains(secret), "{text}");
    }
}
