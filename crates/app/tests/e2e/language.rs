//! Names of tags in Spanish.

use std::fs;

use reqwest::{Method, Response};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    database::Kind,
    pictures::jpeg,
    server::{Process, Server, command, run},
};

fn path_of(image: &Value) -> String {
    format!("/image/{}", image["id"].as_str().unwrap())
}

async fn edit(server: &Server, path: &str, body: &Value) -> Response {
    let request = server.request(Method::PATCH, path);
    request.json(body).send().await.unwrap()
}

fn names(tags: &Value) -> Vec<&str> {
    let tags = tags.as_array().unwrap();
    tags.iter()
        .map(|tag| tag["tag"].as_str().unwrap())
        .collect()
}

fn ids(list: &Value) -> Vec<&str> {
    let images = list.as_array().unwrap();
    images
        .iter()
        .map(|image| image["id"].as_str().unwrap())
        .collect()
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn tags_are_shown_and_found_in_spanish(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let mut paths = Vec::new();
    for number in 1..=3 {
        let image = server.register(&jpeg(number), "?min_confidence=99").await;
        paths.push(path_of(&image));
    }
    // Typed in Spanish, kept as the label.
    let tags = format!("{}/tags", paths[0]);
    let spanish = format!("{tags}?language=es");
    let body = json!({"add": ["perro", "pan (alimento)", "mi sitio"]});
    let response = edit(&server, &spanish, &body).await;
    assert_eq!(response.status(), 200);
    let shown: Value = response.json().await.unwrap();
    let labels = server.json(&tags).await;
    for (name, label) in [
        ("perro", "dog"),
        ("pan (alimento)", "bread"),
        ("mi sitio", "mi sitio"),
    ] {
        let at = names(&labels["tags"]).iter().position(|tag| *tag == label);
        assert_eq!(names(&shown["tags"])[at.unwrap()], name);
    }
    edit(
        &server,
        &format!("{}/tags", paths[1]),
        &json!({"add": ["dog"]}),
    )
    .await;

    let dogs = server.json("/images?tags=dog").await;
    assert_eq!(ids(&dogs).len(), 2);
    for query in [
        "tags=perro",
        "any_tags=perro,grulla",
        "q=PERRO%3E%3D100",
        "not_tags=gato&q=perro",
    ] {
        assert_eq!(server.json(&format!("/images?{query}")).await, dogs);
    }
    assert_eq!(ids(&server.json("/images?not_tags=perro").await).len(), 1);
    let list = server.json("/images?tags=perro&language=es").await;
    assert_eq!(ids(&list), ids(&dogs));
    for image in list.as_array().unwrap() {
        assert!(names(&image["tags"]).contains(&"perro"), "{image}");
        assert!(!names(&image["tags"]).contains(&"dog"), "{image}");
        let one = server
            .json(&format!("{}?language=es", path_of(image)))
            .await;
        assert_eq!(one["tags"], image["tags"]);
    }
    let used = server.json("/tags?prefix=perr&language=es").await;
    assert_eq!(names(&used), ["perro"]);
    assert_eq!(used[0]["n_images"], 2);
    assert_eq!(names(&server.json("/tags?prefix=perr").await), ["dog"]);

    // A label of the store prevails, as long as an image has it.
    let third = format!("{}/tags", paths[2]);
    edit(&server, &third, &json!({"add": ["perro"]})).await;
    let own = server.json("/images?tags=perro").await;
    assert_eq!(ids(&own), [paths[2].trim_start_matches("/image/")]);
    edit(&server, &third, &json!({"remove": ["perro"]})).await;
    assert_eq!(server.json("/images?tags=perro").await, dogs);
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn uploads_are_answered_in_spanish(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let plain = server.register(&jpeg(1), "?min_confidence=1").await;
    let spanish = server
        .register(&jpeg(1), "?min_confidence=1&language=es")
        .await;
    let table = include_str!("../../../tag-provider-local/model/names/es.tsv");
    let name = |tag: &str| {
        let lines = table.lines().filter_map(|line| line.split_once('\t'));
        let found = lines.clone().find(|(label, _)| *label == tag);
        found.map_or(tag.to_owned(), |(_, name)| name.to_owned())
    };
    let expected: Vec<String> = names(&plain["tags"]).into_iter().map(name).collect();
    assert_eq!(names(&spanish["tags"]), expected);
    assert_ne!(names(&spanish["tags"]), names(&plain["tags"]));
    let refused = server.post(&jpeg(1), "?language=fr").await;
    let refused = server
        .assert_problem(refused, 400, "invalid-parameter")
        .await;
    assert_eq!(
        refused["detail"],
        "`language` is not one of the languages en, es"
    );
}

#[tokio::test]
async fn files_add_names_and_languages() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("names")).unwrap();
    let file = |name: &str| folder.path().join("names").join(name);
    fs::write(file("fr.tsv"), "dog\tchien\n").unwrap();
    fs::write(file("es.tsv"), "dog\tcan\n").unwrap();
    let command = || {
        let mut command = command(folder.path());
        command.env("ETIQUETA__TAGGING__NAMES", "names");
        command
    };
    let process = Process::start(command());
    let read = async |path: &str| -> Value {
        let answer = reqwest::get(format!("{}{path}", process.origin)).await;
        answer.unwrap().json().await.unwrap()
    };
    assert_eq!(
        read("/taggers").await[0]["languages"],
        json!(["en", "es", "fr"])
    );
    assert_eq!(read("/images?language=fr").await, json!([]));
    drop(process);

    fs::write(file("it.tsv"), "dog\tcane\ncat\tCANE\n").unwrap();
    let (code, _, error) = run(command());
    assert_ne!(code, 0);
    let expected = r#"tagging.names: names/it.tsv, line 2: "cane" is the name of "dog" already"#;
    assert!(error.contains(expected), "{error}");
}
