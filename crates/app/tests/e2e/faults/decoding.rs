//! Pictures that are slow to decode: they delay no others, and are cancelled where they must be.

use std::{
    fs,
    net::IpAddr,
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::json;
use tokio::task::JoinSet;
use upstream_fakes::Fakes;

use super::{Raw, TEST_TIMEOUT, until};
use crate::{
    database::Kind,
    pictures::jpeg,
    server::{Server, encode},
};

/// Width and height of an expensive picture, in pixels.
const SIDE: u32 = 10_000;

async fn start(variables: &[(&str, &str)]) -> Server {
    Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), variables).await
}

/// A hundred megapixels in less than a megabyte (BMP, run-length encoded); each shade makes another
/// picture.
fn expensive(shade: u8) -> Vec<u8> {
    let mut row = [255, 1].repeat(39);
    row.extend([55, 1, 0, 0]);
    let mut pixels = row.repeat(SIDE as usize);
    pixels.extend([0, 1]);
    let palette = [0, 0, 0, 0, shade, shade, shade, 0];
    let size = u32::try_from(pixels.len()).unwrap();
    let start = 14 + 40 + 8;
    let mut file = b"BM".to_vec();
    for field in [start + size, 0, start, 40, SIDE, SIDE] {
        file.extend(field.to_le_bytes());
    }
    // One plane, eight bits a pixel, run-length encoded.
    file.extend([1, 0, 8, 0, 1, 0, 0, 0]);
    for field in [size, 0, 0, 2, 0] {
        file.extend(field.to_le_bytes());
    }
    file.extend(palette);
    file.extend(pixels);
    file
}

/// Processor time used by the server.
fn processor_time(server: &Server) -> Duration {
    let line = fs::read_to_string(format!("/proc/{}/stat", server.process.id())).unwrap();
    let (_, fields) = line.rsplit_once(") ").unwrap();
    let mut fields = fields.split(' ').skip(11).take(2);
    let mut ticks = || fields.next().unwrap().parse::<u64>().unwrap();
    // The kernel reports hundredths of a second, whatever its tick rate.
    Duration::from_millis(10 * (ticks() + ticks()))
}

/// Waits until the server is idle. Returns the processor time used by then.
async fn processor_time_at_rest(server: &Server) -> Duration {
    let began = Instant::now();
    let mut before = processor_time(server);
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = processor_time(server);
        if now.saturating_sub(before) <= Duration::from_millis(20) {
            return now;
        }
        assert!(began.elapsed() < TEST_TIMEOUT, "it goes on working");
        before = now;
    }
}

/// Processor time of registering an expensive picture.
async fn whole_cost(server: &Server) -> Duration {
    server.register(&jpeg(1), "").await;
    let before = processor_time_at_rest(server).await;
    server.register(&expensive(1), "").await;
    processor_time_at_rest(server).await.saturating_sub(before)
}

async fn post_from(address: &str, server: &Server, bytes: &[u8]) {
    let address: IpAddr = address.parse().unwrap();
    let client = Client::builder().no_proxy().local_address(address);
    let request = client.build().unwrap().post(server.url("/image"));
    let body = json!({ "data": encode(bytes) });
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", server.process.log());
}

#[tokio::test]
async fn ordinary_pictures_do_not_wait_for_expensive_ones() {
    for (seed, address) in [(1, "127.0.0.1"), (2, "127.0.0.2")] {
        let server = start(&[]).await;
        let at_rest = processor_time_at_rest(&server).await;
        let began = Instant::now();
        let mut uploads = JoinSet::new();
        for shade in 0..10 {
            uploads.spawn(server.post_soon(&expensive(shade)));
        }
        until(&server, "they are worked on", async || {
            processor_time(&server).saturating_sub(at_rest) > Duration::from_millis(200)
        })
        .await;
        let posted = Instant::now();
        post_from(address, &server, &jpeg(seed)).await;
        let ordinary = posted.elapsed();
        let mut before = 0;
        while uploads.try_join_next().is_some() {
            before += 1;
        }
        while let Some(answer) = uploads.join_next().await {
            assert_eq!(answer.unwrap().unwrap().status(), 200);
        }
        let all = began.elapsed();
        assert!(before < 5, "{before} were answered before");
        assert!(ordinary < all / 2, "{ordinary:?} of {all:?}");
    }
}

#[tokio::test]
async fn decoding_ends_at_its_deadline() {
    let whole = whole_cost(&start(&[]).await).await;
    let server = start(&[("ETIQUETA__LIMITS__DECODE_TIMEOUT", "50ms")]).await;
    server.register(&jpeg(1), "").await;
    let before = processor_time_at_rest(&server).await;
    let answer = server.post(&expensive(1), "").await;
    server.assert_problem(answer, 503, "overloaded").await;
    let spent = processor_time_at_rest(&server).await.saturating_sub(before);
    assert!(spent < whole / 2, "{spent:?} of {whole:?}");
}

#[tokio::test]
async fn decoding_ends_when_the_client_has_gone() {
    let server = start(&[]).await;
    let whole = whole_cost(&server).await;
    let before = processor_time_at_rest(&server).await;
    let mut client = Raw::connect(&server).await;
    client.upload(&expensive(2)).await;
    until(&server, "it is decoded", async || {
        processor_time(&server).saturating_sub(before) > whole / 5
    })
    .await;
    drop(client);
    let spent = processor_time_at_rest(&server).await.saturating_sub(before);
    assert!(spent < whole * 3 / 4, "{spent:?} of {whole:?}");
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn pictures_over_the_memory_or_work_limit_are_refused() {
    let server = start(&[("ETIQUETA__LIMITS__PIXEL_BYTES", "1048576")]).await;
    let answer = server.post(&expensive(1), "").await;
    let problem = server.assert_problem(answer, 422, "image-too-large").await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("limits.pixel_bytes"), "{detail}");
    let server = start(&[("ETIQUETA__LIMITS__IMAGE_WORK", "10000")]).await;
    let answer = server.post(&expensive(1), "").await;
    server
        .assert_problem(answer, 422, "image-too-complex")
        .await;
    server.register(&jpeg(1), "").await;
}
