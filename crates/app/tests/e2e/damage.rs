//! Originals lost or altered on the disk: found by a read or a check, restored by an upload.

use std::{
    fs,
    path::{Path, PathBuf},
};

use reqwest::Response;
use rstest::rstest;
use serde_json::Value;
use upstream_fakes::Route;

use super::{
    crash::site::files,
    database::Kind,
    pictures::{file, jpeg},
    server::{Server, command, decode, run},
};

/// What happens to the file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Missing,
    Truncated,
    Longer,
    Altered,
}

impl Damage {
    fn inflict(self, original: &Path) {
        let mut bytes = fs::read(original).unwrap();
        match self {
            Self::Missing => return fs::remove_file(original).unwrap(),
            Self::Truncated => bytes.truncate(100),
            Self::Longer => bytes.push(0),
            Self::Altered => bytes[50] ^= 1,
        }
        fs::write(original, bytes).unwrap();
    }
}

fn original(server: &Server) -> PathBuf {
    files(server.folder.path()).remove(0)
}

fn path_of(image: &Value) -> String {
    format!("/image/{}", image["id"].as_str().unwrap())
}

/// Large originals are streamed: their response is cut off.
async fn is_refused(response: Response) -> bool {
    response.status() == 500 || response.bytes().await.is_err()
}

async fn assert_mended_by_an_upload(server: &Server, image: &Value, picture: &[u8]) {
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    let again = server.register(picture, "").await;
    for image in [image, &again] {
        let found = server.json(&path_of(image)).await;
        assert_eq!(decode(&found["data"]), picture);
    }
    assert_eq!(fs::read(original(server)).unwrap(), picture);
    let now = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(now, calls, "its tags are known");
}

#[rstest]
#[tokio::test]
async fn a_damaged_original_is_put_again_after_a_read(
    #[values(Kind::Sqlite, Kind::Mysql)] kind: Kind,
    #[values(Damage::Missing, Damage::Truncated, Damage::Longer, Damage::Altered)] damage: Damage,
    #[values(false, true)] is_large: bool,
) {
    let picture = if is_large {
        file(image::ImageFormat::Bmp, 400, 300, 7)
    } else {
        jpeg(1)
    };
    let server = Server::start(kind).await;
    let image = server.register(&picture, "").await;
    damage.inflict(&original(&server));
    for _ in 0..2 {
        assert!(is_refused(server.get(&path_of(&image)).await).await);
    }
    // The note is in the database.
    let server = server.restart(&[]).await;
    assert_mended_by_an_upload(&server, &image, &picture).await;
}

#[tokio::test]
async fn a_sound_original_is_not_written_again() {
    let server = Server::start(Kind::Sqlite).await;
    let image = server.register(&jpeg(1), "").await;
    Damage::Altered.inflict(&original(&server));
    assert!(is_refused(server.get(&path_of(&image)).await).await);
    assert_mended_by_an_upload(&server, &image, &jpeg(1)).await;
    let written = fs::metadata(original(&server)).unwrap().modified().unwrap();
    server.register(&jpeg(1), "").await;
    let now = fs::metadata(original(&server)).unwrap().modified().unwrap();
    assert_eq!(now, written);
}

#[rstest]
#[tokio::test]
async fn a_damaged_original_is_put_again_after_a_check(
    #[values(Kind::Sqlite, Kind::Mysql)] kind: Kind,
) {
    let server = Server::start(kind).await;
    let image = server.register(&jpeg(1), "").await;
    Damage::Altered.inflict(&original(&server));
    let mut check = command(server.folder.path());
    check
        .env("ETIQUETA__DATABASE__URL", server.database.url())
        .arg("check");
    let (code, output, errors) = run(check);
    assert_eq!(code, 4, "{output}{errors}");
    assert!(output.starts_with("altered-original: "), "{output}");
    assert_mended_by_an_upload(&server, &image, &jpeg(1)).await;
}
