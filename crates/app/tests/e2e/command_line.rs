//! The other commands, and starts that are refused.

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use upstream_fakes::Fakes;

use super::{
    pictures::jpeg,
    server::{Process, command, run},
};

fn with(folder: &TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = command(folder.path());
    command.args(arguments).envs(variables.iter().copied());
    command
}

/// The last line on standard error of a refused start; the exit code must not be 0.
fn refusal(command: Command) -> String {
    let (code, _, errors) = run(command);
    assert_eq!(code, 2, "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

#[test]
fn invalid_settings_stop_the_start_with_one_line() {
    let folder = TempDir::new().unwrap();
    for (name, value, key) in [
        ("ETIQUETA__SERVER__PROT", "1", "server.prot"),
        ("ETIQUETA__SERVER__PORT", "http", "server.port"),
        (
            "ETIQUETA__SERVER__TIMEZONE",
            "Mars/Olympus",
            "server.timezone",
        ),
        (
            "ETIQUETA__TAGGING__MIN_CONFIDENCE",
            "101",
            "tagging.min_confidence",
        ),
        ("ETIQUETA__TAGGING__PROVIDER", "magic", "tagging.provider"),
        ("ETIQUETA__UPKEEP__INTERVAL", "soon", "upkeep.interval"),
        ("ETIQUETA__DATABASE__URL", "postgres://x", "database.url"),
        ("ETIQUETA__ORIGINALS__URL", "ftp://x", "originals.url"),
    ] {
        let account = [
            ("ETIQUETA__IMAGGA__API_KEY", "key"),
            ("ETIQUETA__IMAGGA__API_SECRET", "secret"),
        ];
        let line = refusal(with(
            &folder,
            &["serve"],
            &[&account[..], &[(name, value)]].concat(),
        ));
        assert!(line.to_lowercase().contains(key), "{name}={value}: {line}");
    }
    fs::write(folder.path().join("etiqueta.toml"), "[server]\nprot = 1\n").unwrap();
    let line = refusal(with(&folder, &[], &[]));
    assert!(
        line.contains("prot") && line.contains("etiqueta.toml"),
        "{line}"
    );
}

#[tokio::test]
async fn the_seeds_files_and_variables_are_enough() {
    let fakes = Fakes::start().await.unwrap();
    let folder = TempDir::new().unwrap();
    let credentials = serde_json::json!({
        "imagekitio": {
            "public_key": "public", "url_endpoint": "https://ik.imagekit.io/demo",
            "private_key": fakes.imagekit().private_key(),
        },
        "imaggan": { "api_key": fakes.imagga().api_key(), "api_secret": fakes.imagga().api_secret() },
    });
    fs::write(
        folder.path().join("credentials.json"),
        credentials.to_string(),
    )
    .unwrap();
    let variables = [
        ("IMAGE_FOLDER", "Pictures"),
        ("ETIQUETA__IMAGGA__BASE_URL", fakes.imagga().url()),
        (
            "ETIQUETA__IMAGEKIT__UPLOAD_URL",
            fakes.imagekit().upload_url(),
        ),
        ("ETIQUETA__IMAGEKIT__API_URL", fakes.imagekit().api_url()),
    ];
    let process = Process::start(with(&folder, &[], &variables));
    let body = serde_json::json!({ "data": super::server::encode(&jpeg(1)) });
    let client = reqwest::Client::new();
    let post = client.post(format!("{}/image", process.origin)).json(&body);
    assert_eq!(post.send().await.unwrap().status(), 200);
    assert_eq!(fakes.imagekit().uploads(), 1);
    assert!(
        folder
            .path()
            .join("Pictures")
            .read_dir()
            .unwrap()
            .next()
            .is_some()
    );
    assert!(!folder.path().join("Images").exists());
}

#[tokio::test]
async fn config_prints_what_is_in_force_without_secrets() {
    let fakes = Fakes::builder()
        .api_key("my_key", "s3cr3t")
        .start()
        .await
        .unwrap();
    let folder = TempDir::new().unwrap();
    let mut command = with(
        &folder,
        &["config"],
        &[(
            "ETIQUETA__DATABASE__URL",
            "mysql://me:s3cr3t@db:3306/etiqueta",
        )],
    );
    command.envs(fakes.variables());
    let (code, output, errors) = run(command);
    assert_eq!(code, 0, "{errors}");
    assert!(
        output.contains("mysql://me:") && output.contains("timezone"),
        "{output}"
    );
    assert!(!output.contains("s3cr3t"), "{output}");
}

#[test]
fn secrets_are_read_from_files_and_not_printed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("key"), "s3cr3t\n").unwrap();
    let name = "ETIQUETA__IMAGEKIT__PRIVATE_KEY_FILE";
    let (code, output, errors) = run(with(&folder, &["config"], &[(name, "key")]));
    assert_eq!(code, 0, "{errors}");
    let line = "private_key = \"********\" # key\n";
    assert!(
        output.contains(line) && !output.contains("s3cr3t"),
        "{output}"
    );
    let line = refusal(with(&folder, &["config"], &[(name, "nowhere")]));
    assert!(
        line.starts_with("etiqueta: imagekit.private_key_file: nowhere cannot be read: "),
        "{line}"
    );
}

#[test]
fn openapi_prints_the_description_of_the_interface() {
    let folder = TempDir::new().unwrap();
    let (code, output, errors) = run(with(&folder, &["openapi"], &[]));
    assert_eq!(code, 0, "{errors}");
    let document: Value = serde_json::from_str(&output).unwrap();
    for path in ["/image", "/images", "/image/{id}", "/tags"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

#[tokio::test]
async fn tag_prints_tags_and_stores_nothing() {
    let fakes = Fakes::start().await.unwrap();
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("good.jpg"), jpeg(1)).unwrap();
    fs::write(folder.path().join("bad.jpg"), "no picture").unwrap();
    let files = ["good.jpg", "bad.jpg", "missing.jpg"];
    let arguments = [&["tag", "--json", "--min-confidence", "50"], &files[..]].concat();
    let mut command = with(&folder, &arguments, &[]);
    command.envs(fakes.variables());
    let (code, output, errors) = run(command);
    assert_eq!(code, 1, "{errors}");
    let lines: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{output}");
    for (line, file) in lines.iter().zip(files) {
        assert_eq!(line["file"], file);
        assert_eq!(line.as_object().unwrap().len(), 2);
    }
    let tags = lines[0]["tags"].as_array().unwrap();
    assert!(!tags.is_empty());
    assert!(
        tags.iter()
            .all(|tag| tag["confidence"].as_f64().unwrap() >= 50.0)
    );
    assert!(lines[1]["error"].is_string() && lines[2]["error"].is_string());
    let left: Vec<_> = folder
        .path()
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(fakes.imagekit().alive(), 0, "nothing is left public");
}
