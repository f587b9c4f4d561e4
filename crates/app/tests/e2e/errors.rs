//! What is answered to requests that are not quite right.

use reqwest::Method;

use super::{database::Kind, pictures::jpeg, server::Server};

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
        (Method::PUT, "/tags", &["GET", "HEAD", "OPTIONS"]),
        (Method::PATCH, id, &["GET", "HEAD", "OPTIONS"]),
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
async fn request_ids_are_taken_over_if_they_are_sane() {
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
async fn urls_and_headers_beyond_all_measure() {
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
