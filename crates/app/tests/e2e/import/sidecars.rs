//! Keywords of files, in both directions: `etiqueta import --tags-from-sidecars` and `etiqueta sidecar`.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
};

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Store, counts};
use crate::{
    database::Kind,
    pictures::jpeg,
    server::{Server, command, run},
};

/// A sidecar with keywords in each field, and something else.
fn sidecar(subject: &[&str], hierarchical: &[&str], list: &[&str]) -> String {
    let items = |names: &[&str]| -> String {
        let items = names.iter().map(|name| format!("<rdf:li>{name}</rdf:li>"));
        items.collect()
    };
    format!(
        r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
   xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:digiKam="http://www.digikam.org/ns/1.0/"
   xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4">
  <dc:subject><rdf:Bag>{}</rdf:Bag></dc:subject>
  <lr:hierarchicalSubject><rdf:Bag>{}</rdf:Bag></lr:hierarchicalSubject>
  <digiKam:TagsList><rdf:Seq>{}</rdf:Seq></digiKam:TagsList>
 </rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>
"#,
        items(subject),
        items(hierarchical),
        items(list)
    )
}

/// A JPEG with XMP in itself.
fn with_xmp(jpeg: &[u8], packet: &str) -> Vec<u8> {
    let body = [b"http://ns.adobe.com/xap/1.0/\0", packet.as_bytes()].concat();
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    let (begin, rest) = jpeg.split_at(2);
    [begin, &[0xFF, 0xE1], &length, &body, rest].concat()
}

impl Store {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("photos").join(name)
    }

    /// The command on the store, also while a server has the fakes.
    fn beside(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path());
        command
            .args(arguments)
            .envs(server.fakes.variables())
            .env("ETIQUETA__DATABASE__URL", self.database.url());
        command
    }

    /// Runs the command. Exit code, lines of JSON by file, summary, and standard error.
    fn lines(
        &self,
        server: &Server,
        arguments: &[&str],
    ) -> (i32, BTreeMap<String, Value>, Value, String) {
        let (code, out, errors) = run(self.beside(server, &[arguments, &["--json"]].concat()));
        let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut lines: Vec<Value> = lines.collect();
        let last = lines.pop().unwrap_or_else(|| panic!("{code}: {errors}"));
        let lines = lines.into_iter().map(|line| {
            let name = line["file"].as_str().unwrap().replace("photos/", "");
            (name, line)
        });
        (code, lines.collect(), last["summary"].clone(), errors)
    }

    fn import_keywords(&self, server: &Server) -> BTreeMap<String, Value> {
        let arguments = ["import", "photos", "--tags-from-sidecars"];
        let (code, lines, _, errors) = self.lines(server, &arguments);
        assert_eq!((code, errors.as_str()), (0, ""));
        lines
    }

    /// Writes sidecars: what became of each picture.
    fn write(&self, server: &Server, arguments: &[&str]) -> BTreeMap<String, String> {
        let arguments = [&["sidecar", "photos"], arguments].concat();
        let (code, lines, _, errors) = self.lines(server, &arguments);
        assert_eq!((code, errors.as_str()), (0, ""));
        let results = lines.into_iter();
        let results = results.map(|(name, line)| (name, line["result"].as_str().unwrap().into()));
        results.collect()
    }
}

/// The tags of an image that a kind of source gave, by name, with their confidences.
async fn tags_by(server: &Server, line: &Value, source: &str) -> BTreeMap<String, f64> {
    let id = line["image"].as_str().unwrap();
    let tags = server.json(&format!("/image/{id}/tags")).await;
    let tags = tags["tags"].as_array().unwrap().iter();
    tags.filter(|tag| tag["source"] == source)
        .map(|tag| {
            let name = tag["tag"].as_str().unwrap().to_owned();
            (name, tag["confidence"].as_f64().unwrap())
        })
        .collect()
}

async fn names_by(server: &Server, line: &Value, source: &str) -> Vec<String> {
    let tags = tags_by(server, line, source).await;
    tags.into_keys().collect()
}

async fn edit(server: &Server, line: &Value, body: Value) {
    let id = line["image"].as_str().unwrap();
    let request = server.request(Method::PATCH, &format!("/image/{id}/tags"));
    assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
}

/// The values of a property, as another program reads them.
fn exiftool(path: &PathBuf, property: &str) -> Vec<String> {
    let program = std::env::var("ETIQUETA_TEST_EXIFTOOL").unwrap_or("exiftool".to_owned());
    let output = Command::new(program)
        .args(["-j", "-G1", &format!("-{property}")])
        .arg(path)
        .output()
        .expect("scripts/test installs exiftool");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    match &all[0][property] {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn keywords_of_files_become_tags_and_follow_the_files(#[case] kind: Kind) {
    let mut store = Store::create(kind).await;
    store.photo("a.jpg", &jpeg(1));
    let first = sidecar(&["Holiday", "Cat"], &["Animal|Cat"], &["Places/Cádiz"]);
    store.photo("a.jpg.xmp", first.as_bytes());
    store.photo("a.xmp", sidecar(&["not this one"], &[], &[]).as_bytes());
    store.photo(
        "b.jpg",
        &with_xmp(&jpeg(2), &sidecar(&["embedded"], &[], &[])),
    );
    store.photo("b.xmp", sidecar(&["beside"], &[], &[]).as_bytes());
    store.photo("c.jpg", &jpeg(3));
    let bomb = "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>";
    store.photo("c.jpg.xmp", bomb.as_bytes());
    store.photo("d.jpg", &jpeg(4));
    let long = "x".repeat(300);
    store.photo("d.xmp", sidecar(&[&long, "fine"], &[], &[]).as_bytes());
    let server = store.serve().await;

    let lines = store.import_keywords(&server);
    assert_eq!(
        lines.keys().collect::<Vec<_>>(),
        ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    );
    let found = tags_by(&server, &lines["a.jpg"], "file").await;
    let expected =
        ["animal", "cat", "cádiz", "places", "holiday"].map(|name| (name.to_owned(), 100.0));
    assert_eq!(found, BTreeMap::from(expected));
    assert_eq!(
        names_by(&server, &lines["b.jpg"], "file").await,
        ["beside", "embedded"]
    );
    assert_eq!(names_by(&server, &lines["c.jpg"], "file").await, [""; 0]);
    let note = lines["c.jpg"]["notes"][0].as_str().unwrap();
    assert!(
        note.contains("c.jpg.xmp is not read: the XMP has a document type"),
        "{note}"
    );
    assert_eq!(names_by(&server, &lines["d.jpg"], "file").await, ["fine"]);
    let note = lines["d.jpg"]["notes"][0].as_str().unwrap();
    assert!(
        note.contains("at most 255 characters") && note.len() < 200,
        "{note}"
    );
    for (query, count) in [("q=source:file", 3), ("tags=holiday", 1)] {
        let found = server.json(&format!("/images?{query}")).await;
        assert_eq!(found.as_array().unwrap().len(), count, "{query}");
    }

    // What a person removes does not come back; new keywords do, and old ones go.
    edit(&server, &lines["a.jpg"], json!({"remove": ["holiday"]})).await;
    store.photo(
        "a.jpg.xmp",
        sidecar(&["Holiday", "Boat"], &[], &[]).as_bytes(),
    );
    let again = store.import_keywords(&server);
    assert_eq!(again["a.jpg"]["result"], "present");
    assert_eq!(names_by(&server, &lines["a.jpg"], "file").await, ["boat"]);
    // A sidecar that cannot be read takes nothing away.
    store.photo("a.jpg.xmp", b"<a");
    store.import_keywords(&server);
    assert_eq!(names_by(&server, &lines["a.jpg"], "file").await, ["boat"]);
    // An import without the switch leaves them alone.
    fs::remove_file(store.path("a.jpg.xmp")).unwrap();
    let (code, _, summary, _) = store.lines(&server, &["import", "photos"]);
    assert_eq!((code, counts(&summary)), (0, [0, 4, 0, 0]));
    assert_eq!(names_by(&server, &lines["a.jpg"], "file").await, ["boat"]);

    let arguments = ["import", "s3://bucket/photos", "--tags-from-sidecars"];
    let (code, _, errors) = run(store.beside(&server, &arguments));
    assert_eq!(code, 2);
    assert!(
        errors.contains("--tags-from-sidecars reads files and folders"),
        "{errors}"
    );
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn tags_go_into_sidecars_and_back_and_nothing_is_lost(#[case] kind: Kind) {
    let mut store = Store::create(kind).await;
    store.photo("a.jpg", &jpeg(1));
    store.photo("a.jpg.xmp", sidecar(&["Holiday"], &[], &[]).as_bytes());
    store.photo("b/b.jpg", &jpeg(2));
    let server = store.serve().await;
    let lines = store.import_keywords(&server);
    store.photo("unknown.jpg", &jpeg(3));
    store.photo("notes.txt", b"notes");
    edit(
        &server,
        &lines["a.jpg"],
        json!({"add": [{"tag": "mia", "confidence": 40}]}),
    )
    .await;
    edit(&server, &lines["b/b.jpg"], json!({"add": ["kitten"]})).await;
    let entry = server.request(Method::PUT, "/vocabulary/kitten");
    let entry = entry
        .json(&json!({"parents": ["mia"]}))
        .send()
        .await
        .unwrap();
    assert_eq!(entry.status(), 201);
    edit(&server, &lines["b/b.jpg"], json!({"add": ["mia"]})).await;

    let written = store.write(&server, &[]);
    let expected = [
        ("a.jpg", "written"),
        ("b/b.jpg", "written"),
        ("unknown.jpg", "unknown"),
    ];
    let expected = expected.map(|(name, result)| (name.to_owned(), result.to_owned()));
    assert_eq!(written, BTreeMap::from(expected));
    let given = names_by(&server, &lines["a.jpg"], "provider").await;
    let subject = exiftool(&store.path("a.jpg.xmp"), "XMP-dc:Subject");
    assert_eq!(subject[0], "Holiday");
    let mut others = subject[1..].to_vec();
    others.sort();
    let mut expected = [given.as_slice(), &["mia".to_owned()]].concat();
    expected.sort();
    assert_eq!(others, expected);
    let rating = exiftool(&store.path("a.jpg.xmp"), "XMP-xmp:Rating");
    assert_eq!(rating, ["4"]);
    let text = fs::read_to_string(store.path("a.jpg.xmp")).unwrap();
    assert!(text.contains("xmp:Rating=\"4\""), "{text}");
    let list = exiftool(&store.path("b/b.jpg.xmp"), "XMP-digiKam:TagsList");
    assert!(list.contains(&"mia/kitten".to_owned()), "{list:?}");
    let list = exiftool(&store.path("b/b.jpg.xmp"), "XMP-lr:HierarchicalSubject");
    assert!(list.contains(&"mia|kitten".to_owned()), "{list:?}");

    // A second run changes nothing, and what was written is not taken for keywords of others.
    let written = store.write(&server, &[]);
    assert_eq!(written["a.jpg"], "unchanged");
    assert_eq!(fs::read_to_string(store.path("a.jpg.xmp")).unwrap(), text);
    store.import_keywords(&server);
    assert_eq!(
        names_by(&server, &lines["a.jpg"], "file").await,
        ["holiday"]
    );

    // What is removed is taken back, and does not come back by the sidecar of before.
    edit(
        &server,
        &lines["a.jpg"],
        json!({"remove": ["mia", "holiday"]}),
    )
    .await;
    store.import_keywords(&server);
    assert_eq!(names_by(&server, &lines["a.jpg"], "person").await, [""; 0]);
    assert_eq!(names_by(&server, &lines["a.jpg"], "file").await, [""; 0]);
    store.write(&server, &["--root", "Auto", "--min-confidence", "1"]);
    let subject = exiftool(&store.path("a.jpg.xmp"), "XMP-dc:Subject");
    assert_eq!(subject[0], "Holiday");
    assert!(subject.contains(&"Auto".to_owned()), "{subject:?}");
    assert!(!subject.contains(&"mia".to_owned()), "{subject:?}");
    let list = exiftool(&store.path("a.jpg.xmp"), "XMP-digiKam:TagsList");
    assert!(
        list.iter().all(|name| name.starts_with("Auto/")),
        "{list:?}"
    );

    // In a new store persons' tags are there again, as those of the files.
    let mut other = Store::create(kind).await;
    for name in ["b/b.jpg", "b/b.jpg.xmp"] {
        other.photo(name, &fs::read(store.path(name)).unwrap());
    }
    let server = other.serve().await;
    let lines = other.import_keywords(&server);
    let filed = names_by(&server, &lines["b/b.jpg"], "file").await;
    assert_eq!(filed, ["kitten", "mia"]);
    for _ in 0..2 {
        other.write(&server, &[]);
        other.import_keywords(&server);
        assert_eq!(names_by(&server, &lines["b/b.jpg"], "file").await, filed);
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn sidecars_that_cannot_be_written_are_told(#[case] kind: Kind) {
    let mut store = Store::create(kind).await;
    store.photo("shut/a.jpg", &jpeg(1));
    store.photo("shut/a.jpg.xmp", sidecar(&["holiday"], &[], &[]).as_bytes());
    store.photo("b.jpg", &jpeg(2));
    store.photo("b.xmp", b"\xff\xfe");
    store.photo("c.jpg", &jpeg(3));
    let server = store.serve().await;
    let (code, ..) = store.lines(&server, &["import", "photos"]);
    assert_eq!(code, 0);
    let before = fs::read(store.path("shut/a.jpg.xmp")).unwrap();
    fs::set_permissions(store.path("shut"), Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(store.path("c.jpg"), Permissions::from_mode(0o640)).unwrap();
    let (code, lines, summary, errors) = store.lines(&server, &["sidecar", "photos"]);
    fs::set_permissions(store.path("shut"), Permissions::from_mode(0o755)).unwrap();
    let mode = fs::metadata(store.path("c.jpg.xmp"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640, "as the picture");
    assert_eq!(code, 1);
    assert_eq!(errors, "etiqueta: 2 of 3 pictures failed\n");
    let expected = json!({"written": 1, "unchanged": 0, "unknown": 0, "failed": 2});
    assert_eq!(summary, expected);
    let error = lines["shut/a.jpg"]["error"].as_str().unwrap();
    assert!(error.contains("the folder is read-only"), "{error}");
    let error = lines["b.jpg"]["error"].as_str().unwrap();
    assert!(error.contains("b.xmp is left as it is"), "{error}");
    assert_eq!(fs::read(store.path("shut/a.jpg.xmp")).unwrap(), before);
    assert_eq!(fs::read(store.path("b.xmp")).unwrap(), b"\xff\xfe");
    assert!(!exiftool(&store.path("c.jpg.xmp"), "XMP-dc:Subject").is_empty());
    assert_eq!(fs::read_dir(store.path("shut")).unwrap().count(), 2);

    let (code, _, errors) = run(store.beside(&server, &["sidecar", "s3://bucket/photos"]));
    assert_eq!(code, 2);
    assert!(errors.contains("not into buckets"), "{errors}");
    let (code, _, errors) = run(store.beside(&server, &["sidecar", "photos", "--root", "a/b"]));
    assert_eq!(code, 2, "{errors}");
}
