//! A failing folder of originals.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rstest::rstest;
use tempfile::TempDir;
use upstream_fakes::{Fakes, Route};

use super::{Disk, start_by, until};
use crate::{
    crash::site::{files, remains},
    database::Kind,
    pictures::jpeg,
    server::{Server, binary, command, prepared, run},
};

/// The binary as an account that is subject to permissions. Root is not, so it drops that capability.
pub(super) fn bound_by_permissions(folder: &Path) -> Command {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        return command(folder);
    }
    let mut command = prepared(Command::new("setpriv"), folder);
    command
        .arg("--bounding-set=-dac_override,-dac_read_search")
        .arg(binary());
    command
}

fn images(server: &Server) -> PathBuf {
    server.folder.path().join("Images")
}

/// Uploads fail, lists work, and the server reports not ready.
async fn assert_no_uploads(server: &Server) {
    for _ in 0..2 {
        let response = server.post(&jpeg(2), "").await;
        server.assert_no_storage(response).await;
    }
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 1);
    assert_eq!(server.get("/tags").await.status(), 200);
    assert_eq!(server.get("/readyz").await.status(), 503);
    server.assert_lives().await;
}

/// Failed uploads succeed, without asking for their tags again.
async fn assert_back(server: &Server) {
    server.until_back("/readyz").await;
    server.register(&jpeg(2), "").await;
    assert_eq!(server.whole_images().await, 2);
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(calls, 2, "what was paid for is kept");
    server.assert_nothing_half_written().await;
}

#[tokio::test]
async fn cannot_be_made_at_the_start() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("Images"), "in the way").unwrap();
    let (code, _, errors) = run(command(folder.path()));
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("originals.url"), "{errors}");
}

#[tokio::test]
async fn lost_and_back_again() {
    let server = Server::start(Kind::Sqlite).await;
    let image = server.register(&jpeg(1), "").await;
    let away = server.folder.path().join("away");
    fs::rename(images(&server), &away).unwrap();
    assert_no_uploads(&server).await;
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    server.assert_no_storage(server.get(&path).await).await;
    assert!(!images(&server).exists(), "no folder is made in its place");
    fs::rename(&away, images(&server)).unwrap();
    assert_back(&server).await;
}

#[tokio::test]
async fn out_of_space() {
    let disk = Disk::create();
    let url = format!("file:{}", disk.path().join("Images").display());
    let variables = [("ETIQUETA__ORIGINALS__URL", url.as_str())];
    let server = start_by(|folder| disk.command(folder), &variables).await;
    server.register(&jpeg(1), "").await;
    disk.fill(&server);
    assert_no_uploads(&server).await;
    assert_eq!(server.whole_images().await, 1, "reading goes on");
    disk.make_room(&server);
    assert_back(&server).await;
    let remains = remains(&disk.seen_from_outside(&server));
    assert!(remains.is_empty(), "{remains:?}");
}

/// Sets the permissions of a folder and its subfolders, innermost first.
fn permit(folder: &Path, mode: u32) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            permit(&path, mode);
        }
    }
    fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn read_only() {
    let server = start_by(bound_by_permissions, &[]).await;
    server.register(&jpeg(1), "").await;
    permit(&images(&server), 0o555);
    assert_no_uploads(&server).await;
    assert_eq!(server.whole_images().await, 1, "reading goes on");
    permit(&images(&server), 0o755);
    assert_back(&server).await;
}

#[tokio::test]
async fn permission_lost() {
    let server = start_by(bound_by_permissions, &[]).await;
    let image = server.register(&jpeg(1), "").await;
    let allow = |mode| fs::set_permissions(images(&server), Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    assert_no_uploads(&server).await;
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    server.assert_no_storage(server.get(&path).await).await;
    allow(0o755);
    assert_back(&server).await;
}

/// A FIFO without a writer blocks every open, like a file on a dead network disk.
struct Pipe {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Pipe {
    fn in_place_of(path: PathBuf) -> Self {
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        Self { path, bytes }
    }

    /// Unblocks the readers and restores the file.
    fn undo(self) -> Option<File> {
        let mut options = OpenOptions::new();
        // Fails if nothing is blocked.
        let writer = options
            .write(true)
            .custom_flags(O_NONBLOCK)
            .open(&self.path);
        fs::remove_file(&self.path).unwrap();
        fs::write(&self.path, &self.bytes).unwrap();
        writer.ok()
    }
}

const O_NONBLOCK: i32 = 0o4000;

#[rstest]
#[case::one(1)]
#[case::more_than_there_are_places(100)]
#[tokio::test]
async fn hung_and_back_again(#[case] readers: usize) {
    let short = [("ETIQUETA__ORIGINALS__TIMEOUT", "1s")];
    let server = Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), &short).await;
    let image = server.register(&jpeg(1), "").await;
    let original = files(server.folder.path()).remove(0);
    let pipe = Pipe::in_place_of(original);
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    let began = Instant::now();
    let reading = (0..readers).map(|_| server.get(&path));
    let (responses, ()) = tokio::join!(futures_util::future::join_all(reading), async {
        assert_eq!(server.get("/images").await.status(), 200);
        server.assert_lives().await;
    });
    let elapsed = began.elapsed();
    assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
    for response in responses {
        server.assert_no_storage(response).await;
    }
    let writer = pipe.undo();
    assert!(writer.is_some(), "a reader was blocked");
    until(&server, "it is read", async || {
        server.get(&path).await.status() == 200
    })
    .await;
    server.register(&jpeg(2), "").await;
    assert_eq!(server.whole_images().await, 2);
}
