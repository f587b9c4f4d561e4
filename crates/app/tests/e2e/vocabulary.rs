//! The vocabulary, on the running binary.

use std::{
    fs,
    time::{Duration, Instant},
};

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use upstream_fakes::Route;

use super::{
    database::Kind,
    edits::assert_counted,
    jobs::{done, etiqueta},
    pictures::jpeg,
    server::{Server, command, run},
};

async fn put(server: &Server, path: &str, entry: Value) -> u16 {
    let request = server.request(Method::PUT, &format!("/vocabulary/{path}"));
    let request = request.json(&entry);
    request.send().await.unwrap().status().as_u16()
}

fn names(tags: &Value) -> Vec<&str> {
    let tags = tags.as_array().unwrap();
    tags.iter()
        .map(|tag| tag["tag"].as_str().unwrap())
        .collect()
}

fn has(tags: &Value, tag: &str) -> bool {
    names(tags).contains(&tag)
}

async fn found(server: &Server, query: &str) -> usize {
    let list = server.json(&format!("/images?{query}")).await;
    list.as_array().unwrap().len()
}

/// The path and the tags of an image.
async fn register(server: &Server, number: u8) -> (String, Value) {
    let image = server.register(&jpeg(number), "?min_confidence=20").await;
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    (path, image["tags"].clone())
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn the_vocabulary_counts_for_new_images_at_once_and_for_others_by_a_job(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let (path, before) = register(&server, 1).await;
    register(&server, 2).await;
    let (first, second) = (names(&before)[0].to_owned(), names(&before)[1].to_owned());
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    let entry = json!({"aliases": [first], "parents": ["stuff"], "names": {"es": "cosa"}});
    assert_eq!(put(&server, "thing", entry.clone()).await, 201);
    assert_eq!(put(&server, "Thing", entry).await, 200);
    let read = server.json("/vocabulary/thing").await;
    assert_eq!(read["aliases"], json!([first]));
    assert_eq!(server.json("/vocabulary").await, json!([read]));
    let refused = server.request(Method::PUT, "/vocabulary/other");
    let refused = refused.json(&json!({"aliases": [first]})).send();
    let refused = refused.await.unwrap();
    server
        .assert_problem(refused, 409, "vocabulary-conflict")
        .await;
    let unknown = server.get("/vocabulary/other").await;
    server.assert_problem(unknown, 404, "tag-not-found").await;

    let (_, after) = register(&server, 1).await;
    assert!(has(&after, "thing") && has(&after, "stuff") && !has(&after, &first));
    let spanish = server.json("/images?limit=1&language=es").await;
    assert!(has(&spanish[0]["tags"], "cosa"), "{spanish}");
    let both = found(&server, "tags=thing").await;
    assert!(both >= 2);
    for query in ["q=cosa".to_owned(), format!("tags={first}")] {
        assert_eq!(found(&server, &query).await, both, "{query}");
    }
    assert_counted(&server).await;

    let dry = json!({"kind": "vocabulary", "dry_run": true});
    let counted = done(&server, &dry).await;
    assert!(has(&server.json(&path).await["tags"], &first));
    let job = done(&server, &json!({"kind": "vocabulary", "expected": 3})).await;
    assert_eq!(job["result"], counted["result"]);
    assert_eq!(server.json(&path).await["tags"], after);
    assert_eq!(found(&server, "tags=thing").await, both);
    assert_counted(&server).await;

    assert_eq!(put(&server, &second, json!({"blocked": true})).await, 201);
    let moved = server.request(Method::PUT, "/vocabulary/object?rename=thing");
    assert_eq!(moved.send().await.unwrap().status(), 200);
    done(
        &server,
        &json!({"kind": "vocabulary", "filter": {"tags": "thing"}}),
    )
    .await;
    let tags = server.json(&path).await["tags"].clone();
    assert!(has(&tags, "object") && !has(&tags, "thing") && !has(&tags, &second));
    assert_counted(&server).await;

    for tag in ["object", &second] {
        let removed = server.request(Method::DELETE, &format!("/vocabulary/{tag}"));
        assert_eq!(removed.send().await.unwrap().status(), 204);
    }
    done(&server, &json!({"kind": "vocabulary"})).await;
    assert_eq!(server.json(&path).await["tags"], before);
    assert_counted(&server).await;
    let now = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(now, calls, "no new call");
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn persons_and_rejections_prevail(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let (path, before) = register(&server, 1).await;
    let (first, second) = (names(&before)[0].to_owned(), names(&before)[1].to_owned());
    let tags = format!("{path}/tags");
    let edit = async |body: Value| -> Value {
        let request = server.request(Method::PATCH, &tags).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    };
    edit(json!({"add": ["mia"], "remove": [second]})).await;
    put(
        &server,
        "thing",
        json!({"aliases": [second], "parents": ["stuff"]}),
    )
    .await;
    put(
        &server,
        "cat",
        json!({"aliases": ["mia"], "parents": ["pet"], "blocked": true}),
    )
    .await;
    put(&server, &first, json!({"blocked": true})).await;
    done(&server, &json!({"kind": "vocabulary"})).await;
    let read = server.json(&tags).await;
    let shown = names(&read["tags"]);
    assert_eq!(shown[..2], ["cat", "pet"]);
    for gone in [first.as_str(), second.as_str(), "thing", "stuff"] {
        assert!(!shown.contains(&gone), "{read}");
    }
    assert_eq!(read["rejected"], json!(["thing"]));
    let edited = edit(json!({"add": [second, "mia"]})).await;
    assert!(has(&edited["tags"], "thing") && has(&edited["tags"], "stuff"));
    assert_eq!(edited["rejected"], json!([]));
    let retagged = server.request(Method::POST, &format!("{path}/retag"));
    let retagged: Value = retagged.send().await.unwrap().json().await.unwrap();
    assert_eq!(retagged["tags"], edited["tags"]);
    assert_counted(&server).await;
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn commands_write_read_and_apply_the_vocabulary(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let (path, before) = register(&server, 1).await;
    let first = names(&before)[0].to_owned();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| -> String {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let table = "tag\taliases\tparents\tthreshold\tblocked\tnames\n";
    let entries = format!("{table}thing\t{first}\tstuff\t\t\tes=cosa\nlamp\t\t\t60\tyes\t\n");
    let (code, _, errors) = etiqueta(&server, &["vocabulary", "import", &file("a", &entries)]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("2 entries"), "{errors}");
    // The server sees what another process changed, within seconds.
    let began = Instant::now();
    loop {
        let tagged = server.request(Method::POST, "/tag?min_confidence=20");
        let tagged = tagged.header("content-type", "image/jpeg").body(jpeg(1));
        let tagged: Value = tagged.send().await.unwrap().json().await.unwrap();
        if has(&tagged["tags"], "thing") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{tagged}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let conflict = format!("{table}\nother\t{first}\t\t\t\t\nfine\t\t\t\t\t\n");
    for (text, wrong) in [
        (conflict.as_str(), "line 3"),
        ("tag\tx\n", "line 1"),
        ("a\n\tb\n\t\ta\n", "is its own ancestor"),
        ("a\n\t\tb\n", "line 2"),
    ] {
        let (code, _, errors) = etiqueta(&server, &["vocabulary", "import", &file("b", text)]);
        assert_eq!(code, 1, "{errors}");
        assert!(
            errors.contains(wrong) && errors.contains("nothing was changed"),
            "{errors}"
        );
    }
    let (code, written, errors) = etiqueta(&server, &["vocabulary", "export", "-"]);
    assert_eq!(code, 0, "{errors}");
    let expected = format!("{table}lamp\t\t\t60\tyes\t\nthing\t{first}\tstuff\t\t\tes=cosa\n");
    assert_eq!(written, expected);
    let list = file("c", "");
    let export = ["vocabulary", "export", "--keywords", &list];
    assert_eq!(etiqueta(&server, &export).0, 0);
    let keywords = fs::read_to_string(&list).unwrap();
    assert_eq!(
        keywords,
        format!("[lamp]\nstuff\n\tthing\n\t\t{{{first}}}\n")
    );
    assert_eq!(etiqueta(&server, &["vocabulary", "import", &list]).0, 0);
    let (code, output, errors) = etiqueta(&server, &["vocabulary", "apply", "--all"]);
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains("thing: +1"), "{output}");
    assert!(has(&server.json(&path).await["tags"], "stuff"));
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_vocabulary_needs_an_entry(#[case] kind: Kind) {
    const CLOSED: (&str, &str) = ("ETIQUETA__TAGGING__VOCABULARY", "closed");
    let server = Server::start(kind).await;
    let (_, before) = register(&server, 1).await;
    let first = names(&before)[0].to_owned();
    let mut refused = command(server.folder.path());
    refused
        .envs(server.fakes.variables())
        .env("ETIQUETA__DATABASE__URL", server.database.url())
        .env("ETIQUETA__SERVER__PORT", "0")
        .env(CLOSED.0, CLOSED.1);
    let (code, _, errors) = run(refused);
    assert_ne!(code, 0);
    assert!(errors.contains("tagging.vocabulary"), "{errors}");
    assert_eq!(
        put(&server, "thing", json!({"aliases": [first]})).await,
        201
    );
    let server = server.restart(&[CLOSED]).await;
    let (_, after) = register(&server, 1).await;
    assert_eq!(names(&after), ["thing"]);
}
