//! `etiqueta import`, on the binary.

mod flask;
mod sidecars;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use upstream_fakes::{Fakes, Route};

use super::{
    database::{Database, Kind},
    pictures::{jpeg, taken},
    server::{Server, command, run},
};

/// A store without a server, and a folder of photos.
struct Store {
    fakes: Option<Fakes>,
    database: Arc<Database>,
    folder: Arc<TempDir>,
}

impl Store {
    async fn create(kind: Kind) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        Self {
            fakes: Some(Fakes::start().await.unwrap()),
            database: Arc::new(Database::create(kind, folder.path()).await),
            folder,
        }
    }

    fn fakes(&self) -> &Fakes {
        self.fakes.as_ref().unwrap()
    }

    fn photo(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join("photos").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path());
        command
            .arg("import")
            .args(arguments)
            .envs(self.fakes().variables())
            .env("ETIQUETA__DATABASE__URL", self.database.url());
        command
    }

    /// Exit code, lines of JSON without the summary, the summary, and standard error.
    fn import(&self, arguments: &[&str]) -> (i32, Vec<Value>, Value, String) {
        let (code, out, errors) = run(self.command(&[arguments, &["--json"]].concat()));
        let mut lines: Vec<Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let last = lines.pop().unwrap_or_else(|| panic!("{code}: {errors}"));
        (code, lines, last["summary"].clone(), errors)
    }

    fn calls(&self) -> u64 {
        self.fakes().imagga().traffic().calls(Route::Tags)
    }

    /// A server on the store.
    async fn serve(&mut self) -> Server {
        let (database, folder) = (self.database.clone(), self.folder.clone());
        Server::start_on(database, folder, self.fakes.take().unwrap(), &[]).await
    }
}

fn counts(summary: &Value) -> [u64; 4] {
    ["imported", "present", "left_out", "failed"].map(|name| summary[name].as_u64().unwrap())
}

/// The names of the files of all images, with how many images have them.
async fn names(server: &Server) -> BTreeMap<String, usize> {
    let images = server.json("/images?info=true").await;
    let mut names = BTreeMap::new();
    for image in images.as_array().unwrap() {
        let name = image["file_name"].as_str().unwrap_or_default().to_owned();
        *names.entry(name).or_default() += 1;
    }
    names
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_imported_without_a_server_and_once(#[case] kind: Kind) {
    let mut store = Store::create(kind).await;
    store.photo("a.jpg", &taken(1, "2019:05:06 07:08:09"));
    store.photo("b/c.jpg", &jpeg(2));
    store.photo("b/copy.jpg", &jpeg(2));
    store.photo("b/broken.jpg", &jpeg(3)[..300]);
    store.photo("b/notes.txt", b"notes");
    store.photo("cache/d.jpg", &jpeg(4));
    let arguments = ["photos", "--exclude", "cache", "--min-confidence", "20"];
    let (code, lines, summary, errors) = store.import(&arguments);
    assert_eq!(code, 1, "{errors}");
    assert_eq!(errors, "etiqueta: 1 of 4 files were not imported\n");
    let reported: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["file"].as_str().unwrap(),
                line["result"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("photos/a.jpg", "imported"),
        ("photos/b/broken.jpg", "failed"),
        ("photos/b/c.jpg", "imported"),
        ("photos/b/copy.jpg", "imported"),
        ("photos/b/notes.txt", "left_out"),
    ];
    assert_eq!(reported, expected);
    assert_eq!(counts(&summary), [3, 0, 1, 1]);
    assert_eq!(store.calls(), 2, "the copy needs none");

    fs::remove_file(store.folder.path().join("photos/b/broken.jpg")).unwrap();
    let (code, _, summary, errors) = store.import(&arguments);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(counts(&summary), [0, 3, 1, 0]);
    assert_eq!(store.calls(), 2);

    let server = store.serve().await;
    let images = server.json("/images?order=taken").await;
    let all = images.as_array().unwrap();
    assert_eq!(all.len(), 3);
    let id = lines[0]["image"].as_str().unwrap();
    let info = server.json(&format!("/image/{id}/info")).await;
    assert_eq!(info["file_name"], "a.jpg");
    assert_eq!(info["taken_at"], "2019-05-06 07:08:09");
    assert_eq!(info["min_confidence"], 20.0);
    let lowest = all
        .iter()
        .flat_map(|image| image["tags"].as_array().unwrap());
    let lowest = lowest.map(|tag| tag["confidence"].as_f64().unwrap());
    assert!(lowest.fold(100.0, f64::min) < 80.0, "{images}");
    // What was imported is deleted as everything else, and comes back then.
    let deleted = server.request(reqwest::Method::DELETE, &format!("/image/{id}"));
    assert_eq!(deleted.send().await.unwrap().status(), 204);
    assert_eq!(names(&server).await.len(), 2);
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn imports_run_beside_a_server_and_beside_each_other(#[case] kind: Kind) {
    let mut store = Store::create(kind).await;
    for seed in 0..30 {
        store.photo(&format!("{seed}.jpg"), &jpeg(seed));
    }
    let server = store.serve().await;
    let variables = server.fakes.variables();
    let imports: Vec<_> = (0..2)
        .map(|_| {
            let mut command = command(store.folder.path());
            command
                .args(["import", "photos", "--json"])
                .envs(variables)
                .env("ETIQUETA__DATABASE__URL", store.database.url());
            std::thread::spawn(|| run(command))
        })
        .collect();
    for seed in 0..5 {
        server.register(&jpeg(seed), "").await;
    }
    for import in imports {
        let (code, out, errors) = import.join().unwrap();
        assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    }
    let mut expected: BTreeMap<_, _> = (0..30).map(|seed| (format!("{seed}.jpg"), 1)).collect();
    expected.insert(String::new(), 5);
    assert_eq!(names(&server).await, expected);
    let tags = server.json("/tags").await;
    let images = server.json("/images").await;
    let counted: u64 = tags
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["n_images"].as_u64().unwrap())
        .sum();
    let shown: usize = images
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["tags"].as_array().unwrap().len())
        .sum();
    assert_eq!(counted, shown as u64);
}

/// Killed again and again, an import has each file once in the end. Only what was under way is asked for again.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_goes_on_where_it_was(#[case] kind: Kind) {
    const FILES: u8 = 120;
    let mut store = Store::create(kind).await;
    for seed in 0..FILES {
        store.photo(&format!("{seed:03}.jpg"), &jpeg(seed));
        store.photo(&format!("copies/{seed:03}c.jpg"), &jpeg(seed));
    }
    store
        .fakes()
        .imagga()
        .traffic()
        .set_latency(Duration::from_millis(20));
    let mut kills = 0;
    for round in 1..=4 {
        let before = store.calls();
        let mut child = store
            .command(&["photos"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while store.calls() < before + 10 * round && child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_mins(1));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        kills += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 1, "{kills}");
    store.fakes().imagga().traffic().set_latency(Duration::ZERO);
    let (code, _, summary, errors) = store.import(&["photos"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let [imported, present, left_out, failed] = counts(&summary);
    assert_eq!(
        (imported + present, left_out, failed),
        (2 * u64::from(FILES), 0, 0)
    );
    assert!(present >= 10, "{summary}");
    // As many as are under way at a time, 4 a core, were asked for twice by each kill at most.
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    let calls = store.calls();
    let most = u64::from(FILES) + kills * 4 * cores;
    assert!((u64::from(FILES)..=most).contains(&calls), "{calls}");

    let (code, _, summary, _) = store.import(&["photos"]);
    assert_eq!(
        (code, counts(&summary)),
        (0, [0, 2 * u64::from(FILES), 0, 0])
    );
    assert_eq!(store.calls(), calls);
    let server = store.serve().await;
    let names = names(&server).await;
    assert_eq!(names.len(), 2 * usize::from(FILES));
    assert_eq!(
        names.values().collect::<BTreeSet<_>>(),
        BTreeSet::from([&1])
    );
    let mut check = command(server.folder.path());
    check
        .arg("check")
        .envs(server.fakes.variables())
        .env("ETIQUETA__DATABASE__URL", server.database.url());
    let (code, out, errors) = run(check);
    assert_eq!(code, 0, "{out}{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_what_is_under_way() {
    let mut store = Store::create(Kind::Sqlite).await;
    for seed in 0..60 {
        store.photo(&format!("{seed}.jpg"), &jpeg(seed));
    }
    store
        .fakes()
        .imagga()
        .traffic()
        .set_latency(Duration::from_millis(200));
    let child = store
        .command(&["photos", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while store.calls() == 0 {
        assert!(began.elapsed() < Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "etiqueta: interrupted; start it again to go on\n");
    let out = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let [imported, present, left_out, failed] = counts(&last["summary"]);
    assert_eq!((present, left_out, failed), (0, 0, 0));
    assert!((1..60).contains(&imported), "{out}");
    assert_eq!(store.calls(), imported, "nothing that was paid for is lost");
    let server = store.serve().await;
    assert_eq!(names(&server).await.len() as u64, imported);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_a_provider_ends_early() {
    let store = Store::create(Kind::Sqlite).await;
    for seed in 0..60 {
        store.photo(&format!("{seed}.jpg"), &jpeg(seed));
    }
    let key = [("ETIQUETA__IMAGGA__API_KEY", "wrong")];
    let mut command = store.command(&["photos"]);
    let (code, out, errors) = run({
        command.envs(key);
        command
    });
    assert_eq!(code, 1, "{errors}");
    assert!(
        out.starts_with("0 imported, 0 there already, 0 left out, 20 failed"),
        "{out}"
    );
    let last = errors.lines().last().unwrap();
    let expected = "etiqueta: given up after 20 failures in a row; start it again to go on: ";
    assert!(last.starts_with(expected), "{errors}");
}

#[test]
fn wrong_command_lines_are_told() {
    let folder = TempDir::new().unwrap();
    for (arguments, reported) in [
        (&["import"][..], "PATH"),
        (&["import", "a", "--exclude", "[a"], "--exclude"),
        (
            &["import", "a", "--min-confidence", "101"],
            "--min-confidence",
        ),
        (
            &["import", "--from-flask", "mysql://u:secret@h/n"],
            "--images",
        ),
        (
            &["import", "--from-flask", "sqlite://x", "--images", "."],
            "--from-flask: mysql://",
        ),
        (
            &[
                "import",
                "--from-flask",
                "mysql://u:secret@h/n",
                "--images",
                "none",
            ],
            "--images: there is no folder none",
        ),
    ] {
        let mut command = command(folder.path());
        command.args(arguments);
        let (code, _, errors) = run(command);
        assert_eq!(code, 2, "{arguments:?}: {errors}");
        assert!(errors.contains(reported), "{arguments:?}: {errors}");
        assert!(!errors.contains("secret"), "{errors}");
    }
    assert!(!folder.path().join("data").exists());
}
