//! Starting, stopping, health.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use upstream_fakes::{Fakes, Fault, Route};

use super::{
    database::{Database, Kind},
    pictures::jpeg,
    server::{Process, Server, command, run},
};

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn says_that_it_lives_and_is_ready(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    assert_eq!(server.get("/livez").await.status(), 200);
    let ready = server.json("/readyz").await;
    assert!(ready.is_object(), "{ready}");
    assert!(server.get("/docs").await.status().is_success());
    let openapi = server.json("/openapi.json").await;
    assert_eq!(
        openapi["openapi"]
            .as_str()
            .unwrap()
            .split('.')
            .take(2)
            .collect::<Vec<_>>(),
        ["3", "1"]
    );
}

/// The documented example must work when copied.
#[tokio::test]
async fn the_example_of_an_upload_is_taken() {
    let server = Server::start(Kind::Sqlite).await;
    let document = server.json("/openapi.json").await;
    let data = &document["components"]["schemas"]["Upload"]["properties"]["data"]["example"];
    let answer = server.post_data(data.as_str().unwrap(), "").await;
    assert_eq!(answer.status(), 200, "{data}");
}

#[rstest]
#[case("TERM")]
#[case("INT")]
#[tokio::test]
async fn a_signal_lets_requests_in_progress_finish(#[case] signal: &str) {
    let fakes = Fakes::builder()
        .latency(Duration::from_millis(400))
        .start()
        .await
        .unwrap();
    let mut server = Server::start_with(Kind::Sqlite, fakes, &[]).await;
    let post = tokio::spawn(server.post_soon(&jpeg(1)));
    while server.fakes.imagekit().traffic().calls(Route::Upload) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.process.signal(signal);
    assert_eq!(post.await.unwrap().expect("an answer").status(), 200);
    let status = server.process.wait(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0), "{}", server.process.log());
    assert_eq!(
        server.fakes.imagekit().alive(),
        0,
        "what was hosted is released before the end"
    );
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn two_servers_may_start_at_once_on_one_database(#[case] kind: Kind) {
    let folder = Arc::new(TempDir::new().unwrap());
    let database = Arc::new(Database::create(kind, folder.path()).await);
    let start = async || {
        let fakes = Fakes::start().await.unwrap();
        Server::start_on(database.clone(), folder.clone(), fakes, &[]).await
    };
    let (one, two) = tokio::join!(start(), start());
    let image = one.register(&jpeg(1), "").await;
    assert_eq!(
        two.json(&format!("/image/{}", image["id"].as_str().unwrap()))
            .await,
        image
    );
    two.register(&jpeg(1), "").await;
    assert_eq!(
        two.fakes.imagekit().uploads(),
        0,
        "what one has asked the other knows"
    );
}

#[tokio::test]
async fn the_tables_of_the_flask_program_are_left_alone() {
    let folder = Arc::new(TempDir::new().unwrap());
    let database = Arc::new(Database::create(Kind::Mysql, folder.path()).await);
    for statement in [
        "CREATE TABLE pictures (id CHAR(36) PRIMARY KEY, path VARCHAR(255), date VARCHAR(19))",
        "CREATE TABLE tags (tag VARCHAR(32), picture_id CHAR(36), confidence FLOAT)",
        "INSERT INTO pictures VALUES ('a', 'b', 'c')",
    ] {
        database.execute(statement).await;
    }
    let fakes = Fakes::start().await.unwrap();
    let server = Server::start_on(database.clone(), folder, fakes, &[]).await;
    server.register(&jpeg(1), "").await;
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 1);
    database
        .execute("INSERT INTO pictures SELECT 'x', path, date FROM pictures WHERE id = 'a'")
        .await;
}

#[tokio::test]
async fn a_database_that_is_down_at_the_start_is_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let fakes = Fakes::start().await.unwrap();
    let folder = TempDir::new().unwrap();
    let mut command = command(folder.path());
    command.envs(fakes.variables());
    command.env(
        "ETIQUETA__DATABASE__URL",
        format!("mysql://etiqueta:secret@{free}/etiqueta"),
    );
    let process = Process::start(command);
    let get = async |path: &str| {
        reqwest::get(format!("{}{path}", process.origin))
            .await
            .unwrap()
    };
    assert_eq!(get("/livez").await.status(), 200);
    assert_eq!(get("/readyz").await.status(), 503);
    let response = get("/images").await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "storage-unavailable");
    assert!(!process.log().contains("secret"), "{}", process.log());
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn no_migrate_requires_a_migrated_database(#[case] kind: Kind) {
    let fakes = Fakes::start().await.unwrap();
    let folder = TempDir::new().unwrap();
    let database = Database::create(kind, folder.path()).await;
    let prepared = |arguments: &[&str]| {
        let mut command = command(folder.path());
        command
            .envs(fakes.variables())
            .env("ETIQUETA__DATABASE__URL", database.url());
        command.args(arguments);
        command
    };
    let (code, _, errors) = run(prepared(&["serve", "--no-migrate"]));
    assert_ne!(code, 0);
    assert!(errors.contains("etiqueta migrate"), "{errors}");
    assert_eq!(run(prepared(&["migrate"])).0, 0);
    assert_eq!(
        run(prepared(&["migrate"])).0,
        0,
        "a second time does nothing"
    );
    let process = Process::start(prepared(&["serve", "--no-migrate"]));
    let ready = async || {
        reqwest::get(format!("{}/readyz", process.origin))
            .await
            .unwrap()
            .status()
    };
    let began = Instant::now();
    while ready().await != 200 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{}",
            process.log()
        );
    }
}

#[tokio::test]
async fn slow_body_gets_408_and_delays_no_other() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let variables = [("ETIQUETA__LIMITS__REQUEST_TIMEOUT", "1s")];
    let server = Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), &variables).await;
    let address = server
        .process
        .origin
        .trim_start_matches("http://")
        .to_owned();
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /image HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\n\r\n{\"data\": \"";
    slow.write_all(head.as_bytes()).await.unwrap();
    server.register(&jpeg(1), "").await;
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn secrets_reach_neither_the_log_nor_a_client() {
    let fakes = Fakes::builder()
        .private_key("private_s3cr3t_host")
        .api_key("key_s3cr3t", "s3cr3t_tagger")
        .start()
        .await
        .unwrap();
    let loud = [("ETIQUETA__LOG__FILTER", "debug")];
    let server = Server::start_with(Kind::Mysql, fakes, &loud).await;
    server.register(&jpeg(1), "").await;
    server
        .fakes
        .imagga()
        .traffic()
        .fail_next(Route::Tags, Fault::status(401));
    server.post(&jpeg(2), "").await;
    let log = server.process.log();
    assert!(!log.contains("s3cr3t"), "{log}");
    assert!(log.lines().count() > 5);
}

/// The permissions of everything in the server's working folder.
fn permissions(folder: &Path) -> BTreeSet<u32> {
    let entries = walkdir::WalkDir::new(folder).min_depth(1).into_iter();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
        .collect()
}

#[rstest]
#[case::by_default(&[], [0o600, 0o700])]
#[case::as_it_was(&[("ETIQUETA__SERVER__UMASK", "022")], [0o644, 0o755])]
#[tokio::test]
async fn files_are_for_the_account_alone_unless_that_is_set(
    #[case] variables: &[(&str, &str)],
    #[case] expected: [u32; 2],
) {
    let fakes = Fakes::start().await.unwrap();
    let server = Server::start_with(Kind::Sqlite, fakes, variables).await;
    server.register(&jpeg(1), "").await;
    let found = permissions(server.folder.path());
    assert_eq!(found, BTreeSet::from(expected));
    assert!(!server.process.log().contains("server.umask"));
}

#[tokio::test]
async fn wider_permissions_are_reported_once_and_left() {
    let wide = [("ETIQUETA__SERVER__UMASK", "022")];
    let fakes = Fakes::start().await.unwrap();
    let server = Server::start_with(Kind::Sqlite, fakes, &wide).await;
    server.register(&jpeg(1), "").await;
    let before = permissions(server.folder.path());
    let server = server.restart(&[]).await;
    let log = server.process.log();
    let warnings: Vec<&str> = log.lines().filter(|l| l.contains("server.umask")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    for path in ["etiqueta.db (644)", "Images (755)"] {
        assert!(warnings[0].contains(path), "{warnings:?}");
    }
    assert!(permissions(server.folder.path()).is_superset(&before));
}
