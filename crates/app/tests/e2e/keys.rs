//! API keys: the command line, the first start, and a server that asks for them.

use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Duration};

use reqwest::Method;
use serde_json::Value;
use upstream_fakes::Fakes;

use super::{
    database::Kind,
    pictures::jpeg,
    server::{Server, command, encode, run},
};

/// `etiqueta key …` on the database of a server: exit code, standard output, standard error.
fn key(server: &Server, arguments: &[&str]) -> (i32, String, String) {
    let mut command: Command = command(server.folder.path());
    command
        .arg("key")
        .args(arguments)
        .env("ETIQUETA__DATABASE__URL", server.database.url());
    run(command)
}

async fn status(server: &Server, method: Method, path: &str, key: Option<&str>) -> u16 {
    let request = server.request(method, path);
    let request = match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    request.send().await.unwrap().status().as_u16()
}

/// Makes, uses, lists and revokes a key beside a server that asks for one.
async fn keys_open_a_closed_server(kind: Kind) {
    let fakes = Fakes::start().await.unwrap();
    let closed = [("ETIQUETA__AUTH__REQUIRED", "true")];
    let server = Server::start_with(kind, fakes, &closed).await;
    assert_eq!(status(&server, Method::GET, "/images", None).await, 401);

    let arguments = ["create", "phone", "--scope", "upload", "--expires", "1d"];
    let (code, output, errors) = key(&server, &arguments);
    assert_eq!(code, 0, "{errors}");
    let secret = output.trim_end();
    assert!(secret.starts_with("etq_") && output.lines().count() == 1);
    assert!(!errors.contains(&secret[4..]), "{errors}");

    let body = serde_json::json!({"data": encode(&jpeg(1))});
    let upload = server.request(Method::POST, "/image").json(&body);
    let response = upload.bearer_auth(secret).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        status(&server, Method::GET, "/images", Some(secret)).await,
        403
    );

    let (_, listed, _) = key(&server, &["list", "--json"]);
    let line = listed.lines().find(|line| line.contains("phone")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert!(line["last_used"].is_string(), "{line}");
    assert!(!listed.contains(&secret[4..]), "{listed}");

    let id = line["id"].as_str().unwrap();
    assert_eq!(key(&server, &["revoke", id]).0, 0);
    assert_eq!(key(&server, &["revoke", id]).0, 2);
    assert_eq!(
        status(&server, Method::GET, "/images", Some(secret)).await,
        401
    );
    let log = server.process.log();
    assert!(!log.contains(&secret[4..]), "{log}");
}

#[tokio::test]
async fn keys_open_a_closed_server_on_sqlite() {
    keys_open_a_closed_server(Kind::Sqlite).await;
}

#[tokio::test]
async fn keys_open_a_closed_server_on_mysql() {
    keys_open_a_closed_server(Kind::Mysql).await;
}

/// The file is beside the database of SQLite, or in the folder `data`.
async fn the_first_start_leaves_an_admin_key(kind: Kind) {
    let fakes = Fakes::start().await.unwrap();
    let writes = [("ETIQUETA__AUTH__REQUIRED", "writes")];
    let server = Server::start_with(kind, fakes, &writes).await;
    let folder = server.folder.path();
    let places = [folder.join("admin.key"), folder.join("data/admin.key")];
    let mut found = None;
    for _ in 0..500 {
        let text = |path: &std::path::PathBuf| fs::read_to_string(path).ok();
        found = places
            .iter()
            .find(|path| text(path).is_some_and(|it| it.ends_with('\n')));
        if found.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let file = found.unwrap_or_else(|| panic!("no key:\n{}", server.process.log()));
    let mode = fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = fs::read_to_string(file).unwrap();
    let secret = secret.trim_end();
    let mut is_recorded = false;
    for _ in 0..500 {
        is_recorded = status(&server, Method::GET, "/keys", Some(secret)).await == 200;
        if is_recorded {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(is_recorded, "{}", server.process.log());
    assert_eq!(status(&server, Method::GET, "/keys", None).await, 401);
    assert_eq!(status(&server, Method::GET, "/images", None).await, 200);
    let log = server.process.log();
    assert!(
        log.contains("admin.key") && !log.contains(&secret[4..]),
        "{log}"
    );

    fs::remove_file(file).unwrap();
    let file = file.clone();
    let server = server.restart(&writes).await;
    assert_eq!(
        status(&server, Method::GET, "/keys", Some(secret)).await,
        200
    );
    assert!(!file.exists(), "another key was made");
}

#[tokio::test]
async fn the_first_start_leaves_an_admin_key_beside_sqlite() {
    the_first_start_leaves_an_admin_key(Kind::Sqlite).await;
}

#[tokio::test]
async fn the_first_start_leaves_an_admin_key_in_the_data_folder() {
    the_first_start_leaves_an_admin_key(Kind::Mysql).await;
}

/// As it comes, on loopback: no key, no file, no warning.
#[tokio::test]
async fn a_server_on_loopback_takes_no_key() {
    let server = Server::start(Kind::Sqlite).await;
    assert_eq!(status(&server, Method::GET, "/images", None).await, 200);
    assert_eq!(status(&server, Method::GET, "/keys", None).await, 401);
    assert!(!server.folder.path().join("admin.key").exists());
    assert!(!server.folder.path().join("data/admin.key").exists());
    let log = server.process.log();
    assert!(!log.contains("auth.required"), "{log}");
}

#[tokio::test]
async fn an_open_server_beyond_loopback_is_warned_about_once() {
    let fakes = Fakes::start().await.unwrap();
    let variables = [
        ("ETIQUETA__AUTH__REQUIRED", "false"),
        ("ETIQUETA__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = Server::start_with(Kind::Sqlite, fakes, &variables).await;
    let log = server.process.log();
    assert_eq!(log.matches("auth.required is false").count(), 1, "{log}");
    assert_eq!(status(&server, Method::GET, "/images", None).await, 200);
}

#[tokio::test]
async fn the_admin_key_of_the_settings_needs_no_file() {
    let fakes = Fakes::start().await.unwrap();
    let admin = "an-admin-key-of-32-characters-!?";
    let variables = [
        ("ETIQUETA__AUTH__REQUIRED", "true"),
        ("ETIQUETA__AUTH__ADMIN_KEY", admin),
    ];
    let server = Server::start_with(Kind::Sqlite, fakes, &variables).await;
    assert_eq!(
        status(&server, Method::GET, "/keys", Some(admin)).await,
        200
    );
    let keys = server.request(Method::GET, "/keys").bearer_auth(admin);
    let keys: Value = keys.send().await.unwrap().json().await.unwrap();
    assert_eq!(keys, serde_json::json!([]));
    assert!(!server.process.log().contains(admin));
}

#[test]
fn keys_need_a_schema() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut command = command(folder.path());
    command.args(["key", "list"]);
    let (code, _, errors) = run(command);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("etiqueta migrate"), "{errors}");
}
