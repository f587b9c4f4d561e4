//! `etiqueta backup`, and restores from it.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use tempfile::TempDir;

use super::{
    database::{Database, Kind},
    pictures::jpeg,
    server::{Process, Server, command, run},
};

/// `etiqueta backup copy.db` in a folder, on a database.
fn backup(folder: &Path, database: &str) -> (i32, String, String) {
    let mut command = command(folder);
    command.args(["backup", "copy.db"]);
    run({
        command.env("ETIQUETA__DATABASE__URL", database);
        command
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_copy_made_while_others_post_serves_all_that_was_there() {
    let server = Server::start(Kind::Sqlite).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(server.register(&jpeg(number), "").await["id"].clone());
    }
    let posts: Vec<_> = (20..40)
        .map(|number| server.post_soon(&jpeg(number)))
        .collect();
    let posting = tokio::spawn(async move {
        for post in posts {
            assert_eq!(post.await.expect("an answer").status(), 200);
        }
    });
    let folder = server.folder.clone();
    let url = server.database.url().to_owned();
    let (code, output, errors) = tokio::task::spawn_blocking(move || backup(folder.path(), &url))
        .await
        .unwrap();
    assert_eq!(code, 0, "{errors}");
    posting.await.unwrap();
    let images: usize = output.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((20..=40).contains(&images), "{output}");
    let copy = server.folder.path().join("copy.db");
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let restored = format!("sqlite://{}", copy.display());
    let mut command = command(server.folder.path());
    command.env("ETIQUETA__DATABASE__URL", &restored);
    command.envs(server.fakes.variables());
    let process = Process::start(command);
    let url = format!("{}/images?limit=1000", process.origin);
    let listed = server.client.get(url).send().await.unwrap();
    let listed: Vec<serde_json::Value> = listed.json().await.unwrap();
    assert_eq!(listed.len(), images);
    for id in ids {
        assert!(
            listed.iter().any(|image| image["id"] == id),
            "{id} is missing"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_there_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let database = Database::create(Kind::Sqlite, folder.path()).await;
    fs::write(folder.path().join("copy.db"), "mine").unwrap();
    let before = names(folder.path());
    run({
        let mut command = command(folder.path());
        command
            .arg("migrate")
            .env("ETIQUETA__DATABASE__URL", database.url());
        command
    });
    let (code, _, errors) = backup(folder.path(), database.url());
    assert_eq!((code, errors.lines().count()), (1, 1), "{errors}");
    assert!(errors.contains("copy.db is there already"), "{errors}");
    assert_eq!(fs::read(folder.path().join("copy.db")).unwrap(), b"mine");
    assert!(before.contains(&"copy.db".to_owned()));
}

#[tokio::test]
async fn a_damaged_database_leaves_no_copy() {
    let server = Server::start(Kind::Sqlite).await;
    for number in 0..30 {
        server.register(&jpeg(number), "").await;
    }
    let (folder, url) = (Arc::clone(&server.folder), server.database.url().to_owned());
    let path = url.strip_prefix("sqlite://").unwrap().to_owned();
    drop(server);
    // Into the file itself, which a checkpoint would otherwise mend.
    run({
        let mut command = command(folder.path());
        command
            .args(["key", "list"])
            .env("ETIQUETA__DATABASE__URL", &url);
        command
    });
    let file = OpenOptions::new()
        .write(true)
        .open(folder.path().join(&path))
        .unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in 2..pages {
        file.write_all_at(&[0xa5; 64], page * 4096).unwrap();
    }
    let (code, _, errors) = backup(folder.path(), &url);
    assert_eq!((code, errors.lines().count()), (1, 1), "{errors}");
    let left = names(folder.path());
    assert!(
        !left.iter().any(|name| name.contains("copy.db")),
        "{left:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_copied_is_told() {
    let folder = TempDir::new().unwrap();
    let database = Database::create(Kind::Mysql, folder.path()).await;
    let migrate = |url: &str| {
        let mut command = command(folder.path());
        command.arg("migrate").env("ETIQUETA__DATABASE__URL", url);
        assert_eq!(run(command).0, 0);
    };
    migrate(database.url());
    let (code, _, errors) = backup(folder.path(), database.url());
    assert_eq!(code, 1);
    assert!(
        errors.contains("is a server") && errors.contains("mariadb-dump"),
        "{errors}"
    );
    let (code, _, errors) = backup(folder.path(), "sqlite://nowhere.db");
    assert_eq!(code, 1);
    assert!(
        errors.contains("there is no database nowhere.db"),
        "{errors}"
    );
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

/// The new program makes the backup before it upgrades the database.
#[tokio::test]
async fn a_database_of_an_earlier_version_is_copied() {
    let server = Server::start(Kind::Sqlite).await;
    server.register(&jpeg(1), "").await;
    let (folder, url) = (Arc::clone(&server.folder), server.database.url().to_owned());
    server
        .database
        .execute("DELETE FROM __diesel_schema_migrations WHERE version = (SELECT MAX(version) FROM __diesel_schema_migrations)")
        .await;
    drop(server);
    let (code, output, errors) = backup(folder.path(), &url);
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains(" 1 images"), "{output}");
}
