//! An embedded database whose file cannot be used.

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use upstream_fakes::{Fakes, Route};

use super::{Disk, originals::bound_by_permissions, start_by, until};
use crate::{
    database::{Database, Kind},
    pictures::jpeg,
    server::{Server, command, run},
};

/// Another process that locks the file, until this is dropped.
struct Holder(Child);

impl Holder {
    fn hold(file: &Path) -> Self {
        const PROGRAM: &str = "import sqlite3, sys\n\
            c = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
            c.execute('BEGIN IMMEDIATE')\n\
            print('held', flush=True)\n\
            sys.stdin.read()";
        let python = std::env::var("ETIQUETA_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut child = Command::new(python)
            .args(["-c", PROGRAM])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn file(server: &Server) -> std::path::PathBuf {
    server.folder.path().join("data/etiqueta.db")
}

#[tokio::test]
async fn held_by_another_program() {
    let short = [("ETIQUETA__DATABASE__TIMEOUT", "1s")];
    let server = Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), &short).await;
    server.register(&jpeg(1), "").await;
    let holder = Holder::hold(&file(&server));
    let began = Instant::now();
    // One waits for the file lock, the others for the single writing connection.
    let pictures = [2, 3, 4].map(jpeg);
    let posts = pictures.iter().map(|picture| server.post(picture, ""));
    for response in futures_util::future::join_all(posts).await {
        server.assert_no_storage(response).await;
    }
    let elapsed = began.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    assert_eq!(server.whole_images().await, 1, "reading goes on");
    server.assert_lives().await;
    drop(holder);
    server.until_uploads_work(&jpeg(2)).await;
    assert_eq!(server.whole_images().await, 2);
    server.assert_nothing_half_written().await;
}

#[tokio::test]
async fn held_for_a_moment() {
    let server = Server::start(Kind::Sqlite).await;
    let holder = Holder::hold(&file(&server));
    let post = tokio::spawn(server.post_soon(&jpeg(1)));
    until(&server, "it was tagged", async || {
        server.fakes.imagga().traffic().calls(Route::Tags) == 1
    })
    .await;
    drop(holder);
    assert_eq!(post.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.whole_images().await, 1);
}

#[tokio::test]
async fn out_of_space() {
    let disk = Disk::create();
    let url = format!("sqlite://{}", disk.path().join("etiqueta.db").display());
    let variables = [("ETIQUETA__DATABASE__URL", url.as_str())];
    let server = start_by(|folder| disk.command(folder), &variables).await;
    server.register(&jpeg(1), "").await;
    disk.fill(&server);
    for seed in [2, 3, 2] {
        let response = server.post(&jpeg(seed), "").await;
        server.assert_no_storage(response).await;
    }
    server.until_logged("full").await;
    assert_eq!(server.whole_images().await, 1, "reading goes on");
    server.assert_lives().await;
    disk.make_room(&server);
    server.register(&jpeg(2), "").await;
    assert_eq!(server.whole_images().await, 2);
    server.assert_nothing_half_written().await;
}

/// No upload may be acknowledged that would be lost at the next start.
async fn assert_no_uploads_until_it_is_back(server: &Server, away: &Path) {
    for seed in [1, 2] {
        let response = server.post(&jpeg(seed), "").await;
        server.assert_no_storage(response).await;
    }
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    server.until_logged("was removed or replaced").await;
    server.assert_lives().await;
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(calls, 1, "nothing is tagged that cannot be kept");
    fs::rename(away, file(server)).unwrap();
    server.until_back("/readyz").await;
    server.register(&jpeg(2), "").await;
    assert_eq!(server.whole_images().await, 2);
}

#[tokio::test]
async fn removed_and_put_back() {
    let server = Server::start(Kind::Sqlite).await;
    server.register(&jpeg(1), "").await;
    let away = server.folder.path().join("away.db");
    fs::rename(file(&server), &away).unwrap();
    assert_no_uploads_until_it_is_back(&server, &away).await;
}

#[tokio::test]
async fn removed_with_its_folder() {
    let server = Server::start(Kind::Sqlite).await;
    server.register(&jpeg(1), "").await;
    let (data, away) = (
        server.folder.path().join("data"),
        server.folder.path().join("away"),
    );
    fs::rename(&data, &away).unwrap();
    let response = server.post(&jpeg(2), "").await;
    server.assert_no_storage(response).await;
    assert!(!data.exists(), "no other database is made in its place");
    fs::rename(&away, &data).unwrap();
    server.until_back("/readyz").await;
    server.register(&jpeg(2), "").await;
    assert_eq!(server.whole_images().await, 2);
}

#[tokio::test]
async fn replaced_and_put_back() {
    let server = Server::start(Kind::Sqlite).await;
    server.register(&jpeg(1), "").await;
    let away = server.folder.path().join("away.db");
    fs::rename(file(&server), &away).unwrap();
    fs::copy(&away, file(&server)).unwrap();
    assert_no_uploads_until_it_is_back(&server, &away).await;
}

#[tokio::test]
async fn cannot_be_opened_at_the_start() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("data"), "in the way").unwrap();
    let (code, _, errors) = run(command(folder.path()));
    assert_ne!(code, 0);
    assert!(errors.contains("database"), "{errors}");
}

/// An open file stays usable, whatever its permissions; the next start is what matters.
#[tokio::test]
async fn read_only_at_the_start() {
    let folder = Arc::new(TempDir::new().unwrap());
    let database = Arc::new(Database::create(Kind::Sqlite, folder.path()).await);
    let start = async || {
        let fakes = Fakes::start().await.unwrap();
        Server::start_on(database.clone(), folder.clone(), fakes, &[]).await
    };
    let mut server = start().await;
    server.register(&jpeg(1), "").await;
    server.process.signal("TERM");
    server.process.wait(Duration::from_secs(20));
    let data = folder.path().join("data");
    let allow = |folder: u32, file: u32| {
        fs::set_permissions(data.join("etiqueta.db"), Permissions::from_mode(file)).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(folder)).unwrap();
    };
    allow(0o555, 0o444);
    let mut refused = bound_by_permissions(folder.path());
    refused.env("ETIQUETA__DATABASE__URL", database.url());
    let (code, _, errors) = run(refused);
    assert_ne!(code, 0);
    assert!(errors.contains("database"), "{errors}");
    allow(0o755, 0o644);
    assert_eq!(start().await.whole_images().await, 1);
}
