//! Responses to malformed requests.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use upstream_fakes::Fakes;

use super::{database::Kind, pictures::jpeg, server::Server};

/// Sends bytes on a new connection and returns the response up to the close.
async fn sent(server: &Server, bytes: &str) -> String {
    let address = server.process.origin.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The log line of a request's response.
async fn logged(server: &Server, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let log = server.process.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let found = lines.into_iter().find(|line: &Value| {
            line["span"]["request_id"] == id && line["fields"]["message"] == "answered"
        });
        if let Some(line) = found {
            return line;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{log}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn requests_rejected_before_routing_are_logged() {
    let server = Server::start(Kind::Sqlite).await;
    let long = "x".repeat(200_000);
    for (request, status, code) in [
        ("nonsense\r\n\r\n".to_owned(), 400, "malformed-request"),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            400,
            "malformed-request",
        ),
        (
            "GET / HTTP/1.1\r\n\r\n".to_owned(),
            400,
            "malformed-request",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
            414,
            "uri-too-long",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
            431,
            "headers-too-large",
        ),
        (
            "GET /tags HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(),
            421,
            "misdirected-request",
        ),
    ] {
        let answer = sent(&server, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("\r\ncontent-type: application/problem+json"),
            "{head}"
        );
        let document: Value = serde_json::from_str(body).unwrap();
        assert_eq!(document["code"], code, "{document}");
        let id = document["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("\r\nx-request-id: {id}")), "{head}");
        let line = logged(&server, id).await;
        assert_eq!(line["fields"]["status"], status, "{line}");
        assert_eq!(line["fields"]["is_whole"], true, "{line}");
    }
    assert!(!server.process.log().contains("stream error"));
}

#[tokio::test]
async fn other_hosts_are_allowed_by_the_setting() {
    let status = async |variables: &[(&str, &str)]| {
        let fakes = Fakes::start().await.unwrap();
        let server = Server::start_with(Kind::Sqlite, fakes, variables).await;
        let request = server.request(Method::GET, "/tags");
        let response = request.header("host", "photos.example.com").send().await;
        response.unwrap().status().as_u16()
    };
    assert_eq!(status(&[]).await, 421);
    let listed = [(
        "ETIQUETA__SERVER__ALLOWED_HOSTS",
        "other.example,photos.example.com",
    )];
    assert_eq!(status(&listed).await, 200);
}

#[tokio::test]
async fn unknown_and_repeated_parameters_are_named() {
    let server = Server::start(Kind::Sqlite).await;
    let id = server.register(&jpeg(1), "").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (path, name) in [
        ("/images?tag=car".to_owned(), "tag"),
        ("/images?Tags=car".to_owned(), "Tags"),
        ("/tags?tags=car".to_owned(), "tags"),
        (format!("/image/{id}?size=1"), "size"),
        ("/images?tags=car&tags=cab".to_owned(), "tags"),
        (
            "/tags?min_date=2024-01-01&min_date=2024-01-01".to_owned(),
            "min_date",
        ),
    ] {
        let problem = server
            .assert_problem(server.get(&path).await, 400, "invalid-parameter")
            .await;
        assert!(
            problem["detail"].as_str().unwrap().contains(name),
            "{problem}"
        );
    }
    for query in ["?min_confidance=60", "?min_confidence=1&min_confidence=1"] {
        server
            .assert_problem(server.post(&jpeg(1), query).await, 400, "invalid-parameter")
            .await;
    }
}

#[tokio::test]
async fn unknown_routes_and_methods() {
    let server = Server::start(Kind::Sqlite).await;
    for path in [
        "/",
        "/image",
        "/images/",
        "/picture",
        "/image/a/b",
        "//images",
        "/.env",
    ] {
        let response = server.get(path).await;
        let (status, code) = if path == "/image" {
            (405, "method-not-allowed")
        } else {
            (404, "route-not-found")
        };
        server.assert_problem(response, status, code).await;
    }
    let id = "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777";
    for (method, path, allow) in [
        (Method::GET, "/image", ["POST", "OPTIONS"].as_slice()),
        (Method::DELETE, "/image", &["POST", "OPTIONS"]),
        (Method::POST, "/images", &["GET", "HEAD", "OPTIONS"]),
        (
            Method::POST,
            "/tags/a/confidences",
            &["GET", "HEAD", "OPTIONS"],
        ),
        (
            Method::POST,
            "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/similar",
            &["GET", "HEAD", "OPTIONS"],
        ),
        (
            Method::POST,
            "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/duplicates",
            &["GET", "HEAD", "OPTIONS"],
        ),
        (Method::PUT, "/tags", &["GET", "HEAD", "OPTIONS"]),
        (
            Method::PUT,
            "/webhooks",
            &["GET", "HEAD", "POST", "OPTIONS"],
        ),
        (Method::PATCH, id, &["DELETE", "GET", "HEAD", "OPTIONS"]),
    ] {
        let response = server.request(method, path).send().await.unwrap();
        let allowed = response.headers()["allow"].to_str().unwrap().to_owned();
        server
            .assert_problem(response, 405, "method-not-allowed")
            .await;
        let options = server.request(Method::OPTIONS, path).send().await.unwrap();
        assert_eq!(options.status(), 204);
        assert_eq!(options.headers()["allow"], allowed.as_str());
        let mut allowed: Vec<&str> = allowed.split(',').map(str::trim).collect();
        let mut expected = allow.to_vec();
        allowed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(allowed, expected, "{path}");
    }
}

#[tokio::test]
async fn sane_request_ids_are_kept() {
    let server = Server::start(Kind::Sqlite).await;
    let ask = async |id: &str| {
        let request = server
            .request(Method::GET, "/nowhere")
            .header("x-request-id", id);
        let response = request.send().await.unwrap();
        let answered = response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        server
            .assert_problem(response, 404, "route-not-found")
            .await;
        answered
    };
    assert_eq!(ask("my-request.1").await, "my-request.1");
    let long = "x".repeat(500);
    for odd in ["", "two words", "quote\"", long.as_str()] {
        let answered = ask(odd).await;
        assert_ne!(answered, odd);
        assert!(!answered.is_empty());
    }
    let plain = server.get("/tags").await;
    assert!(plain.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn oversized_urls_and_headers_are_rejected() {
    let server = Server::start(Kind::Sqlite).await;
    let fits = format!("/images?tags={}", "a".repeat(7_000));
    assert_eq!(server.get(&fits).await.status(), 200);
    let too_long = server
        .get(&format!("/images?tags={}", "a".repeat(40_000)))
        .await;
    assert_eq!(too_long.status(), 414);
    let request = server
        .request(Method::GET, "/tags")
        .header("x-padding", "a".repeat(40_000));
    assert_eq!(request.send().await.unwrap().status(), 431);
}
