//! How the server stops.

use std::time::Duration;

use reqwest::Method;

use super::world::{PATIENCE, World, picture, until, upload};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_stops_at_once() {
    let mut world = World::start();
    assert_eq!(world.get("/livez").await.status(), 200);
    world.shutdown.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(3), &mut world.server).await;
    stopped.unwrap().unwrap().unwrap();
    assert!(world.request(Method::GET, "/livez").send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_finished_and_nothing_new_begun() {
    let mut world = World::start();
    world.provider.hold();
    let body = upload(&picture("x"));
    let request = world.request(Method::POST, "/image").json(&body);
    let upload = tokio::spawn(request.send());
    until(|| world.provider.calls() == 1).await;
    world.shutdown.cancel();
    world
        .refused(world.request(Method::GET, "/images"), 503, "unavailable")
        .await;
    world
        .refused(world.request(Method::GET, "/readyz"), 503, "unavailable")
        .await;
    let response = world.get("/livez").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["connection"], "close");
    assert!(!world.server.is_finished());
    world.provider.let_go();
    let response = upload.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().ends_with("\"}"));
    let stopped = tokio::time::timeout(PATIENCE, &mut world.server).await;
    stopped.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_client_went_away_is_finished_too() {
    let mut world =
        World::with(|setup| setup.settings.request_deadline = Duration::from_millis(300));
    world.provider.hold();
    let response = world.post("/image", &upload(&picture("x"))).await;
    assert_eq!(response.status(), 504);
    world.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!world.server.is_finished());
    world.provider.let_go();
    let stopped = tokio::time::timeout(PATIENCE, &mut world.server).await;
    stopped.unwrap().unwrap().unwrap();
    assert_eq!(world.store.images().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_ends() {
    let mut world = World::with(|setup| setup.settings.shutdown_grace = Duration::from_secs(5));
    world.provider.hold();
    let request = world
        .request(Method::POST, "/image")
        .json(&upload(&picture("x")));
    let upload = tokio::spawn(request.send());
    until(|| world.provider.calls() == 1).await;
    world.shutdown.cancel();
    let stopped = tokio::time::timeout(PATIENCE, &mut world.server).await;
    stopped.unwrap().unwrap().unwrap();
    assert!(upload.await.unwrap().is_err());
}
