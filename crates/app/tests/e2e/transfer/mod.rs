//! `etiqueta export` and `etiqueta import --from-export`, on the binary.

mod broken;
mod interrupted;
mod moved;
mod written;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use upstream_fakes::{Fakes, Route};
use walkdir::WalkDir;

use super::{
    database::{Database, Kind},
    pictures::{jpeg, taken},
    server::{Server, command, run},
};

/// A store without a server.
struct Store {
    database: Arc<Database>,
    folder: Arc<TempDir>,
    variables: Vec<(String, String)>,
}

impl Store {
    async fn create(kind: Kind) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let database = Arc::new(Database::create(kind, folder.path()).await);
        Self {
            database,
            folder,
            variables: Vec::new(),
        }
    }

    /// The store of a server, which is stopped.
    fn of(server: &mut Server) -> Self {
        server.process.kill();
        Self {
            database: server.database.clone(),
            folder: server.folder.clone(),
            variables: Vec::new(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path());
        command
            .args(arguments)
            .envs(self.variables.iter().cloned())
            .env("ETIQUETA__DATABASE__URL", self.database.url());
        command
    }

    /// Runs a command, which must succeed without a word on standard error.
    fn done(&self, arguments: &[&str]) -> String {
        let (code, out, errors) = run(self.command(arguments));
        assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?}: {out}");
        out
    }

    fn export(&self) -> String {
        self.done(&["export"])
    }

    /// The summary of an import, which must succeed.
    fn import(&self, file: &Path, arguments: &[&str]) -> Value {
        let import = ["import", "--json", "--from-export", text(file)];
        let out = self.done(&[&import[..], arguments].concat());
        let summary: Value = serde_json::from_str(out.trim()).unwrap();
        summary["summary"].clone()
    }

    async fn serve(&self) -> Server {
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let fakes = Fakes::start().await.unwrap();
        Server::start_on(
            self.database.clone(),
            self.folder.clone(),
            fakes,
            &variables,
        )
        .await
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What was imported, was there, left out and failed.
fn counts(tally: &Value) -> [u64; 4] {
    ["imported", "present", "left_out", "failed"].map(|name| tally[name].as_u64().unwrap())
}

/// Names of files with every character that is allowed in them.
const NAMES: [&str; 4] = [
    "=HYPERLINK(\"x\"),'; ñ.jpg",
    " \u{1b}[31m\u{7f}\ttab.jpg",
    "line\nfeed\r\\ \u{2028}😀.jpg",
    "-plain,\"quoted\".jpg",
];

/// A server with images of all kinds: uploaded and imported, several of one original, edited, rejected, tagged by a file,
/// without a stored answer; and with a vocabulary.
async fn filled(kind: Kind) -> Server {
    let server = Server::start(kind).await;
    let mut images = Vec::new();
    for seed in [1, 2, 2, 2, 3] {
        images.push(server.register(&jpeg(seed), "?min_confidence=10").await);
    }
    images.push(server.register(&taken(9, "2019:05:06 07:08:09"), "").await);
    let photos = server.folder.path().join("photos");
    fs::create_dir_all(&photos).unwrap();
    for (name, seed) in NAMES.iter().zip([1, 5, 6, 6]) {
        fs::write(photos.join(name), jpeg(seed)).unwrap();
    }
    let mut import = command(server.folder.path());
    import
        .args(["import", "photos"])
        .envs(server.fakes.variables())
        .env("ETIQUETA__DATABASE__URL", server.database.url());
    let (code, out, errors) = run(import);
    assert_eq!(code, 0, "{out}{errors}");
    edit_all(&server, &images).await;
    let entry = json!({
        "aliases": ["kitty", "\"x\", y"], "parents": ["animal"], "names": {"es": "gato"},
        "threshold": 33.3
    });
    for (tag, entry) in [("cat", entry), ("dog", json!({"blocked": true}))] {
        let request = server.request(Method::PUT, &format!("/vocabulary/{tag}"));
        let response = request.json(&entry).send().await.unwrap();
        let status = response.status();
        assert_eq!(status, 201, "{}", response.text().await.unwrap());
    }
    server
}

async fn edit_all(server: &Server, images: &[Value]) {
    let first = images[0]["tags"][0]["tag"].as_str().unwrap();
    for (image, edit) in [
        (0, json!({"add": ["my own"], "remove": [first]})),
        (1, json!({"add": [{"tag": first, "confidence": 12.5}]})),
        (2, json!({"add": ["gone"]})),
        (2, json!({"remove": ["gone"]})),
    ] {
        let id = images[image]["id"].as_str().unwrap();
        let request = server.request(Method::PATCH, &format!("/image/{id}/tags"));
        let response = request.json(&edit).send().await.unwrap();
        let status = response.status();
        assert_eq!(status, 200, "{}", response.text().await.unwrap());
    }
    let id = images[4]["id"].as_str().unwrap().replace('-', "");
    for statement in [
        "INSERT INTO etiqueta_label (name) VALUES ('from the file')".to_owned(),
        format!(
            "INSERT INTO etiqueta_image_tag (image_id, label_id, registered_at, confidence) \
             SELECT image.id, label.id, image.registered_at, 100 \
             FROM etiqueta_image AS image, etiqueta_label AS label \
             WHERE image.id = x'{id}' AND label.name = 'from the file'"
        ),
        format!(
            "INSERT INTO etiqueta_tag_source (image_id, number, label_id, source, confidence, is_shown) \
             SELECT image.id, 0, label.id, 2, 100, 1 \
             FROM etiqueta_image AS image, etiqueta_label AS label \
             WHERE image.id = x'{id}' AND label.name = 'from the file'"
        ),
        format!(
            "DELETE FROM etiqueta_tagging WHERE digest IN (SELECT original.digest \
             FROM etiqueta_original AS original \
             JOIN etiqueta_image AS image ON image.original_id = original.id WHERE image.id = x'{id}')"
        ),
    ] {
        server.database.execute(&statement).await;
    }
}

/// The answers of a server that an import must not change.
async fn answers(server: &Server) -> Vec<Value> {
    let mut answers = Vec::new();
    for path in [
        "/images?info=true",
        "/images?order=taken&tags=my%20own",
        "/vocabulary",
    ] {
        answers.push(server.json(path).await);
    }
    let images = answers[0].as_array().unwrap().clone();
    for image in images {
        let id = image["id"].as_str().unwrap();
        for path in ["", "/tags", "/info"] {
            answers.push(server.json(&format!("/image/{id}{path}")).await);
        }
    }
    answers
}

/// The statistics, with means that are compared to nine digits: their sums are made in another order.
async fn statistics(server: &Server) -> Vec<Value> {
    crate::edits::assert_counted(server).await;
    let tags = server.json("/tags").await;
    let tags = tags.as_array().unwrap().iter().cloned();
    tags.map(|mut tag| {
        let mean = tag["mean_confidence"].as_f64().unwrap();
        tag["mean_confidence"] = json!(format!("{mean:.9}"));
        tag
    })
    .collect()
}

/// An export of so many images of five originals, and the folder of these.
async fn export_of(images: u8) -> (TempDir, PathBuf, PathBuf) {
    let mut server = Server::start(Kind::Sqlite).await;
    for number in 0..images {
        server.register(&jpeg(number % 5), "").await;
    }
    let store = Store::of(&mut server);
    let folder = TempDir::new().unwrap();
    let [file, originals] = ["store.jsonl", "originals"].map(|name| folder.path().join(name));
    let arguments = [
        "export",
        "--output",
        text(&file),
        "--originals",
        text(&originals),
    ];
    store.done(&arguments);
    (folder, file, originals)
}

/// As many images as an export has under other ids, so that an import takes a while.
fn multiplied(file: &Path, times: u32) {
    let text = fs::read_to_string(file).unwrap();
    let mut lines: Vec<Value> = Vec::new();
    for line in text.lines() {
        lines.push(serde_json::from_str(line).unwrap());
    }
    let (images, answers): (Vec<Value>, Vec<Value>) = lines[1..lines.len() - 1]
        .iter()
        .cloned()
        .partition(|line| line["kind"] == "image");
    let mut all = vec![lines[0].clone()];
    for number in 0..times {
        for (image, within) in images.iter().zip(0..1_000_000) {
            let mut image = image.clone();
            image["id"] = json!(format!("00000000-0000-7000-8000-{:06}{within:06}", number));
            let (minute, second) = (number / 60 % 60, number % 60);
            image["registered_at"] = json!(format!(
                "2020-01-01T{:02}:{minute:02}:{second:02}.{within:06}Z",
                number / 3600
            ));
            all.push(image);
        }
    }
    all.extend(answers.iter().cloned());
    all.push(json!({
        "kind": "end", "vocabulary": 0, "images": images.len() * times as usize,
        "answers": answers.len()
    }));
    let lines: Vec<String> = all.iter().map(Value::to_string).collect();
    fs::write(file, lines.join("\n")).unwrap();
}

fn spawned(mut command: Command) -> Child {
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    silent.spawn().unwrap()
}
