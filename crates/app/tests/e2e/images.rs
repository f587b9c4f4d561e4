//! `GET /image/{id}`.

use reqwest::Method;
use rstest::rstest;
use upstream_fakes::Fakes;

use super::{
    database::Kind,
    pictures::jpeg,
    server::{Server, decode},
};

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn gives_back_what_was_posted_also_after_a_restart(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let posted = server.register(&jpeg(1), "?min_confidence=20").await;
    let path = format!("/image/{}", posted["id"].as_str().unwrap());
    assert_eq!(server.json(&path).await, posted);
    assert_eq!(
        server
            .json(&path.to_uppercase().replace("/IMAGE", "/image"))
            .await,
        posted
    );
    let server = server.restart(&[]).await;
    assert_eq!(server.json(&path).await, posted);
}

#[tokio::test]
async fn a_large_image_comes_back_whole() {
    let server = Server::start(Kind::Sqlite).await;
    let mut picture = jpeg(1);
    // Bytes after the end of a JPEG belong to the file, but a decoder ignores them.
    let filler =
        (0..10_000_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap());
    picture.extend(filler);
    let posted = server.register(&picture, "").await;
    let path = format!("/image/{}", posted["id"].as_str().unwrap());
    let response = server.get(&path).await;
    let length: usize = response.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let body = response.bytes().await.unwrap();
    assert_eq!(body.len(), length);
    let image: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(decode(&image["data"]) == picture, "another file came back");
    assert_eq!(image, posted);
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn ids_that_are_unknown_or_none(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let unknown = server
        .get("/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")
        .await;
    server.assert_problem(unknown, 404, "image-not-found").await;
    for id in [
        "1",
        "7e0a214c8f7e44c3bdc63ffa4d0cb777",
        "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb77x",
        "%00",
    ] {
        let response = server.get(&format!("/image/{id}")).await;
        server.assert_problem(response, 400, "invalid-id").await;
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start(Kind::Sqlite).await;
    let posted = server.register(&jpeg(1), "").await;
    for path in [
        format!("/image/{}", posted["id"].as_str().unwrap()),
        "/images".to_owned(),
        "/tags".to_owned(),
    ] {
        let get = server.get(&path).await;
        let head = server.request(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.status(), 200);
        assert_eq!(
            head.headers()["content-type"],
            get.headers()["content-type"]
        );
        if path.starts_with("/image/") {
            assert_eq!(
                head.headers()["content-length"],
                get.headers()["content-length"]
            );
        }
        assert!(head.bytes().await.unwrap().is_empty());
    }
    let unknown = "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777";
    assert_eq!(
        server
            .request(Method::HEAD, unknown)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test]
async fn altered_original_is_not_served_as_intact() {
    let server = Server::start(Kind::Sqlite).await;
    let posted = server.register(&jpeg(1), "").await;
    let path = format!("/image/{}", posted["id"].as_str().unwrap());
    let original = walk(&server.folder.path().join("Images"));
    std::fs::write(&original, b"cut").unwrap();
    server
        .assert_problem(server.get(&path).await, 500, "internal")
        .await;
    std::fs::remove_file(&original).unwrap();
    let problem = server
        .assert_problem(server.get(&path).await, 500, "internal")
        .await;
    assert!(!problem.to_string().contains("Images"), "{problem}");
}

fn walk(folder: &std::path::Path) -> std::path::PathBuf {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let only = files.remove(0);
    if only.is_dir() { walk(&only) } else { only }
}

#[tokio::test]
async fn the_time_zone_is_the_configured_one() {
    let zone = [("ETIQUETA__SERVER__TIMEZONE", "Asia/Tokyo")];
    let server = Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), &zone).await;
    let tokyo = server.register(&jpeg(1), "").await;
    let path = format!("/image/{}", tokyo["id"].as_str().unwrap());
    let server = server.restart(&[]).await;
    let utc = server.json(&path).await;
    let parse = |date: &serde_json::Value| {
        chrono::NaiveDateTime::parse_from_str(date.as_str().unwrap(), "%Y-%m-%d %H:%M:%S").unwrap()
    };
    assert_eq!(
        parse(&tokyo["date"]) - parse(&utc["date"]),
        chrono::TimeDelta::hours(9)
    );
}
