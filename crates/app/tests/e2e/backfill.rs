//! What is filled in of images that earlier versions registered.

use std::{fs, time::Duration};

use rstest::rstest;
use serde_json::Value;
use upstream_fakes::Fakes;

use super::{
    crash::site::files,
    database::Kind,
    lists::ids,
    pictures::{jpeg, taken},
    server::Server,
};

const ZONE: [(&str, &str); 1] = [("ETIQUETA__SERVER__TIMEZONE", "Pacific/Auckland")];

async fn start(kind: Kind) -> Server {
    Server::start_with(kind, Fakes::start().await.unwrap(), &ZONE).await
}

/// Makes all images look as if an earlier version had registered them a day ago.
async fn age(server: &Server) {
    for statement in [
        "UPDATE etiqueta_image SET registered_local = NULL, taken_at = NULL, camera = NULL, \
         registered_at = registered_at - 86400000000",
        "DELETE FROM etiqueta_backfill",
        "DELETE FROM etiqueta_lease",
    ] {
        server.database.execute(statement).await;
    }
}

/// How many images of the list have a time of taking.
async fn filled(server: &Server) -> usize {
    let list = server.json("/images?info=true").await;
    let images = list.as_array().unwrap().iter();
    images.filter(|image| image["taken_at"].is_string()).count()
}

async fn until_filled(server: &Server, count: usize) {
    for _ in 0..300 {
        if filled(server).await == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not filled:\n{}", server.process.log());
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn images_of_earlier_versions_get_their_times(#[case] kind: Kind) {
    let server = start(kind).await;
    let mut images = Vec::new();
    let pictures = [
        taken(1, "2024:01:11 10:04:35"),
        taken(2, "2023:01:11 10:04:35"),
        taken(3, "2025:01:11 10:04:35"),
        jpeg(4),
    ];
    for picture in &pictures {
        let image = server.register(picture, "").await;
        images.push(image["id"].as_str().unwrap().to_owned());
    }
    age(&server).await;
    // The original of the second is gone.
    let lost = files(server.folder.path())
        .into_iter()
        .find(|file| fs::read(file).unwrap() == pictures[1]);
    fs::remove_file(lost.unwrap()).unwrap();
    let server = server.restart(&ZONE).await;
    until_filled(&server, 2).await;
    let info = async |n: usize| server.json(&format!("/image/{}/info", images[n])).await;
    assert_eq!(info(0).await["taken_at"], "2024-01-11 10:04:35");
    assert_eq!(info(2).await["taken_at"], "2025-01-11 10:04:35");
    for n in [1, 3] {
        assert_eq!(info(n).await["taken_at"], Value::Null);
    }
    let expected = [3, 1, 2, 0].map(|n: usize| images[n].clone());
    assert_eq!(ids(&server.json("/images?order=taken").await), expected);
}

/// What was filled stays, and what was not is filled by the next server.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn a_kill_in_between_loses_nothing(#[case] kind: Kind) {
    const COUNT: usize = 120;
    let server = start(kind).await;
    let picture = taken(1, "2024:01:11 10:04:35");
    let posts = (0..COUNT).map(|_| server.register_owned(picture.clone()));
    futures_util::future::join_all(posts).await;
    age(&server).await;
    let mut server = server.restart(&ZONE).await;
    let mut before = 0;
    for _ in 0..3 {
        let began = std::time::Instant::now();
        while filled(&server).await == before && before < COUNT {
            assert!(began.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        before = filled(&server).await;
        server.process.kill();
        let expired = "UPDATE etiqueta_lease SET expires_at = 0";
        server.database.execute(expired).await;
        server = server.restart(&ZONE).await;
        let after = filled(&server).await;
        assert!(after >= before, "{after} of {before} are left");
        before = after;
    }
    until_filled(&server, COUNT).await;
    let list = server.json("/images?order=taken").await;
    let mut listed = ids(&list);
    assert!(listed.is_sorted_by(|a, b| a > b), "ties by greatest id");
    listed.dedup();
    assert_eq!(listed.len(), COUNT);
}
