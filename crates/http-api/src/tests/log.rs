//! The access log.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    body::to_bytes,
    test::{TestRequest, call_service, init_service},
    web,
};
use domain::ports::{UpstreamError, cause};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use super::test_server::{Setup, picture, upload};
use crate::{server::app, state::State};

/// Captures the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// The lines so far, as JSON objects.
    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

/// Sends one request in this thread, and returns what was logged meanwhile.
async fn logged(request: fn() -> TestRequest, fail: Option<UpstreamError>) -> Vec<Value> {
    // The first use of a log call site registers it. Other threads, without a subscriber, may be about to
    // register it; that must be over before this one subscribes.
    send(request(), fail.clone()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    send(request(), fail).await;
    log.lines()
}

async fn send(request: TestRequest, fail: Option<UpstreamError>) {
    let setup = Setup::default();
    if let Some(error) = fail {
        setup.fakes.provider.fail_next(error);
    }
    let state = State::new(setup.api(), CancellationToken::new());
    let app = init_service(app(web::Data::new(state))).await;
    let request = request.insert_header(("x-request-id", "r-1")).to_request();
    let response = call_service(&app, request).await;
    to_bytes(response.into_body()).await.unwrap();
}

#[tokio::test]
async fn a_request_is_one_line_without_its_query() {
    let lines = logged(|| TestRequest::get().uri("/images?tags=SECRET"), None).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (fields, span) = (&lines[0]["fields"], &lines[0]["span"]);
    assert_eq!(span["request_id"], "r-1");
    assert_eq!(fields["message"], "answered");
    assert_eq!(fields["method"], "GET");
    assert_eq!(fields["route"], "/images");
    assert_eq!(fields["status"], 200);
    assert_eq!(fields["bytes"], 2);
    assert_eq!(fields["is_whole"], true);
    assert!(fields["duration_ms"].is_u64());
    assert!(!lines[0].to_string().contains("SECRET"));
}

#[tokio::test]
async fn the_route_stands_for_the_path() {
    let lines = logged(|| TestRequest::get().uri("/image/SECRET"), None).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fields"]["route"], "/image/{id}");
    assert_eq!(lines[0]["fields"]["status"], 400);
    let lines = logged(|| TestRequest::get().uri("/nowhere"), None).await;
    assert_eq!(lines[0]["fields"]["route"], "-");
}

#[tokio::test]
async fn a_failure_is_logged_with_its_causes_under_the_same_id() {
    let request = || {
        let body = upload(&picture("x"));
        TestRequest::post().uri("/image").set_json(body)
    };
    let error = UpstreamError::Refused(cause("the key is wrong"));
    let lines = logged(request, Some(error)).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    let failure = &lines[0];
    assert_eq!(failure["level"], "WARN");
    assert_eq!(failure["span"]["request_id"], "r-1");
    assert_eq!(failure["fields"]["code"], "tagging-failed");
    let text = failure["fields"]["cause"].as_str().unwrap();
    assert!(
        text.ends_with("the upstream refused the call: the key is wrong"),
        "{text}"
    );
    assert_eq!(lines[1]["fields"]["status"], 502);
}
