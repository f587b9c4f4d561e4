//! Large, slow and many uploads, from several local addresses.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::test_server::{TestServer, picture};

/// The longest an ordinary upload may take, whatever others do.
const SOON: Duration = Duration::from_secs(2);

/// Longer than all uploads together take on a slow machine.
const TEST_TIMEOUT: Duration = Duration::from_mins(5);

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

/// A server with the default limits.
fn server() -> TestServer {
    TestServer::with(|setup| setup.settings.image_bytes = 25 << 20)
}

async fn connect(server: SocketAddr, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(server).await.unwrap()
}

/// The head of an upload, and the start of a body of that length.
fn head(length: usize) -> String {
    format!(
        "POST /image HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{{\"data\":\""
    )
}

/// Declares a body, sends `sent` bytes of it, and then a byte a second.
async fn drip(server: SocketAddr, from: Ipv4Addr, declared: usize, sent: usize) {
    let mut connection = connect(server, from).await;
    let begun = head(declared) + &"A".repeat(sent);
    let _ = connection.write_all(begun.as_bytes()).await;
    while connection.write_all(b"A").await.is_ok() {
        sleep(Duration::from_secs(1)).await;
    }
}

/// The body of an upload of that many bytes.
fn body(bytes: usize) -> Bytes {
    let picture = picture(&"x".repeat(bytes));
    format!("{}\"}}", BASE64_STANDARD.encode(picture)).into()
}

/// Uploads a body; returns the status of the response, which is read to its end.
async fn upload(server: SocketAddr, from: Ipv4Addr, body: Bytes) -> u16 {
    let mut connection = connect(server, from).await;
    let head = head(body.len() + "{\"data\":\"".len());
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&body).await.unwrap();
    status(connection).await
}

async fn status(mut connection: TcpStream) -> u16 {
    let mut line = [0; "HTTP/1.1 200".len()];
    connection.read_exact(&mut line).await.unwrap();
    tokio::io::copy(&mut connection, &mut tokio::io::sink())
        .await
        .unwrap();
    std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
}

async fn assert_soon(server: SocketAddr, from: Ipv4Addr, body: &Bytes) {
    let began = Instant::now();
    let status = timeout(TEST_TIMEOUT, upload(server, from, body.clone())).await;
    assert_eq!(status.unwrap(), 200);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// Starts uploads that never end: pairs of a declared length and the number of bytes sent.
fn start_dripping(server: &TestServer, uploads: impl IntoIterator<Item = (u8, usize, usize)>) {
    for (from, declared, sent) in uploads {
        tokio::spawn(drip(server.address, address(from), declared, sent));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dripping_uploads_block_no_other() {
    let server = server();
    let sizes = [
        (34_000_000, 5),
        (1_000_000, 3),
        (200_000, 8),
        (60_000, 10),
        (8_000, 20),
    ];
    let sizes = sizes
        .into_iter()
        .flat_map(|(size, count)| std::iter::repeat_n(size, count));
    let drips = sizes.zip((1..=3).cycle());
    start_dripping(&server, drips.map(|(size, from)| (from, size, 0)));
    sleep(Duration::from_millis(500)).await;
    let ordinary = body(40_000);
    let large = body(5_000_000);
    for from in [1, 2, 4, 1] {
        assert_soon(server.address, address(from), &ordinary).await;
        assert_soon(server.address, address(from), &large).await;
    }
}

/// As many bytes as are accepted, and then hardly any.
#[tokio::test(flavor = "multi_thread")]
async fn stalled_uploads_block_no_other() {
    // A tenth of the default limits, so that the processor is not the bottleneck.
    let server = TestServer::with(|setup| {
        setup.settings.image_bytes = 2_500_000;
        setup.settings.memory_budget = 25_600_000;
    });
    let stalled = (0..24).map(|_| (1, 3_300_000, 2_400_000));
    start_dripping(&server, stalled);
    sleep(Duration::from_secs(2)).await;
    let ordinary = body(20_000);
    let large = body(500_000);
    for _ in 0..3 {
        assert_soon(server.address, address(1), &ordinary).await;
        assert_soon(server.address, address(2), &ordinary).await;
        assert_soon(server.address, address(2), &large).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_uploads_at_once_all_come_through() {
    let server = server();
    let body = body(20_000_000);
    let uploads =
        (0..40).map(|number| upload(server.address, address(1 + number % 4), body.clone()));
    let statuses = timeout(TEST_TIMEOUT, join_all(uploads)).await.unwrap();
    assert_eq!(statuses, [200; 40]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prefix_of_a_trusted_proxy_is_part_of_the_location() {
    for (trusted, prefix) in [("127.0.0.1/32", "/pictures"), ("10.0.0.0/8", "")] {
        let server = TestServer::with(|setup| {
            setup.settings.trusted_proxies = vec![trusted.parse().unwrap()];
        });
        let response = server
            .request(reqwest::Method::POST, "/image")
            .header("x-forwarded-prefix", "/pictures")
            .json(&super::test_server::upload(&picture("x")))
            .send()
            .await
            .unwrap();
        let location = response.headers()["location"].to_str().unwrap();
        assert!(
            location.starts_with(&format!("{prefix}/image/")),
            "{location}"
        );
    }
}

/// The last connections are reserved for clients that have few.
#[tokio::test(flavor = "multi_thread")]
async fn one_client_may_not_take_all_connections() {
    let server = TestServer::with(|setup| setup.settings.open_files = 200);
    let mut many = Vec::new();
    loop {
        let mut connection = connect(server.address, address(2)).await;
        let ask = "GET /livez HTTP/1.1\r\nHost: t\r\n\r\n";
        let mut answer = [0];
        let is_served = connection.write_all(ask.as_bytes()).await.is_ok()
            && connection
                .read(&mut answer)
                .await
                .is_ok_and(|read| read > 0);
        if !is_served {
            break;
        }
        many.push(connection);
    }
    assert!(many.len() > 100, "{}", many.len());
    let other = reqwest::Client::builder()
        .no_proxy()
        .local_address(IpAddr::from(address(3)))
        .build()
        .unwrap();
    let url = format!("http://{}/livez", server.address);
    assert_eq!(other.get(url).send().await.unwrap().status(), 200);
}
