//! `GET /metrics`.

use std::net::{SocketAddr, TcpListener};

use reqwest::{Client, Method};
use tokio_util::sync::CancellationToken;

use super::test_server::{Setup, TestServer};
use crate::server;

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_text_that_is_not_cached() {
    let server = TestServer::start();
    let response = server.get("/metrics").await;
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(
        headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(headers["cache-control"], "no-store");
    let text = response.text().await.unwrap();
    assert!(text.contains("connections: 1"), "{text}");
    let request = server.request(Method::GET, "/metrics?name=x");
    server.refused(request, 400, "invalid-parameter").await;
}

/// Where they have an address of their own they are there alone, without a key, and nothing else is.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_with_an_address_of_their_own_are_nowhere_else() {
    let listen = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (main, apart) = (listen(), listen());
    let mut setup = Setup::default();
    setup.settings.keys = crate::KeyPolicy::Everything;
    let [at_main, at_apart] = [&main, &apart].map(|it| it.local_addr().unwrap());
    let stop = CancellationToken::new();
    let running = server(main, Some(apart), setup.api(), stop.clone()).unwrap();
    let running = tokio::spawn(running);
    let client = Client::builder().no_proxy().build().unwrap();
    let status = async |address: SocketAddr, path: &str| {
        let url = format!("http://{address}{path}");
        client.get(url).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(at_apart, "/metrics").await, 200);
    assert_eq!(status(at_apart, "/images").await, 404);
    assert_eq!(status(at_apart, "/livez").await, 404);
    assert_eq!(status(at_main, "/metrics").await, 401);
    assert_eq!(status(at_main, "/livez").await, 200);
    stop.cancel();
    running.await.unwrap().unwrap();
}
