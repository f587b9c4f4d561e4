//! Images that look alike, and the same picture in other files, with the local tagger.

use std::{sync::Arc, time::Duration};

use image::{
    DynamicImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    imageops::FilterType,
};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use upstream_fakes::Fakes;

use super::{crash::site::files, database::Kind, local::photo, server::Server};

const LOCAL: [(&str, &str); 2] = [
    ("ETIQUETA__TAGGING__PROVIDER", "local"),
    ("ETIQUETA__UPKEEP__INTERVAL", "1s"),
];

async fn start(kind: Kind) -> Server {
    Server::start_with(kind, Fakes::start().await.unwrap(), &LOCAL).await
}

fn jpeg(picture: &DynamicImage, quality: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, quality);
    picture.to_rgb8().write_with_encoder(encoder).unwrap();
    file
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut file = Vec::new();
    picture
        .write_with_encoder(PngEncoder::new(&mut file))
        .unwrap();
    file
}

/// The same photo in four files: as it is, smaller, compressed again, cut.
pub(super) fn variants(name: &str) -> [Vec<u8>; 4] {
    let photo = photo(name);
    let small = photo.resize(300, 300, FilterType::Triangle);
    let (width, height) = (photo.width(), photo.height());
    let cut = photo.crop_imm(width / 8, height / 8, width * 3 / 4, height * 3 / 4);
    [
        jpeg(&photo, 95),
        png(&small),
        jpeg(&photo, 30),
        jpeg(&cut, 90),
    ]
}

fn id(image: &Value) -> String {
    image["id"].as_str().unwrap().to_owned()
}

async fn register(server: &Server, pictures: &[Vec<u8>]) -> Vec<String> {
    let mut ids = Vec::new();
    for picture in pictures {
        ids.push(id(&server.register(picture, "").await));
    }
    ids
}

async fn listed(server: &Server, id: &str, what: &str) -> Vec<(String, f64)> {
    let list = server.json(&format!("/image/{id}/{what}")).await;
    let list = list.as_array().unwrap().iter();
    list.map(|image| (self::id(image), image["similarity"].as_f64().unwrap()))
        .collect()
}

async fn ids(server: &Server, id: &str, what: &str) -> Vec<String> {
    let listed = listed(server, id, what).await;
    listed.into_iter().map(|(id, _)| id).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn the_same_photo_in_other_files_is_found(#[case] kind: Kind) {
    let server = start(kind).await;
    let rockets = register(&server, &variants("rocket")).await;
    let coffees = register(&server, &variants("coffee")).await;
    // Scaled and compressed again, but not cut.
    let duplicates = ids(&server, &rockets[0], "duplicates").await;
    assert_eq!(sorted(duplicates), sorted(rockets[1..3].to_vec()));
    // All of the same photo before any other.
    let similar = listed(&server, &rockets[0], "similar").await;
    assert_eq!(similar.len(), 7);
    assert!(
        similar.is_sorted_by(|one, other| one.1 >= other.1),
        "{similar:?}"
    );
    let first: Vec<String> = similar.iter().take(3).map(|(id, _)| id.clone()).collect();
    assert_eq!(sorted(first), sorted(rockets[1..].to_vec()));
    assert!(similar[0].1 > 85.0 && similar[6].1 < 60.0, "{similar:?}");

    // Another server on the same database finds them, and each finds what the other registers.
    let fakes = Fakes::start().await.unwrap();
    let (database, folder) = (Arc::clone(&server.database), Arc::clone(&server.folder));
    let second = Server::start_on(database, folder, fakes, &LOCAL).await;
    assert_eq!(listed(&second, &rockets[0], "similar").await, similar);
    let late = register(&second, &[jpeg(&photo("rocket"), 60)]).await;
    let found = ids(&server, &rockets[0], "duplicates").await;
    assert!(found.contains(&late[0]), "{found:?}");
    assert!(
        ids(&server, &rockets[0], "similar")
            .await
            .contains(&late[0])
    );

    // What is deleted is gone at once, on both.
    let path = format!("/image/{}", rockets[2]);
    let deleted = server.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    for server in [&server, &second] {
        for what in ["similar", "duplicates"] {
            let found = ids(server, &rockets[0], what).await;
            assert!(!found.contains(&rockets[2]), "{what}: {found:?}");
        }
    }
    let gone = server.get(&format!("{path}/similar")).await;
    server.assert_problem(gone, 404, "image-not-found").await;

    // After a restart everything is read again.
    let before = listed(&server, &coffees[0], "similar").await;
    let server = server.restart(&LOCAL).await;
    assert_eq!(listed(&server, &coffees[0], "similar").await, before);
    let taggers = server.json("/taggers").await;
    assert_eq!(taggers[0]["embeds_pictures"], true);
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn images_of_earlier_versions_are_found_after_a_job(#[case] kind: Kind) {
    let mut server = start(kind).await;
    let mut rockets = register(&server, &variants("rocket")).await;
    let coffee = register(&server, &variants("coffee")[..1]).await;
    // One of the originals is gone.
    let lost = register(&server, &[jpeg(&photo("chelsea"), 90)]).await;
    let file = files(server.folder.path())
        .into_iter()
        .find(|file| std::fs::read(file).unwrap() == jpeg(&photo("chelsea"), 90));
    std::fs::remove_file(file.unwrap()).unwrap();
    server.process.kill();
    for statement in [
        "DELETE FROM etiqueta_feature_vector",
        "DELETE FROM etiqueta_feature",
        "DELETE FROM etiqueta_job",
        "DELETE FROM etiqueta_job_detail",
    ] {
        server.database.execute(statement).await;
    }
    let server = server.restart(&LOCAL).await;
    let mut job = Value::Null;
    for _ in 0..600 {
        job = server.json("/jobs").await[0].clone();
        if job["state"] == "done" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(job["kind"], "features", "{}", server.process.log());
    assert_eq!(
        (&job["total"], &job["failed"]),
        (&json!(6), &json!(1)),
        "{job}"
    );
    assert_eq!(job["result"]["errors"][0]["id"], lost[0]);
    let found = ids(&server, &rockets[0], "similar").await;
    let other = rockets.split_off(1);
    assert_eq!(sorted(found[..3].to_vec()), sorted(other));
    assert_eq!(found[3..], coffee);
    // There is nothing left to do, also after another start.
    let server = server.restart(&LOCAL).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.json("/jobs").await.as_array().unwrap().len(), 1);
    let made = json!({"kind": "features"});
    let refused = server
        .request(Method::POST, "/jobs")
        .json(&made)
        .send()
        .await;
    server
        .assert_problem(refused.unwrap(), 400, "invalid-body")
        .await;
}

#[tokio::test]
async fn duplicates_are_found_with_any_tagger() {
    let server = Server::start(Kind::Sqlite).await;
    let rockets = register(&server, &variants("rocket")[..3]).await;
    register(&server, &variants("astronaut")).await;
    let found = ids(&server, &rockets[1], "duplicates").await;
    assert_eq!(
        sorted(found),
        sorted(vec![rockets[0].clone(), rockets[2].clone()])
    );
    let similar = server.get(&format!("/image/{}/similar", rockets[0])).await;
    server.assert_problem(similar, 409, "no-image-model").await;
}
