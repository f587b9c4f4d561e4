use std::{net::TcpListener, time::Duration};

use blob_host_imagekit::ImageKit;
use chrono::DateTime;
use domain::ports::{BlobHost, CallContext, UpstreamError};
use upstream_fakes::{Fakes, Fault, Route};

use crate::support::{Stage, chain, client, kind, picture, settings};

/// Injects a fault into one call of that route.
async fn meet(stage: &Stage, route: Route, fault: Fault) -> UpstreamError {
    let host = &stage.host;
    let outcome = match route {
        Route::Upload => {
            stage.kit().traffic().fail_next(route, fault);
            host.host(&picture(), "cat", &CallContext::local())
                .await
                .map(drop)
        }
        Route::List => {
            stage.kit().traffic().fail_next(route, fault);
            host.forgotten(DateTime::UNIX_EPOCH).await.map(drop)
        }
        Route::Delete => {
            let blobs = stage.host_many(1).await;
            stage.kit().traffic().fail_next(route, fault);
            host.release(&blobs).await
        }
        _ => {
            let blobs = stage.host_many(2).await;
            stage.kit().traffic().fail_next(route, fault);
            host.release(&blobs).await
        }
    };
    outcome.unwrap_err()
}

const ROUTES: [Route; 4] = [Route::Upload, Route::List, Route::Delete, Route::BulkDelete];

#[rstest::rstest]
#[case(400, "refused", None)]
#[case(401, "refused", None)]
#[case(403, "refused", None)]
#[case(413, "refused", None)]
#[case(408, "unavailable", Some(3000))]
#[case(429, "busy", Some(3000))]
#[case(500, "unavailable", Some(3000))]
#[case(502, "unavailable", Some(3000))]
#[case(503, "unavailable", Some(3000))]
#[case(504, "unavailable", Some(3000))]
#[case(302, "malformed", None)]
#[tokio::test]
async fn every_status_has_its_meaning(
    #[case] status: u16,
    #[case] expected: &str,
    #[case] wait: Option<u128>,
) {
    let stage = Stage::new().await;
    for route in ROUTES {
        let fault = Fault::status(status).with_header("Retry-After", "3");
        let error = meet(&stage, route, fault).await;
        assert_eq!(kind(&error), (expected, wait), "{route:?}");
    }
}

#[tokio::test]
async fn rate_limit_is_in_milliseconds() {
    let stage = Stage::new().await;
    for route in ROUTES {
        let fault = Fault::rate_limited(Duration::from_millis(1250));
        let error = meet(&stage, route, fault).await;
        assert_eq!(kind(&error), ("busy", Some(1250)), "{route:?}");
    }
    let both = Fault::rate_limited(Duration::from_millis(1250)).with_header("Retry-After", "2");
    let error = meet(&stage, Route::Delete, both).await;
    assert_eq!(kind(&error), ("busy", Some(2000)));
}

#[tokio::test]
async fn garbage_is_malformed() {
    let stage = Stage::new().await;
    for route in [Route::Upload, Route::List, Route::BulkDelete] {
        let mut faults = vec![Fault::garbage()];
        // An empty list, cut in half, is not a list.
        faults.push(Fault::truncated_json());
        for body in ["", "null", "{}", "[[1]]", r#"{"fileId": 1, "url": 2}"#] {
            faults.push(Fault::status(200).with_body(body));
        }
        for fault in faults {
            let error = meet(&stage, route, fault.clone()).await;
            assert_eq!(kind(&error), ("malformed", None), "{route:?} {fault:?}");
        }
    }
}

#[rstest::rstest]
#[case(r#"{"fileId": "6673f88237b244ef54d60180"}"#)]
#[case(r#"{"url": "https://ik.imagekit.io/demo/a.jpg"}"#)]
#[case(r#"{"fileId": "../purge", "url": "https://ik.imagekit.io/demo/a.jpg"}"#)]
#[case(r#"{"fileId": "6673f88237b244ef54d60180", "url": "javascript:alert(1)"}"#)]
#[case(r#"{"message": "The pre-transformation has been queued successfully."}"#)]
#[tokio::test]
async fn an_upload_without_id_and_url_is_malformed(#[case] body: &str) {
    let stage = Stage::new().await;
    let error = meet(&stage, Route::Upload, Fault::status(200).with_body(body)).await;
    assert_eq!(kind(&error), ("malformed", None));
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let stage = Stage::new().await;
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    for route in [Route::Upload, Route::BulkDelete] {
        let error = meet(&stage, route, Fault::status(200).with_body(&long)).await;
        assert_eq!(kind(&error), ("malformed", None));
        assert!(chain(&error).len() < 1000);
    }
    let error = meet(&stage, Route::Upload, Fault::status(503).with_body(&long)).await;
    assert_eq!(kind(&error), ("unavailable", None));
    assert!(chain(&error).len() < 1000);
}

#[tokio::test]
async fn broken_connections_are_temporary() {
    let stage = Stage::new().await;
    for route in ROUTES {
        let error = meet(&stage, route, Fault::reset()).await;
        assert_eq!(kind(&error), ("unavailable", None), "{route:?}");
    }
    for route in [Route::Upload, Route::BulkDelete] {
        let error = meet(&stage, route, Fault::half_body()).await;
        assert_eq!(kind(&error), ("unavailable", None), "{route:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable() {
    let fakes = Fakes::start().await.unwrap();
    let mut settings = settings(&fakes);
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    settings.upload_url = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let host = ImageKit::new(client(Duration::from_secs(5)), settings).unwrap();
    let error = host
        .host(&picture(), "cat", &CallContext::local())
        .await
        .unwrap_err();
    assert_eq!(kind(&error), ("unavailable", None));
}

#[tokio::test]
async fn silence_ends_with_the_client_s_time_out() {
    let stage = Stage::impatient().await;
    for route in ROUTES {
        let error = meet(&stage, route, Fault::hang()).await;
        assert_eq!(kind(&error), ("timed out", None), "{route:?}");
    }
}

#[tokio::test]
async fn the_log_has_what_imagekit_said_and_never_the_key() {
    let key = "private_neverToBeSeen";
    let stage = Stage::with(|settings| settings.private_key = key.into()).await;
    let error = stage
        .host
        .host(&picture(), "cat", &CallContext::local())
        .await
        .unwrap_err();
    assert_eq!(kind(&error), ("refused", None));
    assert_eq!(error.to_string(), "the upstream refused the call");
    let log = chain(&error);
    assert!(
        log.contains("ImageKit answered 403: Your account cannot be authenticated."),
        "{log}"
    );
    assert!(log.contains("(request "), "{log}");
    let echo = format!(r#"{{"message": "no such key: {key}"}}"#);
    let fault = Fault::status(400).with_body(&echo);
    let echoed = meet(&stage, Route::Upload, fault).await;
    for text in [log, chain(&echoed), format!("{:?}", stage.host)] {
        assert!(!text.contains(key), "{text}");
    }
}
