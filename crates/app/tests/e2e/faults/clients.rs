//! Slow and idle clients.

use std::time::{Duration, Instant};

use image::{ImageFormat, RgbImage};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use upstream_fakes::Fakes;

use super::{Raw, TEST_TIMEOUT, until};
use crate::{database::Kind, pictures::jpeg, server::Server};

async fn start(variables: &[(&str, &str)]) -> Server {
    Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), variables).await
}

#[tokio::test]
async fn slow_head_gets_408() {
    let server = start(&[("ETIQUETA__LIMITS__REQUEST_TIMEOUT", "1s")]).await;
    let mut slow = Raw::connect(&server).await;
    slow.send("GET /images HTTP/1.1\r\nhost: ").await;
    server.register(&jpeg(1), "").await;
    let answer = slow.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

/// A picture of noise, which no format compresses.
fn noise() -> Vec<u8> {
    let picture = RgbImage::from_fn(1500, 1500, |_, _| image::Rgb(rand::random()));
    let mut file = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Bmp).unwrap();
    file.into_inner()
}

#[tokio::test]
async fn unread_response_is_cut_off() {
    let server = start(&[("ETIQUETA__LIMITS__UNREAD_TIMEOUT", "1s")]).await;
    let image = server.register(&noise(), "").await;
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = Raw::narrow(&server);
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        reader.send(&request).await;
        readers.push(reader);
    }
    let began = Instant::now();
    server.register(&jpeg(1), "").await;
    server.assert_lives().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let broken_off = || {
        let log = server.process.log();
        let is_broken = |line: &&str| line.contains("\"is_whole\":false");
        log.lines().filter(is_broken).count()
    };
    until(&server, "all are broken off", async || broken_off() == 20).await;
    for mut reader in readers {
        let size = reader.rest().await.len();
        assert!(size < 8_000_000, "{size}");
    }
    assert_eq!(
        server.get(&path).await.bytes().await.unwrap().len() / 1_000_000,
        9
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(&[("ETIQUETA__LIMITS__IDLE_TIMEOUT", "1s")]).await;
    let mut idle = Raw::connect(&server).await;
    idle.send("GET /tags HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let began = Instant::now();
    let answer = idle.rest().await;
    assert!(answer.ends_with("[]"), "{answer}");
    assert!(began.elapsed() < TEST_TIMEOUT / 2);
}

/// A client that is starved waits until idle connections are closed, which is much later.
const STARVED: Duration = Duration::from_secs(10);

/// Ten thousand, or as many as the limit of open files allows.
#[tokio::test]
async fn ten_thousand_idle_connections_starve_no_client() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let files = usize::try_from(maximum.unwrap_or(1 << 20).min(1 << 20)).unwrap();
    let idle = 10_000.min(files / 2);
    assert!(
        idle >= 2_000,
        "too few files may be open here: ulimit -Hn is {files}"
    );
    let server = start(&[]).await;
    let image = server.register(&jpeg(1), "").await;
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    let mut connections = Vec::new();
    while connections.len() < idle {
        let batch = (0..100).map(|_| Raw::connect(&server));
        connections.extend(futures_util::future::join_all(batch).await);
    }
    // Half of them have been used, and are kept alive; the others never sent anything.
    for connection in connections.iter_mut().step_by(2) {
        connection
            .send("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
    }
    // Each call opens a new connection.
    let client = reqwest::Client::builder().no_proxy();
    let client = client.pool_max_idle_per_host(0).build().unwrap();
    for seed in 2..12 {
        let began = Instant::now();
        let response = client.get(server.url(&path)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        server.register(&jpeg(seed), "").await;
        let elapsed = began.elapsed();
        assert!(elapsed < STARVED, "{elapsed:?}");
    }
    assert_eq!(server.whole_images().await, 11);
}
