//! `etiqueta check`: every kind of damage is found and, where possible, repaired.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    database::{Database, Kind},
    pictures::jpeg,
    server::{Server, command, run},
};

/// Exit code, lines on standard output, standard error.
type Ending = (i32, Vec<Value>, String);

fn prepared(folder: &Path, database: &str, arguments: &[&str]) -> Command {
    let mut command = command(folder);
    command
        .env("ETIQUETA__DATABASE__URL", database)
        .arg("check")
        .args(arguments);
    command
}

fn check(server: &Server, arguments: &[&str]) -> Ending {
    let mut command = prepared(server.folder.path(), server.database.url(), arguments);
    command.arg("--json");
    let (code, output, errors) = run(command);
    let line = |line: &str| serde_json::from_str(line).unwrap();
    (code, output.lines().map(line).collect(), errors)
}

/// The findings, by name and subject; without the summary.
fn findings(lines: &[Value]) -> Vec<(String, String)> {
    let about = |line: &Value| {
        let keys = ["row", "file", "digest"];
        let key = keys.iter().find(|key| line[*key].is_string()).unwrap();
        line[*key].as_str().unwrap().to_owned()
    };
    let mut found: Vec<_> = lines
        .iter()
        .filter(|line| line["finding"].is_string())
        .map(|line| (line["finding"].as_str().unwrap().to_owned(), about(line)))
        .collect();
    found.sort();
    found
}

#[track_caller]
fn assert_sound(ending: &Ending) {
    let (code, lines, errors) = ending;
    assert_eq!(*code, 0, "{lines:?} {errors}");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(errors, "");
}

/// Images whose files are old enough not to be taken for uploads in progress.
struct Stored {
    server: Server,
    ids: Vec<String>,
    digests: Vec<String>,
}

impl Stored {
    /// Registers `count` images and stops the server.
    async fn create(kind: Kind, count: u8) -> Self {
        let mut server = Server::start(kind).await;
        let (mut ids, mut digests) = (Vec::new(), Vec::new());
        for seed in 0..count {
            let image = server.register(&jpeg(seed), "").await;
            ids.push(image["id"].as_str().unwrap().to_owned());
            digests.push(domain::ContentDigest::of(&jpeg(seed)).to_string());
        }
        server.process.kill();
        let stored = Self {
            server,
            ids,
            digests,
        };
        for digest in &stored.digests {
            age(&stored.place(digest));
        }
        stored
    }

    fn root(&self) -> PathBuf {
        self.server.folder.path().join("Images")
    }

    fn place(&self, digest: &str) -> PathBuf {
        let fan = format!("{}/{}", &digest[..2], &digest[2..4]);
        self.root().join(fan).join(digest)
    }

    /// Creates a file like an original of another database.
    fn stray(&self, content: &[u8]) -> String {
        let digest = domain::ContentDigest::of(content).to_string();
        let place = self.place(&digest);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, content).unwrap();
        age(&place);
        digest
    }

    /// Deletes an image's row directly in the database.
    async fn orphan(&self, image: usize) {
        let id = self.ids[image].replace('-', "");
        for (table, column) in [("image_tag", "image_id"), ("image", "id")] {
            let statement = format!("DELETE FROM etiqueta_{table} WHERE {column} = x'{id}'");
            self.server.database.execute(&statement).await;
        }
    }

    async fn set_media_type(&self, image: usize, media_type: &str) {
        let digest = &self.digests[image];
        let statement = format!(
            "UPDATE etiqueta_original SET media_type = '{media_type}' WHERE digest = x'{digest}'"
        );
        self.server.database.execute(&statement).await;
    }

    async fn set_tagged_at(&self, image: usize, time: i64) {
        let digest = &self.digests[image];
        let statement =
            format!("UPDATE etiqueta_tagging SET tagged_at = {time} WHERE digest = x'{digest}'");
        self.server.database.execute(&statement).await;
    }

    fn quarantined(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root().join("quarantine")) else {
            return Vec::new();
        };
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    fn check(&self, arguments: &[&str]) -> Ending {
        check(&self.server, arguments)
    }
}

/// Makes a file two hours old.
fn age(file: &Path) {
    let then = SystemTime::now() - Duration::from_hours(2);
    let file = fs::File::options().append(true).open(file).unwrap();
    file.set_modified(then).unwrap();
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn every_damage_is_found_by_its_name(#[case] kind: Kind) {
    let stored = Stored::create(kind, 7).await;
    let sound = stored.check(&[]);
    assert_sound(&sound);
    let summary = &sound.1[0]["summary"];
    for (key, count) in [
        ("images", 7),
        ("originals", 7),
        ("taggings", 7),
        ("objects", 7),
    ] {
        assert_eq!(summary[key], count, "{summary}");
    }
    let bytes: usize = (0..7).map(|seed| jpeg(seed).len()).sum();
    assert_eq!(summary["bytes"], bytes);

    let places: Vec<_> = stored.digests.iter().map(|d| stored.place(d)).collect();
    fs::remove_file(&places[0]).unwrap();
    fs::write(&places[1], &jpeg(1)[..100]).unwrap();
    let mut flipped = jpeg(2);
    flipped[50] ^= 1;
    fs::write(&places[2], flipped).unwrap();
    stored.set_media_type(3, "image/avif").await;
    stored.set_tagged_at(4, i64::MAX).await;
    stored.orphan(5).await;
    let stranger = stored.stray(b"of another database");
    fs::write(stored.root().join("holiday.jpg"), b"x").unwrap();
    fs::create_dir(stored.root().join("more")).unwrap();
    // Neither a partial put in progress nor a hidden file.
    fs::write(format!("{}#1", places[6].display()), b"half").unwrap();
    fs::write(stored.root().join(".gitignore"), b"*").unwrap();

    let (code, lines, errors) = stored.check(&[]);
    assert_eq!((code, &*errors), (4, ""));
    let mut found = findings(&lines);
    let rows = found.extract_if(.., |(name, _)| name == "unreadable-row");
    let tables: Vec<_> = rows
        .map(|(_, row)| row.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(tables, ["etiqueta_original", "etiqueta_tagging"]);
    let digests = &stored.digests;
    let mut expected = [
        ("altered-original", &*digests[2]),
        ("foreign-file", "holiday.jpg"),
        ("foreign-file", "more"),
        ("missing-original", &digests[0]),
        ("truncated-original", &digests[1]),
        ("unknown-original", &stranger),
        ("unreferenced-original", &digests[5]),
    ]
    .map(|(name, about)| (name.to_owned(), about.to_owned()));
    expected.sort();
    assert_eq!(found, expected);
    let of = |name: &str| lines.iter().find(|line| line["finding"] == name).unwrap();
    assert_eq!(of("missing-original")["image"], *stored.ids[0]);
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!(
        (&summary["left"], &summary["repaired"]),
        (&json!(7), &json!(0))
    );

    let (code, lines, _) = stored.check(&["--quick", "--shared"]);
    assert_eq!(code, 4);
    let quick = findings(&lines);
    assert!(quick.iter().any(|(name, _)| name == "truncated-original"));
    for unseen in ["altered-original", "unknown-original"] {
        assert!(!quick.iter().any(|(name, _)| name == unseen), "{quick:?}");
    }
    assert!(stored.quarantined().is_empty(), "nothing is moved unasked");
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn moves_unreferenced_originals_and_nothing_else(#[case] kind: Kind) {
    let stored = Stored::create(kind, 3).await;
    let stranger = stored.stray(b"of another database");
    stored.orphan(0).await;
    fs::write(stored.root().join("holiday.jpg"), b"x").unwrap();

    let (code, lines, _) = stored.check(&["--repair"]);
    assert_eq!(code, 4, "the stranger is left: {lines:?}");
    assert_eq!(stored.quarantined(), [&*stored.digests[0]]);
    assert!(stored.place(&stranger).exists());

    let (code, lines, _) = stored.check(&["--repair", "--unknown"]);
    assert_eq!(code, 1, "{lines:?}");
    let mut expected = [stored.digests[0].clone(), stranger];
    expected.sort();
    assert_eq!(stored.quarantined(), expected);
    let (code, lines, _) = stored.check(&[]);
    assert_eq!(code, 0, "a foreign file does no harm: {lines:?}");
    assert!(stored.root().join("holiday.jpg").exists());

    // The server still works, and registers the same picture again.
    let server = stored.server.restart(&[]).await;
    let again = server.register(&jpeg(0), "").await;
    let path = format!("/image/{}", again["id"].as_str().unwrap());
    assert_eq!(server.json(&path).await, again);
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 3);
    let (code, lines, _) = check(&server, &[]);
    assert_eq!(code, 0, "{lines:?}");
}

#[tokio::test]
async fn text_output_has_lines_and_a_summary() {
    let stored = Stored::create(Kind::Sqlite, 2).await;
    let run = |arguments: &[&str]| {
        let folder = stored.server.folder.path();
        run(prepared(folder, stored.server.database.url(), arguments))
    };
    let (code, output, errors) = run(&[]);
    assert_eq!((code, &*output), (0, ""), "{errors}");
    let sound = "etiqueta: all is sound (2 images, 2 originals, 2 stored objects, ";
    assert!(errors.starts_with(sound), "{errors}");
    fs::remove_file(stored.place(&stored.digests[1])).unwrap();
    let (code, output, errors) = run(&[]);
    assert_eq!(code, 4);
    let (digest, id) = (&stored.digests[1], &stored.ids[1]);
    let line = format!(
        "missing-original: {digest}, image {id}: an image refers to it, and it is not there\n"
    );
    assert_eq!(output, line);
    assert!(
        errors.starts_with("etiqueta: 0 repaired, 1 left ("),
        "{errors}"
    );
}

/// With the shortest ages that can be set: everything a second old is suspect.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn beside_uploads_nothing_is_found_and_nothing_moved(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let command = || {
        let folder = server.folder.path();
        let arguments = ["--json", "--repair", "--unknown"];
        let mut command = prepared(folder, server.database.url(), &arguments);
        command.env("ETIQUETA__UPKEEP__ORIGINAL_AGE", "1s");
        command
    };
    let began = SystemTime::now();
    let mut posted = 0_usize;
    let mut checks = 0;
    while began.elapsed().unwrap() < Duration::from_secs(4) {
        let checked = command();
        let checked = tokio::task::spawn_blocking(move || run(checked));
        while !checked.is_finished() {
            let seed = u8::try_from(posted % 200).unwrap();
            server.register(&jpeg(seed), "").await;
            posted += 1;
        }
        let (code, output, errors) = checked.await.unwrap();
        assert_eq!(code, 0, "{output}{errors}");
        assert_eq!(output.lines().count(), 1, "{output}");
        checks += 1;
    }
    assert!(checks > 1 && posted > 10, "{checks} checks, {posted} posts");
    let images = server.json("/images").await;
    assert_eq!(images.as_array().unwrap().len(), posted);
    assert_sound(&check(&server, &[]));
}

/// Runs a check that must fail with one line.
fn refusal(command: Command) -> String {
    let (code, output, errors) = run(command);
    assert_eq!((code, &*output), (8, ""), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn pending_migrations_stop_it(#[case] kind: Kind) {
    let folder = TempDir::new().unwrap();
    let database = Database::create(kind, folder.path()).await;
    let line = refusal(prepared(folder.path(), database.url(), &[]));
    assert!(line.contains("etiqueta migrate"), "{line}");
    let made = folder.path().read_dir().unwrap().count();
    assert_eq!(made, 0, "neither a database nor a folder is made");
}

#[tokio::test]
async fn missing_store_is_not_called_empty() {
    let stored = Stored::create(Kind::Sqlite, 2).await;
    let folder = stored.server.folder.path();
    let refused = || {
        refusal(prepared(
            folder,
            stored.server.database.url(),
            &["--repair"],
        ))
    };
    let (mark, away) = (
        stored.root().join(".etiqueta-originals"),
        folder.join("away"),
    );
    fs::rename(&mark, &away).unwrap();
    assert!(refused().contains("is the disk mounted"));
    assert!(!mark.exists());
    fs::rename(&away, &mark).unwrap();
    fs::rename(stored.root(), &away).unwrap();
    assert!(refused().contains("Images"));
    assert!(!stored.root().exists());
    fs::rename(&away, stored.root()).unwrap();
    assert_sound(&stored.check(&[]));
    let unreachable = "mysql://etiqueta:s3cr3t@127.0.0.1:1/etiqueta";
    let line = refusal(prepared(folder, unreachable, &[]));
    assert!(line.contains("the database is not available"), "{line}");
    assert!(!line.contains("s3cr3t"), "{line}");
}

#[test]
fn wrong_settings_are_reported_as_by_other_commands() {
    let folder = TempDir::new().unwrap();
    let (code, _, errors) = run(prepared(folder.path(), "postgres://x", &[]));
    assert_eq!(code, 2, "{errors}");
    let (code, _, errors) = run(prepared(folder.path(), "sqlite://x", &["--unknown"]));
    assert_eq!(code, 2, "{errors}");
}

/// The server creates no rollup segments in so short a time, so one that counts an image too many is
/// inserted.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn wrong_statistics_are_found_and_counted_again(#[case] kind: Kind) {
    const UNTIL: i64 = 4_000_000_000_000_000;
    // Label number 1 on seven images, each with confidence 50.
    const SEVEN: &str = "010107000000000000494000000000000049400000000000e07540";
    let stored = Stored::create(kind, 3).await;
    let statements = [
        format!(
            "INSERT INTO etiqueta_summary_segment (level, from_time, until_time, content, images) \
             VALUES (0, {}, {UNTIL}, x'{SEVEN}', 0)",
            i64::MIN
        ),
        format!("UPDATE etiqueta_summary_state SET sealed_until = {UNTIL}"),
        // While there are changes the segment is not used.
        "DELETE FROM etiqueta_summary_change".to_owned(),
    ];
    for statement in &statements {
        stored.server.database.execute(statement).await;
    }
    let (code, lines, errors) = stored.check(&[]);
    assert_eq!((code, &*errors), (4, ""));
    let row = format!("etiqueta_summary_segment 0 {}", i64::MIN);
    let expected = [("wrong-statistics".to_owned(), row)];
    assert_eq!(findings(&lines), expected);
    let (code, lines, _) = stored.check(&["--repair"]);
    assert_eq!(code, 1, "{lines:?}");
    assert_eq!(lines[0]["repaired"], true);
    assert_sound(&stored.check(&[]));
    let server = stored.server.restart(&[]).await;
    let tags = server.json("/tags").await;
    let counted = tags.as_array().unwrap().iter();
    let counted: u64 = counted.map(|tag| tag["n_images"].as_u64().unwrap()).sum();
    let images = server.json("/images").await;
    let images = images.as_array().unwrap().iter();
    let carried: usize = images
        .map(|image| image["tags"].as_array().unwrap().len())
        .sum();
    assert_eq!(counted, carried as u64);
}
