//! Deleting images, editing tags, and tagging again.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use reqwest::{Method, Response};
use rstest::rstest;
use serde_json::{Value, json};
use upstream_fakes::Fakes;
use walkdir::WalkDir;

use super::{database::Kind, pictures::jpeg, server::Server};

fn path_of(image: &Value) -> String {
    format!("/image/{}", image["id"].as_str().unwrap())
}

async fn edit(server: &Server, path: &str, body: &Value) -> Response {
    let request = server.request(Method::PATCH, &format!("{path}/tags"));
    request.json(body).send().await.unwrap()
}

/// `GET /tags` says what the list does.
pub(super) async fn assert_counted(server: &Server) {
    let images = server.json("/images").await;
    let tags = server.json("/tags").await;
    assert_counts(images.as_array().unwrap(), tags.as_array().unwrap());
}

/// These statistics are those of these images.
pub(super) fn assert_counts(images: &[Value], tags: &[Value]) {
    let listed = images.iter();
    let listed: Vec<(&str, f64)> = listed
        .flat_map(|image| image["tags"].as_array().unwrap())
        .map(|tag| {
            (
                tag["tag"].as_str().unwrap(),
                tag["confidence"].as_f64().unwrap(),
            )
        })
        .collect();
    let mut count = 0;
    for summary in tags {
        let of_label = listed.iter().filter(|(name, _)| summary["tag"] == **name);
        let values: Vec<f64> = of_label.map(|(_, value)| *value).collect();
        assert_eq!(summary["n_images"], values.len(), "{summary}");
        let lowest = values.iter().copied().fold(f64::MAX, f64::min);
        let highest = values.iter().copied().fold(f64::MIN, f64::max);
        assert_eq!(summary["min_confidence"], lowest, "{summary}");
        assert_eq!(summary["max_confidence"], highest, "{summary}");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let found = summary["mean_confidence"].as_f64().unwrap();
        assert!((found - mean).abs() < 1e-9, "{summary}");
        count += values.len();
    }
    assert_eq!(count, listed.len());
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn edits_and_deletions_are_seen_everywhere(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let mut paths = Vec::new();
    for number in 1..=4 {
        let image = server.register(&jpeg(number), "?min_confidence=20").await;
        paths.push(path_of(&image));
    }
    assert_counted(&server).await;
    let before = server.json(&format!("{}/tags", paths[0])).await;
    let tags = before["tags"].as_array().unwrap();
    let removed = tags[0]["tag"].as_str().unwrap();
    assert_eq!(tags[0]["source"], "provider");
    assert_eq!(tags[0]["provider"], "imagga");
    assert!(tags[0]["version"].is_string());
    let body =
        json!({"add": ["mia", {"tag": tags[1]["tag"], "confidence": 1}], "remove": [removed]});
    let response = edit(&server, &paths[0], &body).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"], "\"tags-1\"");
    assert_counted(&server).await;
    let found = server.json("/images?q=source:person").await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(server.json("/images?tags=mia").await, found);

    assert_eq!(
        server
            .request(Method::DELETE, &paths[1])
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    let again = server
        .request(Method::DELETE, &paths[1])
        .send()
        .await
        .unwrap();
    server.assert_problem(again, 404, "image-not-found").await;
    assert_counted(&server).await;

    let retag = format!("{}/retag?min_confidence=30", paths[0]);
    let response = server.request(Method::POST, &retag).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["rejected"], json!([removed]));
    let shown = document["tags"].as_array().unwrap();
    assert!(shown.iter().any(|tag| tag["tag"] == "mia"));
    assert!(shown.iter().all(|tag| tag["tag"] != removed));
    assert_counted(&server).await;

    // All of it is kept.
    let server = server.restart(&[]).await;
    assert_eq!(server.json(&format!("{}/tags", paths[0])).await, document);
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 3);
    assert_counted(&server).await;
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn an_edit_names_the_tags_that_it_is_of(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let path = path_of(&server.register(&jpeg(1), "").await);
    let edit = |etag: &'static str, name: &'static str| {
        let request = server.request(Method::PATCH, &format!("{path}/tags"));
        request
            .header("if-match", etag)
            .json(&json!({"add": [name]}))
            .send()
    };
    assert_eq!(edit("\"tags-0\"", "one").await.unwrap().status(), 200);
    let refused = edit("\"tags-0\"", "two").await.unwrap();
    server
        .assert_problem(refused, 412, "precondition-failed")
        .await;
    // Of several at once one is made.
    let edits = ["a", "b", "c", "d"].map(|name| edit("\"tags-1\"", name));
    let outcomes = futures_util::future::join_all(edits).await;
    let made = outcomes
        .into_iter()
        .filter(|outcome| outcome.as_ref().unwrap().status() == 200);
    assert_eq!(made.count(), 1);
}

/// The files of originals and renditions.
fn files(folder: &Path) -> usize {
    let files = WalkDir::new(folder).into_iter().map(Result::unwrap);
    let of_pictures = files.filter(|entry| {
        let path = entry.path().to_string_lossy();
        entry.file_type().is_file()
            && !path.contains(".etiqueta-databases")
            && !entry.file_name().to_string_lossy().starts_with(".etiqueta")
    });
    of_pictures.count()
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn the_original_goes_with_its_last_image(#[case] kind: Kind) {
    let often = [("ETIQUETA__UPKEEP__INTERVAL", "1s")];
    let server = Server::start_with(kind, Fakes::start().await.unwrap(), &often).await;
    let one = path_of(&server.register(&jpeg(1), "").await);
    let other = path_of(&server.register(&jpeg(1), "").await);
    assert_eq!(server.get(&format!("{one}/thumbnail")).await.status(), 200);
    let images = server.folder.path().join("Images");
    assert_eq!(files(&images), 2, "an original and a rendition");
    assert_eq!(
        server
            .request(Method::DELETE, &one)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.get(&format!("{other}/file")).await.status(), 200);
    assert_eq!(
        server
            .request(Method::DELETE, &other)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    let began = Instant::now();
    while files(&images) > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{}",
            server.process.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The same bytes come again.
    let again = path_of(&server.register(&jpeg(1), "").await);
    assert_eq!(server.get(&format!("{again}/file")).await.status(), 200);
}
