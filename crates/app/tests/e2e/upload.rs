//! `POST /image`.

use image::ImageFormat;
use reqwest::multipart::{Form, Part};
use rstest::rstest;
use serde_json::{Value, json};
use upstream_fakes::{Fakes, Route, tags_of};

use super::{
    crash::site::files,
    database::Kind,
    pictures::{file, jpeg},
    server::{Server, decode, encode},
};

fn confidences(image: &Value) -> Vec<(String, f64)> {
    let tags = image["tags"].as_array().unwrap().iter();
    tags.map(|tag| {
        assert_eq!(tag.as_object().unwrap().len(), 2, "{tag}");
        (
            tag["tag"].as_str().unwrap().to_owned(),
            tag["confidence"].as_f64().unwrap(),
        )
    })
    .collect()
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn answers_the_image_with_its_tags_and_its_bytes(#[case] kind: Kind) {
    let fakes = Fakes::start().await.unwrap();
    let originals_go = [("ETIQUETA__TAGGING__MAX_SIDE", "0")];
    let server = Server::start_with(kind, fakes, &originals_go).await;
    let picture = jpeg(1);
    let response = server.post(&picture, "?min_confidence=60").await;
    assert_eq!(response.status(), 200);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/json")
    );
    let image: Value = response.json().await.unwrap();

    let keys: Vec<&String> = image.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    let id = image["id"].as_str().unwrap();
    assert_eq!(id, uuid::Uuid::parse_str(id).unwrap().to_string());
    assert_eq!(location, format!("/image/{id}"));
    let hundredths = (picture.len() as f64 / 1024.0 * 100.0).round() / 100.0;
    assert_eq!(image["size"].as_f64().unwrap(), hundredths);
    let date = image["date"].as_str().unwrap();
    chrono::NaiveDateTime::parse_from_str(date, "%Y-%m-%d %H:%M:%S").unwrap();
    assert_eq!(date.len(), 19);
    assert_eq!(decode(&image["data"]), picture);
    let expected: Vec<_> = tags_of(&picture)
        .unwrap()
        .into_iter()
        .filter(|(_, confidence)| *confidence >= 60.0)
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(confidences(&image), expected);
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn min_confidence_is_inclusive_and_80_by_default(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let all = confidences(&server.register(&jpeg(1), "?min_confidence=0").await);
    assert!(
        all.iter().any(|(_, confidence)| *confidence < 80.0),
        "{all:?}"
    );
    let by_default = confidences(&server.register(&jpeg(1), "").await);
    let expected: Vec<_> = all.iter().filter(|(_, c)| *c >= 80.0).cloned().collect();
    assert_eq!(by_default, expected);
    let (_, third) = all[2];
    let exactly = confidences(
        &server
            .register(&jpeg(1), &format!("?min_confidence={third}"))
            .await,
    );
    assert_eq!(exactly.last().unwrap().1, third);
    let just_above = format!("?min_confidence={}", third.next_up());
    assert!(confidences(&server.register(&jpeg(1), &just_above).await).len() < exactly.len());
    assert!(server.register(&jpeg(1), "?min_confidence=100").await["tags"].is_array());

    for bad in [
        "nan", "NaN", "inf", "-inf", "", "abc", "-0.1", "100.1", "1e3", "80%2C5",
    ] {
        let response = server
            .post(&jpeg(1), &format!("?min_confidence={bad}"))
            .await;
        let problem = server
            .assert_problem(response, 400, "invalid-parameter")
            .await;
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("min_confidence"),
            "{problem}"
        );
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn every_format_is_taken_and_comes_back_byte_for_byte(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let picture = file(format, 60, 40, 7);
        let image = server.register(&picture, "").await;
        let path = format!("/image/{}", image["id"].as_str().unwrap());
        assert_eq!(server.json(&path).await, image, "{format:?}");
        assert_eq!(decode(&image["data"]), picture);
    }
}

/// As a phone writes it: tiles, turned by a property.
#[tokio::test]
async fn heic_is_taken_and_shown_as_jpeg() {
    let server = Server::start(Kind::Sqlite).await;
    let picture = include_bytes!("../../../image-codec/tests/samples/heic-grid.heic");
    let image = server.register(picture, "").await;
    assert_eq!(decode(&image["data"]), picture);
    let info = server
        .json(&format!("/image/{}/info", image["id"].as_str().unwrap()))
        .await;
    assert_eq!(info["width"], 100);
    assert_eq!(info["height"], 150);
    let id = image["id"].as_str().unwrap();
    let original = server.get(&format!("/image/{id}/file")).await;
    assert_eq!(original.headers()["content-type"], "image/heic");
    assert_eq!(original.bytes().await.unwrap().as_ref(), picture);
    let small = server.get(&format!("/image/{id}/thumbnail")).await;
    assert_eq!(small.headers()["content-type"], "image/jpeg");
    let small = image::load_from_memory(&small.bytes().await.unwrap()).unwrap();
    assert_eq!((small.width(), small.height()), (100, 150));
    let found = server.json("/images?q=type:heic").await;
    assert_eq!(found[0]["id"], image["id"]);
    let cut = server.post(&picture[..picture.len() / 2], "").await;
    let problem = server.assert_problem(cut, 422, "not-an-image").await;
    assert_eq!(problem["detail"], "the HEIC is truncated");
}

#[tokio::test]
async fn base64_is_taken_as_people_write_it() {
    let server = Server::start(Kind::Sqlite).await;
    let picture = file(ImageFormat::Png, 33, 31, 3);
    let plain = encode(&picture);
    let lines: Vec<String> = plain
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into())
        .collect();
    for text in [
        lines.join("\n"),
        lines.join("\r\n"),
        format!(" \t{plain}\n"),
        format!("data:image/png;base64,{plain}"),
        plain.replace('+', "-").replace('/', "_"),
        plain.trim_end_matches('=').to_owned(),
    ] {
        let response = server.post_data(&text, "").await;
        assert_eq!(response.status(), 200, "{}", &text[..40]);
        let image: Value = response.json().await.unwrap();
        assert_eq!(image["data"], plain);
    }
    for (text, offset) in [("ab!d", "2"), ("abcde", "5"), ("ab=c", "3"), ("", "0")] {
        let problem = server
            .assert_problem(server.post_data(text, "").await, 400, "invalid-base64")
            .await;
        if !text.is_empty() && text != "abcde" && text != "ab=c" {
            assert!(
                problem["detail"].as_str().unwrap().contains(offset),
                "{problem}"
            );
        }
    }
}

#[rstest]
#[case(r#"{"data": "AAAA""#)]
#[case(r#"{"data": 5}"#)]
#[case(r#"{"data": null}"#)]
#[case(r#"{"image": "AAAA"}"#)]
#[case("[]")]
#[case("")]
#[case("data=AAAA")]
#[tokio::test]
async fn malformed_bodies_are_refused(#[case] body: &'static str) {
    let server = Server::start(Kind::Sqlite).await;
    let response = server
        .request(reqwest::Method::POST, "/image")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    server.assert_problem(response, 400, "invalid-body").await;
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn files_are_tagged_without_registration(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let picture = jpeg(1);
    let post = |path: &str| server.request(reqwest::Method::POST, path);
    let form = || {
        let part = Part::bytes(picture.clone()).file_name("photo.jpg");
        Form::new().part("file", part)
    };
    let response = post("/tag").multipart(form()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let tagged: Value = response.json().await.unwrap();
    assert_eq!(tagged["provider"], "imagga");
    assert_eq!(tagged["version"], "v2");
    assert_eq!(server.json("/images").await, json!([]));
    assert!(files(server.folder.path()).is_empty());

    let raw = || {
        let request = post("/image").header("content-type", "image/jpeg");
        request.body(picture.clone())
    };
    for request in [post("/image").multipart(form()), raw()] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let image: Value = response.json().await.unwrap();
        assert_eq!(image["tags"], tagged["tags"]);
        assert_eq!(decode(&image["data"]), picture);
    }
    let minimal = raw().header("prefer", "return=minimal");
    let minimal = minimal.send().await.unwrap();
    assert_eq!(minimal.headers()["preference-applied"], "return=minimal");
    let image: Value = minimal.json().await.unwrap();
    assert!(
        image["data"].is_null() && image["id"].is_string(),
        "{image}"
    );
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(calls, 1, "the answer for the tagging was kept");
}

#[tokio::test]
async fn other_content_types_are_refused() {
    let server = Server::start(Kind::Sqlite).await;
    let body = json!({ "data": encode(&jpeg(1)) }).to_string();
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data"),
    ] {
        let mut request = server
            .request(reqwest::Method::POST, "/image")
            .body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        server
            .assert_problem(request.send().await.unwrap(), 415, "unsupported-media-type")
            .await;
    }
    let with_charset = server
        .request(reqwest::Method::POST, "/image")
        .header("content-type", "application/json; charset=utf-8")
        .body(body);
    assert_eq!(with_charset.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn damaged_and_foreign_files_are_refused() {
    let server = Server::start_with(
        Kind::Sqlite,
        Fakes::start().await.unwrap(),
        &[("ETIQUETA__LIMITS__IMAGE_PIXELS", "10000")],
    )
    .await;
    let whole = jpeg(1);
    let mut corrupt = file(ImageFormat::Png, 60, 40, 1);
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0xff;
    for bytes in [
        b"plain text, no picture at all".to_vec(),
        b"%PDF-1.7".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 9].to_vec(),
        corrupt,
    ] {
        server
            .assert_problem(server.post(&bytes, "").await, 422, "not-an-image")
            .await;
    }
    let large = file(ImageFormat::Png, 101, 100, 1);
    server
        .assert_problem(server.post(&large, "").await, 422, "image-too-large")
        .await;
    server
        .register(&file(ImageFormat::Png, 100, 100, 1), "")
        .await;
    // All pixels are there; only the end mark is missing.
    server.register(&whole[..whole.len() - 2], "").await;
    assert_eq!(
        server.fakes.imagekit().uploads(),
        2,
        "nothing else left the house"
    );
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn an_image_larger_than_the_limit_is_refused(#[case] kind: Kind) {
    let limit = [("ETIQUETA__LIMITS__IMAGE_BYTES", "20000")];
    let server = Server::start_with(kind, Fakes::start().await.unwrap(), &limit).await;
    let mut picture = jpeg(1);
    picture.resize(20_000, 0);
    assert_eq!(server.post(&picture, "").await.status(), 200);
    picture.push(0);
    let problem = server.post(&picture, "").await;
    let problem = server
        .assert_problem(problem, 413, "payload-too-large")
        .await;
    assert!(
        problem["detail"].as_str().unwrap().contains("20000"),
        "{problem}"
    );
    picture.resize(3_000_000, 0);
    server
        .assert_problem(server.post(&picture, "").await, 413, "payload-too-large")
        .await;
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn sixteen_clients_at_once(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let posts = (0..64_u8).map(|n| server.register_owned(jpeg(n % 48)));
    let images: Vec<Value> = futures_util::future::join_all(posts).await;
    let ids: std::collections::HashSet<&str> = images
        .iter()
        .map(|image| image["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 64);
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 64);
    assert!(
        server.fakes.imagekit().uploads() <= 48,
        "the same bytes are hosted once"
    );
}
