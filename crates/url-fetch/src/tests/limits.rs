//! Bounds on size and time, and answers that are of no use.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::{net::TcpListener, time::timeout};

use super::{
    fixture::{Fixture, PUBLIC},
    server::{Script, Then},
};
use crate::{Failure, FetchError};

const URL: &str = "http://a.test/";
const TOO_LARGE: Failure = Failure::TooLarge { limit: 1000 };
const SHORT: Duration = Duration::from_millis(300);
/// For machines under load; below the time-out that is the default.
const SOON: Duration = Duration::from_secs(10);

async fn answering(script: impl Fn() -> Script + Send + Sync + 'static) -> Fixture {
    Fixture::new(move |_| script()).await
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit() {
    let body = "x".repeat(1000);
    let fixture = answering(move || Script::ok("content-length: 1000\r\n", &body)).await;
    let fetched = fixture.fetcher().fetch(URL).await.unwrap();
    assert_eq!(fetched.length, Some(1000));
    assert_eq!(fixture.fetch(URL).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn a_longer_one_is_refused_by_its_content_length() {
    let fixture = answering(|| Script::ok("content-length: 1001\r\n", "").then(Then::Hang)).await;
    let Err(FetchError::Failed { failure, .. }) = fixture.fetcher().fetch(URL).await else {
        panic!("the body was waited for");
    };
    assert_eq!(failure, TOO_LARGE);
}

#[rstest::rstest]
#[case::until_the_end_of_the_connection("", "")]
#[case::chunked("transfer-encoding: chunked\r\n", "ffffffff\r\n")]
#[tokio::test]
async fn an_endless_one_is_refused_as_it_arrives(
    #[case] headers: &'static str,
    #[case] start: &'static str,
) {
    let fixture = answering(move || Script::ok(headers, start).then(Then::Endless)).await;
    let mut fetched = fixture.fetcher().fetch(URL).await.unwrap();
    assert_eq!(fetched.length, None);
    let mut read = 0;
    let error = loop {
        match fetched.stream.next().await.unwrap() {
            Ok(chunk) => read += chunk.len(),
            Err(error) => break error,
        }
    };
    assert!(read <= 1000);
    assert!(matches!(
        error,
        FetchError::Failed {
            failure: TOO_LARGE,
            ..
        }
    ));
    assert!(fetched.stream.next().await.is_none());
}

#[rstest::rstest]
#[case::head("", Then::Hang)]
#[case::head_drips("HTTP/1.1 200 OK\r\nx: ", Then::Drip)]
#[case::body("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\nx", Then::Hang)]
#[case::body_drips("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n", Then::Drip)]
#[tokio::test]
async fn slow_answers_end_at_the_timeout(#[case] start: &'static str, #[case] then: Then) {
    let fixture = answering(move || Script::raw(start).then(then))
        .await
        .timeout(SHORT);
    let begun = Instant::now();
    assert_eq!(fixture.failure(URL).await, Failure::TimedOut(SHORT));
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < SOON);
}

#[tokio::test]
async fn redirects_share_one_timeout() {
    let slow_redirect = || Script::redirect(302, "/").after(SHORT / 2);
    let fixture = answering(slow_redirect).await.timeout(SHORT);
    assert_eq!(fixture.failure(URL).await, Failure::TimedOut(SHORT));
}

#[tokio::test]
async fn a_reader_that_comes_too_late_gets_nothing() {
    let fixture = answering(|| Script::ok("content-length: 4\r\n", "file"))
        .await
        .timeout(SHORT);
    let mut fetched = fixture.fetcher().fetch(URL).await.unwrap();
    tokio::time::sleep(SHORT).await;
    let error = fetched.stream.next().await.unwrap().unwrap_err();
    assert!(matches!(
        error,
        FetchError::Failed {
            failure: Failure::TimedOut(_),
            ..
        }
    ));
}

#[rstest::rstest]
#[case::in_the_head("HTTP/1.1 200 OK\r\nx: ")]
#[case::in_the_body("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")]
#[tokio::test]
async fn a_dropped_fetch_closes_its_connection(#[case] start: &'static str) {
    let fixture = answering(move || Script::raw(start).then(Then::Drip)).await;
    timeout(SHORT, fixture.fetch(URL)).await.unwrap_err();
    timeout(SOON, fixture.server.answered()).await.unwrap();
}

#[tokio::test]
async fn the_longest_timeout_does_not_overflow() {
    let fixture = answering(|| Script::ok("", "file"))
        .await
        .timeout(Duration::MAX);
    assert_eq!(fixture.fetch(URL).await.unwrap(), "file");
}

#[rstest::rstest]
#[case("gzip")]
#[case("br")]
#[case("identity, gzip")]
#[case("identity\r\ncontent-encoding: deflate")]
#[tokio::test]
async fn encoded_bodies_are_refused(#[case] encoding: &'static str) {
    let headers = format!("content-encoding: {encoding}\r\n");
    let fixture = answering(move || Script::ok(&headers, "file")).await;
    assert_eq!(fixture.failure(URL).await, Failure::Encoded);
}

#[tokio::test]
async fn identity_is_no_encoding() {
    let fixture = answering(|| Script::ok("content-encoding: Identity\r\n", "file")).await;
    assert_eq!(fixture.fetch(URL).await.unwrap(), "file");
}

#[rstest::rstest]
#[case("404 Not Found", 404)]
#[case("403 Forbidden", 403)]
#[case("500 Oops", 500)]
#[case("206 Partial Content", 206)]
#[case("203 Transformed", 203)]
#[tokio::test]
async fn other_statuses_are_failures(#[case] line: &'static str, #[case] status: u16) {
    let answer = format!("HTTP/1.1 {line}\r\ncontent-length: 4\r\n\r\nfile");
    let fixture = answering(move || Script::raw(answer.clone())).await;
    assert_eq!(fixture.failure(URL).await, Failure::Status(status));
}

#[rstest::rstest]
#[case::cut_by_length("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\nx")]
#[case::cut_in_a_chunk("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfi")]
#[case::cut_in_the_head("HTTP/1.1 200 OK\r\nconte")]
#[case::nothing("")]
#[case::another_protocol("SSH-2.0-OpenSSH_9.2\r\n\r\n")]
#[tokio::test]
async fn broken_answers_are_failures(#[case] answer: &'static str) {
    let fixture = answering(move || Script::raw(answer)).await;
    assert_eq!(fixture.failure(URL).await, Failure::Interrupted);
}

#[tokio::test]
async fn a_host_that_does_not_listen_is_a_failure() {
    let fixture = answering(|| Script::ok("", "")).await;
    let closed = TcpListener::bind((PUBLIC, 0)).await.unwrap();
    fixture
        .dns
        .answer("closed.test", &[closed.local_addr().unwrap()]);
    drop(closed);
    assert_eq!(
        fixture.failure("http://closed.test/").await,
        Failure::Connect
    );
}

#[tokio::test]
async fn a_host_without_tls_is_a_failure() {
    let fixture = answering(|| Script::raw("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert_eq!(fixture.failure("https://a.test/").await, Failure::Tls);
}
