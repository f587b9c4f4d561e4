//! Names of tags in other languages.

use domain::{LabelNames, NameTable};
use domain_testing::tags;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::test_server::{TestServer, picture, upload};

/// A server whose pictures carry dog (100), bread (90) and auto (80), and that knows Spanish and Dutch.
fn server() -> TestServer {
    TestServer::with(|setup| {
        let spanish = "dog\tperro\nbread\tpan (alimento)\npan\tsartén\ncat\tgato\nzebra\tcebra\n";
        let spanish = NameTable::parse(spanish).unwrap();
        let dutch = NameTable::parse("dog\thond\n").unwrap();
        let names = LabelNames::default().with("es", spanish).unwrap();
        setup.names = names.with("nl", dutch).unwrap();
        let found = tags(&[("dog", 100.0), ("bread", 90.0), ("auto", 80.0)]);
        setup.fakes.provider.set_tags(found);
    })
}

const SPANISH: [&str; 3] = ["perro", "pan (alimento)", "auto"];
const LABELS: [&str; 3] = ["dog", "bread", "auto"];

fn names(tags: &Value) -> Vec<&str> {
    let tags = tags.as_array().unwrap();
    tags.iter()
        .map(|tag| tag["tag"].as_str().unwrap())
        .collect()
}

fn count(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

async fn edit(server: &TestServer, path: &str, body: &Value) -> Response {
    let request = server.request(Method::PATCH, path);
    request.json(body).send().await.unwrap()
}

async fn edited(server: &TestServer, path: &str, body: &Value) -> Value {
    let response = edit(server, path, body).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_show_names_in_the_language() {
    let server = server();
    let body = upload(&picture("x"));
    let posted = server.post("/image?min_confidence=0&language=es", &body);
    let posted: Value = posted.await.json().await.unwrap();
    assert_eq!(names(&posted["tags"]), SPANISH);
    let path = format!("/image/{}", posted["id"].as_str().unwrap());
    for (language, expected) in [
        ("language=es", SPANISH),
        ("language=en", LABELS),
        ("language=nl", ["hond", "bread", "auto"]),
        ("", LABELS),
    ] {
        let image = server.read(&format!("{path}?{language}")).await;
        assert_eq!(names(&image["tags"]), expected, "{language}");
        let list = server.read(&format!("/images?{language}")).await;
        assert_eq!(names(&list[0]["tags"]), expected, "{language}");
        let page = server.read(&format!("/images?limit=1&{language}")).await;
        assert_eq!(page, list, "{language}");
        let given = server.read(&format!("{path}/tags?{language}")).await;
        assert_eq!(names(&given["tags"]), expected, "{language}");
        let tag = format!("/tag?min_confidence=0&{language}");
        let tagged: Value = server.post(&tag, &body).await.json().await.unwrap();
        assert_eq!(names(&tagged["tags"]), expected, "{language}");
        let retag = format!("{path}/retag?{language}");
        let retagged = server.send(Method::POST, &retag).await;
        let retagged: Value = retagged.json().await.unwrap();
        assert_eq!(names(&retagged["tags"]), expected, "{language}");
        // Ties by label: the order does not depend on the language.
        let used = server.read(&format!("/tags?{language}")).await;
        let by_label: Vec<&str> = expected.into_iter().rev().collect();
        assert_eq!(names(&used), by_label, "{language}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_may_ask_in_another_language() {
    let server = server();
    let post = |query: &str| {
        let request = server.request(Method::POST, &format!("/image?{query}"));
        let request = request.header("Idempotency-Key", "k");
        request.json(&upload(&picture("x"))).send()
    };
    let first: Value = post("").await.unwrap().json().await.unwrap();
    let again = post("language=es").await.unwrap();
    let again: Value = again.json().await.unwrap();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(names(&first["tags"]), LABELS);
    assert_eq!(names(&again["tags"]), SPANISH);
}

#[tokio::test(flavor = "multi_thread")]
async fn minimal_answers_show_names_too() {
    let server = server();
    let request = server.request(Method::POST, "/image?language=es");
    let request = request.header("Prefer", "return=minimal");
    let answer = request.json(&upload(&picture("x"))).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(names(&answer["tags"]), SPANISH);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_languages_are_refused() {
    let server = server();
    let id = server.register("x").await["id"].clone();
    let image = format!("/image/{}", id.as_str().unwrap());
    for (method, path) in [
        (Method::GET, "/images".to_owned()),
        (Method::GET, "/tags".to_owned()),
        (Method::GET, image.clone()),
        (Method::GET, format!("{image}/tags")),
        (Method::PATCH, format!("{image}/tags")),
        (Method::POST, format!("{image}/retag")),
        (Method::POST, "/image".to_owned()),
        (Method::POST, "/tag".to_owned()),
    ] {
        for language in ["fr", "", "ES", "es,nl"] {
            let path = format!("{path}?language={language}");
            let request = server.request(method.clone(), &path);
            let request = match method {
                Method::GET => request,
                _ => request.json(&json!({})),
            };
            let refused = server.refused(request, 400, "invalid-parameter").await;
            assert_eq!(refused["parameter"], "language", "{path}");
            let detail = "`language` is not one of the languages en, es, nl";
            assert_eq!(refused["detail"], detail, "{path}");
        }
    }
    assert_eq!(count(&server.read("/images").await), 1);
    let file = server.request(Method::GET, &format!("{image}/file?language=es"));
    server.refused(file, 400, "invalid-parameter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_a_filter_is_a_label_where_no_image_has_it() {
    let server = server();
    server.register("x").await;
    for (query, found) in [
        ("tags=perro", 1),
        ("tags=Perro,dog", 1),
        ("tags=hond", 1),
        ("tags=gato", 0),
        ("tags=sartén", 0),
        ("tags=perro&min_confidence=99", 1),
        ("tags=%22pan%20(alimento)%22&min_confidence=99", 0),
        ("any_tags=gato,hond", 1),
        ("not_tags=perro", 0),
        ("not_tags=gato", 1),
        ("q=perro", 1),
        ("q=perro%3E%3D100%20-gato", 1),
        ("q=-(gato%20OR%20perro)", 0),
        ("q=%22pan%20(alimento)%22", 1),
        ("q=%22pan%20(alimento)%22%3E95", 0),
        ("q=chien", 0),
        ("tags=perro&language=en", 1),
        ("tags=perro&language=nl", 1),
        ("tags=dog&language=es", 1),
        ("tags=perro,gato&language=es", 0),
    ] {
        let list = server.read(&format!("/images?{query}")).await;
        assert_eq!(count(&list), found, "{query}");
        let page = server.read(&format!("/images?limit=5&{query}")).await;
        assert_eq!(page, list, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_an_image_has_prevails_over_names() {
    let server = server();
    let mut ids = Vec::new();
    for content in ["a", "b"] {
        ids.push(
            server.register(content).await["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let tags = format!("/image/{}/tags", ids[0]);
    edited(&server, &tags, &json!({"add": ["perro"]})).await;
    for query in ["tags=perro", "tags=perro&language=es", "q=perro"] {
        let list = server.read(&format!("/images?{query}")).await;
        assert_eq!(count(&list), 1, "{query}");
        assert_eq!(list[0]["id"], *ids[0], "{query}");
    }
    edited(&server, &tags, &json!({"remove": ["perro"]})).await;
    assert_eq!(count(&server.read("/images?tags=perro").await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_keep_the_language_and_the_filter() {
    let server = server();
    for content in ["a", "b", "c"] {
        server.register(content).await;
        server.clock.advance(chrono::TimeDelta::seconds(1));
    }
    let mut path = "/images?tags=perro&language=es&limit=1".to_owned();
    for left in (0..3).rev() {
        let response = server.get(&path).await;
        let link = response.headers().get("link").cloned();
        let page: Value = response.json().await.unwrap();
        assert_eq!(count(&page), 1);
        assert_eq!(names(&page[0]["tags"]), SPANISH);
        assert_eq!(link.is_some(), left > 0);
        let Some(link) = link else { break };
        let link = link.to_str().unwrap().trim_start_matches('<').to_owned();
        let (query, _) = link.split_once('>').unwrap();
        assert!(query.starts_with("?tags=perro&language=es&limit=1&cursor="));
        path = format!("/images{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_are_of_the_names_that_are_shown() {
    let server = server();
    server.register("x").await;
    for (query, expected) in [
        ("prefix=d", vec!["dog"]),
        ("prefix=PE", vec!["dog"]),
        ("prefix=p&language=es", vec!["pan (alimento)", "perro"]),
        ("prefix=pe&language=es&limit=1", vec!["perro"]),
        ("prefix=do&language=es", vec!["perro"]),
        ("prefix=ho&language=es", vec!["perro"]),
        ("prefix=ho&language=en", vec!["dog"]),
        ("prefix=a&language=es", vec!["auto"]),
        ("prefix=x&language=es", vec![]),
    ] {
        let tags = server.read(&format!("/tags?{query}")).await;
        assert_eq!(names(&tags), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_sorted_as_they_are_shown() {
    let server = server();
    let id = server.register("x").await["id"].clone();
    let path = format!("/image/{}/tags", id.as_str().unwrap());
    edited(&server, &path, &json!({"add": ["zebra"]})).await;
    for (query, expected) in [
        ("order=name", ["auto", "bread", "dog", "zebra"]),
        (
            "order=name&language=es",
            ["auto", "cebra", "pan (alimento)", "perro"],
        ),
        (
            "order=count&language=es",
            ["auto", "pan (alimento)", "perro", "cebra"],
        ),
    ] {
        let tags = server.read(&format!("/tags?{query}")).await;
        assert_eq!(names(&tags), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_understand_names_in_their_language() {
    let server = server();
    let id = server.register("x").await["id"].clone();
    let path = format!("/image/{}/tags", id.as_str().unwrap());
    let spanish = format!("{path}?language=es");
    let body = json!({"add": ["Gato", "mi palabra"], "remove": ["perro"]});
    let document = edited(&server, &spanish, &body).await;
    let shown = ["gato", "mi palabra", "pan (alimento)", "auto"];
    assert_eq!(names(&document["tags"]), shown);
    assert_eq!(document["rejected"], json!(["perro"]));
    let labels = server.read(&path).await;
    assert_eq!(
        names(&labels["tags"]),
        ["cat", "mi palabra", "bread", "auto"]
    );
    assert_eq!(labels["rejected"], json!(["dog"]));
    let restored = edited(&server, &spanish, &json!({"add": ["perro"]})).await;
    assert_eq!(restored["rejected"], json!([]));
    assert_eq!(names(&restored["tags"])[1], "perro");

    // Both name the same tag.
    let both = edit(
        &server,
        &spanish,
        &json!({"add": ["gato"], "remove": ["cat"]}),
    )
    .await;
    super::test_server::problem(both, 400, "invalid-body").await;
    // Without a language, and in that of the labels, a text is a label.
    for (query, name) in [("", "hond"), ("?language=en", "perro")] {
        edited(&server, &format!("{path}{query}"), &json!({"add": [name]})).await;
        let labels = server.read(&path).await;
        assert!(names(&labels["tags"]).contains(&name), "{labels}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_means_what_the_image_shows() {
    let server = server();
    let mut paths = Vec::new();
    for content in ["a", "b"] {
        let id = server.register(content).await["id"].clone();
        paths.push(format!("/image/{}/tags", id.as_str().unwrap()));
    }
    // One image has a label that is the Spanish name of the other's.
    let body = json!({"add": ["perro"], "remove": ["dog"]});
    edited(&server, &paths[0], &body).await;
    let spanish = format!("{}?language=es", paths[1]);
    let removed = edited(&server, &spanish, &json!({"remove": ["perro"]})).await;
    assert_eq!(names(&removed["tags"]), ["pan (alimento)", "auto"]);
    let spanish = format!("{}?language=es", paths[0]);
    let removed = edited(&server, &spanish, &json!({"remove": ["perro"]})).await;
    assert_eq!(names(&removed["tags"]), ["pan (alimento)", "auto"]);
    assert_eq!(removed["rejected"], json!(["perro"]), "the rejected dog");
}

/// Makes a job, carries it out, and reads it in a language.
async fn job_done(server: &TestServer, language: &str, body: &Value) -> Value {
    let made = server.post(&format!("/jobs?{language}"), body).await;
    assert_eq!(made.status(), 202);
    let made: Value = made.json().await.unwrap();
    super::jobs::run(server).await;
    let path = format!("/jobs/{}?{language}", made["id"].as_str().unwrap());
    let job = server.read(&path).await;
    assert_eq!(job["state"], "done", "{job}");
    let list = server.read(&format!("/jobs?limit=1&{language}")).await;
    assert_eq!(list[0], job);
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_understand_and_show_names() {
    let server = server();
    let id = server.register("x").await["id"].clone();
    let path = format!("/image/{}/tags", id.as_str().unwrap());
    let body = json!({
        "kind": "edit", "filter": {"q": "perro"}, "add": ["gato", "mi palabra"], "remove": ["pan (alimento)"], "expected": 1,
    });
    let job = job_done(&server, "language=es", &body).await;
    let changed = names(&job["result"]["tags"]);
    assert_eq!(changed, ["pan (alimento)", "gato", "mi palabra"]);
    let labels = server.read(&path).await;
    assert_eq!(names(&labels["tags"]), ["cat", "dog", "mi palabra", "auto"]);
    // Without a language, filters understand names as lists do, and what is added is a label.
    let body =
        json!({"kind": "edit", "filter": {"tags": "perro"}, "add": ["zebra"], "expected": 1});
    let job = job_done(&server, "language=en", &body).await;
    assert_eq!(names(&job["result"]["tags"]), ["zebra"]);
    let body = json!({"kind": "edit", "filter": {"tags": "perro"}, "add": ["cebra"], "remove": ["zebra"], "expected": 1});
    let job = job_done(&server, "", &body).await;
    assert_eq!(names(&job["result"]["tags"]), ["cebra", "zebra"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_an_unknown_language_or_of_two_names_is_refused() {
    let server = server();
    server.register("x").await;
    let job =
        json!({"kind": "edit", "filter": {"tags": "dog"}, "add": ["gato"], "remove": ["cat"]});
    let send = |query: &str| {
        server
            .request(Method::POST, &format!("/jobs?{query}"))
            .json(&job)
    };
    let refused = server
        .refused(send("language=fr"), 400, "invalid-parameter")
        .await;
    assert_eq!(refused["parameter"], "language");
    server
        .refused(send("language=es"), 400, "invalid-body")
        .await;
    let list = server.request(Method::GET, "/jobs?language=fr");
    server.refused(list, 400, "invalid-parameter").await;
    assert_eq!(server.read("/jobs").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_repeated_in_another_language_is_another_request() {
    let server = server();
    server.register("x").await;
    let body = json!({"kind": "edit", "filter": {"tags": "dog"}, "add": ["gato"]});
    let send = |query: &str| {
        let request = server.request(Method::POST, &format!("/jobs?{query}"));
        request.header("Idempotency-Key", "k").json(&body)
    };
    let first: Value = send("language=es")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let again: Value = send("language=es")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(first["id"], again["id"]);
    server.refused(send(""), 422, "idempotency-mismatch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_sent_again_though_the_tags_are_known() {
    let server = server();
    let id = server.register("x").await["id"].clone();
    let path = format!("/image/{}/tags", id.as_str().unwrap());
    let etag = server.get(&path).await.headers()["etag"].clone();
    for (query, status) in [("", 304), ("?language=en", 304), ("?language=es", 200)] {
        let request = server.request(Method::GET, &format!("{path}{query}"));
        let request = request.header("If-None-Match", etag.clone());
        assert_eq!(request.send().await.unwrap().status(), status, "{query}");
    }
    let request = server.request(Method::PATCH, &format!("{path}?language=es"));
    let request = request.header("If-Match", etag);
    let request = request.json(&json!({"remove": ["perro"]}));
    assert_eq!(request.send().await.unwrap().status(), 200);
}
