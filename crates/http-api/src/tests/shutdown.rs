//! How the server stops.

use std::time::Duration;

use reqwest::Method;

use super::test_server::{TEST_TIMEOUT, TestServer, picture, until, upload};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_stops_at_once() {
    let mut server = TestServer::start();
    assert_eq!(server.get("/livez").await.status(), 200);
    server.shutdown.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(3), &mut server.task).await;
    stopped.unwrap().unwrap().unwrap();
    assert!(server.request(Method::GET, "/livez").send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_progress_finish_and_new_ones_are_rejected() {
    let mut server = TestServer::start();
    server.provider.hold();
    let body = upload(&picture("x"));
    let request = server.request(Method::POST, "/image").json(&body);
    let upload = tokio::spawn(request.send());
    until(|| server.provider.calls() == 1).await;
    server.shutdown.cancel();
    server
        .refused(server.request(Method::GET, "/images"), 503, "unavailable")
        .await;
    server
        .refused(server.request(Method::GET, "/readyz"), 503, "unavailable")
        .await;
    let response = server.get("/livez").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["connection"], "close");
    assert!(!server.task.is_finished());
    server.provider.let_go();
    let response = upload.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().ends_with("\"}"));
    let stopped = tokio::time::timeout(TEST_TIMEOUT, &mut server.task).await;
    stopped.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_of_a_disconnected_client_finishes() {
    let mut server =
        TestServer::with(|setup| setup.settings.request_deadline = Duration::from_millis(300));
    server.provider.hold();
    let response = server.post("/image", &upload(&picture("x"))).await;
    assert_eq!(response.status(), 504);
    server.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!server.task.is_finished());
    server.provider.let_go();
    let stopped = tokio::time::timeout(TEST_TIMEOUT, &mut server.task).await;
    stopped.unwrap().unwrap().unwrap();
    assert_eq!(server.store.images().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_grace_expires() {
    let mut server =
        TestServer::with(|setup| setup.settings.shutdown_grace = Duration::from_secs(5));
    server.provider.hold();
    let request = server
        .request(Method::POST, "/image")
        .json(&upload(&picture("x")));
    let upload = tokio::spawn(request.send());
    until(|| server.provider.calls() == 1).await;
    server.shutdown.cancel();
    let stopped = tokio::time::timeout(TEST_TIMEOUT, &mut server.task).await;
    stopped.unwrap().unwrap().unwrap();
    assert!(upload.await.unwrap().is_err());
}
