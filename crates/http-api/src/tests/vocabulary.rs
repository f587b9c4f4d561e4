//! The vocabulary, and what it does to tags.

use domain::{Label, LabelNames, NameTable, Vocabulary, VocabularyEntry};
use domain_testing::{label, tags};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::test_server::{TestServer, picture, problem, upload};

/// A server whose pictures carry couch (90), lamp (80) and dust (40).
fn server() -> TestServer {
    TestServer::with(|setup| {
        let found = tags(&[("couch", 90.0), ("lamp", 80.0), ("dust", 40.0)]);
        setup.fakes.provider.set_tags(found);
        let names = NameTable::parse("lamp\tlámpara\ndog\tperro\n").unwrap();
        setup.names = LabelNames::default().with("es", names).unwrap();
    })
}

async fn send(server: &TestServer, method: Method, path: &str, body: &Value) -> Response {
    let request = server.request(method, path);
    request.json(body).send().await.unwrap()
}

/// Puts an entry, and returns the status and the answer.
async fn put(server: &TestServer, tag: &str, body: Value) -> (u16, Value) {
    let path = format!("/vocabulary/{tag}");
    let response = send(server, Method::PUT, &path, &body).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn put_sofa(server: &TestServer) {
    let sofa = json!({"aliases": ["couch"], "parents": ["furniture"]});
    assert_eq!(put(server, "sofa", sofa).await.0, 201);
}

fn names(tags: &Value) -> Vec<&str> {
    let tags = tags.as_array().unwrap();
    tags.iter()
        .map(|tag| tag["tag"].as_str().unwrap())
        .collect()
}

/// Registers a picture, and returns its path and its tags.
async fn register(server: &TestServer, content: &str) -> (String, Value) {
    let body = upload(&picture(content));
    let posted = server.post("/image?min_confidence=0", &body).await;
    let posted: Value = posted.json().await.unwrap();
    let path = format!("/image/{}", posted["id"].as_str().unwrap());
    (path, posted["tags"].clone())
}

async fn found(server: &TestServer, query: &str) -> usize {
    let list = server.read(&format!("/images?{query}")).await;
    list.as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_put_read_and_removed() {
    let server = server();
    let entry = json!({
        "tag": "Sofa", "aliases": ["Couch", "sofa"], "parents": ["furniture"], "threshold": 60.5, "blocked": false,
        "names": {"es": "Sofá"},
    });
    let expected = json!({
        "tag": "sofa", "aliases": ["couch"], "parents": ["furniture"], "threshold": 60.5, "blocked": false,
        "names": {"es": "sofá"},
    });
    assert_eq!(put(&server, "SOFA", entry).await, (201, expected.clone()));
    assert_eq!(server.read("/vocabulary/sofa").await, expected);
    assert_eq!(server.read("/vocabulary").await, json!([expected]));
    let bare = json!({
        "tag": "salt/pepper", "aliases": [], "parents": [], "threshold": null, "blocked": true, "names": {},
    });
    let blocked = json!({"blocked": true});
    assert_eq!(
        put(&server, "salt%2Fpepper", blocked).await,
        (201, bare.clone())
    );
    assert_eq!(server.read("/vocabulary/salt%2fpepper").await, bare);
    let replaced = json!({"aliases": ["settee"]});
    assert_eq!(put(&server, "sofa", replaced).await.0, 200);
    let entry = server.read("/vocabulary/sofa").await;
    assert_eq!(entry["aliases"], json!(["settee"]));
    assert_eq!(entry["threshold"], Value::Null);
    for status in [204, 404] {
        let removed = server.send(Method::DELETE, "/vocabulary/Sofa").await;
        assert_eq!(removed.status(), status);
    }
    let alias = server.send(Method::DELETE, "/vocabulary/settee").await;
    problem(alias, 404, "tag-not-found").await;
    let unknown = server.send(Method::GET, "/vocabulary/sofa").await;
    problem(unknown, 404, "tag-not-found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_has_no_entry_and_says_whose_it_is() {
    let server = server();
    put_sofa(&server).await;
    let alias = server.send(Method::GET, "/vocabulary/couch").await;
    let alias = problem(alias, 404, "tag-not-found").await;
    let detail = "the vocabulary has no entry \"couch\", which is an alias of \"sofa\"";
    assert_eq!(alias["detail"], detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vocabulary_is_read_in_pages() {
    let server = server();
    for tag in ["c", "a", "Straße", "b", "d"] {
        put(&server, tag, json!({})).await;
    }
    let whole = server.read("/vocabulary").await;
    assert_eq!(names(&whole), ["a", "b", "c", "d", "straße"]);
    let mut read = Vec::new();
    let mut path = "/vocabulary?limit=2".to_owned();
    loop {
        let response = server.send(Method::GET, &path).await;
        let link = response.headers().get("link").cloned();
        let page: Vec<Value> = response.json().await.unwrap();
        assert!(page.len() <= 2);
        read.extend(page);
        let Some(link) = link else { break };
        let link = link.to_str().unwrap();
        let next = link.trim_start_matches('<').split('>').next().unwrap();
        path = format!("/vocabulary{next}");
    }
    assert_eq!(json!(read), whole);
    for query in [
        "limit=0",
        "limit=1001",
        "cursor=x",
        "cursor=AwAAAAAAAAAq",
        "builtin=1",
        "order=name",
    ] {
        let request = server.request(Method::GET, &format!("/vocabulary?{query}"));
        server.refused(request, 400, "invalid-parameter").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_the_built_in_tagger_are_shown() {
    let server = TestServer::with(|setup| {
        let dog = VocabularyEntry {
            parents: [label("animal")].into(),
            names: [("es".to_owned(), label("perro"))].into(),
            ..VocabularyEntry::new(label("dog"))
        };
        let animal = VocabularyEntry::new(label("animal"));
        setup.builtin = Vocabulary::new([dog, animal]).unwrap();
    });
    assert_eq!(server.read("/vocabulary").await, json!([]));
    let words = server.read("/vocabulary?builtin=true").await;
    assert_eq!(names(&words), ["animal", "dog"]);
    assert_eq!(words[1]["parents"], json!(["animal"]));
    assert_eq!(words[1]["names"], json!({"es": "perro"}));
    let page = server
        .send(Method::GET, "/vocabulary?limit=1&builtin=true")
        .await;
    assert!(page.headers().contains_key("link"));
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_name_what_conflicts() {
    let server = server();
    put_sofa(&server).await;
    put(&server, "dog", json!({"names": {"es": "perro"}})).await;
    put(&server, "furniture", json!({"parents": ["thing"]})).await;
    for (tag, body, detail) in [
        (
            "couch",
            json!({}),
            "\"couch\" is an alias of \"sofa\" and has an entry of its own",
        ),
        (
            "bench",
            json!({"aliases": ["Couch"]}),
            "\"couch\" is an alias of both \"bench\" and \"sofa\"",
        ),
        (
            "bench",
            json!({"aliases": ["dog"]}),
            "\"dog\" is an alias of \"bench\" and has an entry of its own",
        ),
        (
            "thing",
            json!({"parents": ["couch"]}),
            "\"furniture\" is its own ancestor: \"furniture\" > \"thing\" > \"sofa\" > \"furniture\"",
        ),
        (
            "puppy",
            json!({"names": {"es": "PERRO"}}),
            "\"perro\" is the name of both \"dog\" and \"puppy\" in \"es\"",
        ),
    ] {
        let path = format!("/vocabulary/{tag}");
        let refused = send(&server, Method::PUT, &path, &body).await;
        let refused = problem(refused, 409, "vocabulary-conflict").await;
        assert_eq!(refused["detail"], detail);
        let unknown = server.send(Method::GET, &path).await;
        assert_eq!(unknown.status(), 404, "{tag}");
    }
    // A name of the built-in tagger goes to the entry that takes it.
    let cat = put(&server, "cat", json!({"names": {"es": "lámpara"}})).await;
    assert_eq!(cat.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_have_bounds() {
    let server = server();
    let many = |count: usize| -> Vec<String> { (0..count).map(|n| format!("l{n}")).collect() };
    let languages = |count: u8| -> Value {
        let code = |n: u8| {
            format!(
                "l{}{}",
                char::from(b'a' + n / 26),
                char::from(b'a' + n % 26)
            )
        };
        let names = (0..count).map(|n| (code(n), json!(format!("n{n}"))));
        names.collect::<serde_json::Map<_, _>>().into()
    };
    for (body, limit) in [
        (json!({"aliases": many(101)}), 100),
        (json!({"parents": many(21)}), 20),
        (json!({"names": languages(51)}), 50),
    ] {
        let refused = send(&server, Method::PUT, "/vocabulary/x", &body).await;
        let refused = problem(refused, 400, "invalid-body").await;
        assert_eq!(refused["limit"], limit, "{refused}");
    }
    let whole = json!({"aliases": many(100), "parents": ["p"], "names": languages(50)});
    assert_eq!(put(&server, "x", whole).await.0, 201);
    for n in 0..20 {
        let parent = format!("t{}", n + 1);
        let (status, _) = put(&server, &format!("t{n}"), json!({"parents": [parent]})).await;
        assert_eq!(status, 201);
    }
    let deeper = send(
        &server,
        Method::PUT,
        "/vocabulary/t20",
        &json!({"parents": ["t21"]}),
    )
    .await;
    let refused = problem(deeper, 400, "invalid-body").await;
    assert_eq!(refused["limit"], 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_cannot_be_read_are_refused() {
    let server = server();
    for body in [
        json!([]),
        json!({"tags": []}),
        json!({"tag": "lamp"}),
        json!({"tag": 1}),
        json!({"aliases": "couch"}),
        json!({"aliases": [1]}),
        json!({"aliases": [" "]}),
        json!({"parents": [""]}),
        json!({"threshold": 101}),
        json!({"threshold": "60"}),
        json!({"blocked": "true"}),
        json!({"names": []}),
        json!({"names": {"es": ""}}),
        json!({"names": {"es": null}}),
        json!({"names": {"en": "sofa"}}),
        json!({"names": {"Español": "sofa"}}),
    ] {
        let refused = send(&server, Method::PUT, "/vocabulary/sofa", &body).await;
        problem(refused, 400, "invalid-body").await;
    }
    let bare = server.request(Method::PUT, "/vocabulary/sofa");
    server.refused(bare, 415, "unsupported-media-type").await;
    for path in [
        "/vocabulary/%20",
        "/vocabulary/sofa?a=b",
        "/vocabulary/sofa?rename=%20",
    ] {
        let request = server.request(Method::PUT, path).json(&json!({}));
        server.refused(request, 400, "invalid-parameter").await;
    }
    assert_eq!(server.read("/vocabulary").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_moves_under_a_new_name() {
    let server = server();
    put_sofa(&server).await;
    put(&server, "lamp", json!({})).await;
    let (path, _) = register(&server, "before").await;
    let rename = |new: &str, old: &str| {
        server.request(Method::PUT, &format!("/vocabulary/{new}?rename={old}"))
    };
    for (new, old, status, code) in [
        ("settee", "nothing", 404, "tag-not-found"),
        ("settee", "couch", 404, "tag-not-found"),
        ("lamp", "sofa", 409, "vocabulary-conflict"),
    ] {
        server.refused(rename(new, old), status, code).await;
    }
    let with_body = rename("settee", "sofa").json(&json!({}));
    server.refused(with_body, 400, "invalid-body").await;
    let moved = rename("couch", "sofa").send().await.unwrap();
    assert_eq!(moved.status(), 200);
    let moved: Value = moved.json().await.unwrap();
    let expected = json!({
        "tag": "couch", "aliases": ["sofa"], "parents": ["furniture"], "threshold": null, "blocked": false, "names": {},
    });
    assert_eq!(moved, expected);
    let sofa = server.send(Method::GET, "/vocabulary/sofa").await;
    problem(sofa, 404, "tag-not-found").await;
    let (_, after) = register(&server, "after").await;
    assert_eq!(names(&after), ["couch", "furniture", "lamp", "dust"]);
    let before = server.read(&path).await;
    assert_eq!(
        names(&before["tags"]),
        ["furniture", "sofa", "lamp", "dust"]
    );
    for tag in ["sofa", "couch"] {
        assert_eq!(found(&server, &format!("tags={tag}")).await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_applied_to_new_images_in_their_order() {
    let server = server();
    put_sofa(&server).await;
    put(&server, "dust", json!({"threshold": 41})).await;
    put(
        &server,
        "furniture",
        json!({"parents": ["household", "thing"]}),
    )
    .await;
    put(&server, "thing", json!({"blocked": true})).await;
    let expected = json!([
        {"tag": "furniture", "confidence": 90.0},
        {"tag": "household", "confidence": 90.0},
        {"tag": "sofa", "confidence": 90.0},
        {"tag": "lamp", "confidence": 80.0},
    ]);
    let (path, given) = register(&server, "x").await;
    assert_eq!(given, expected);
    assert_eq!(server.read(&path).await["tags"], expected);
    let tagged = server
        .post("/tag?min_confidence=0", &upload(&picture("x")))
        .await;
    let tagged: Value = tagged.json().await.unwrap();
    assert_eq!(tagged["tags"], expected);
    let tagged = server
        .post("/tag?min_confidence=85", &upload(&picture("x")))
        .await;
    let tagged: Value = tagged.json().await.unwrap();
    assert_eq!(names(&tagged["tags"]), ["furniture", "household", "sofa"]);
    // Known bytes as well: the whole answer is kept as it was.
    put(&server, "sofa", json!({"blocked": true})).await;
    let (_, given) = register(&server, "x").await;
    assert_eq!(names(&given), ["couch", "lamp"]);
    let retagged = server.send(Method::POST, &format!("{path}/retag")).await;
    let retagged: Value = retagged.json().await.unwrap();
    assert_eq!(names(&retagged["tags"]), ["couch", "lamp"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_vocabulary_gives_only_what_it_has() {
    let server = TestServer::with(|setup| {
        setup.is_closed = true;
        let found = tags(&[("couch", 90.0), ("lamp", 80.0)]);
        setup.fakes.provider.set_tags(found);
    });
    put_sofa(&server).await;
    let (path, given) = register(&server, "x").await;
    assert_eq!(names(&given), ["sofa"]);
    let edited = send(
        &server,
        Method::PATCH,
        &format!("{path}/tags"),
        &json!({"add": ["mia"]}),
    )
    .await;
    let edited: Value = edited.json().await.unwrap();
    assert_eq!(names(&edited["tags"]), ["mia", "sofa"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_persons_are_folded_and_bring_their_parents() {
    let server = server();
    let (path, _) = register(&server, "x").await;
    put_sofa(&server).await;
    put(&server, "mess", json!({"blocked": true, "threshold": 90})).await;
    let path = format!("{path}/tags");
    let edit = async |body: Value| send(&server, Method::PATCH, &path, &body).await;
    let add =
        json!({"add": [{"tag": "couch", "confidence": 70}, {"tag": "mess", "confidence": 10}]});
    let edited: Value = edit(add).await.json().await.unwrap();
    let given: Vec<(&str, f64, &str)> = edited["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| {
            let text = |name: &str| tag[name].as_str().unwrap();
            (
                text("tag"),
                tag["confidence"].as_f64().unwrap(),
                text("source"),
            )
        })
        .collect();
    let expected = [
        ("lamp", 80.0, "provider"),
        ("furniture", 70.0, "person"),
        ("sofa", 70.0, "person"),
        ("dust", 40.0, "provider"),
        ("mess", 10.0, "person"),
    ];
    assert_eq!(given, expected);
    // A parent that is removed does not come back with its child.
    let edited: Value = edit(json!({"remove": ["furniture"]}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(edited["rejected"], json!(["furniture"]));
    let edited: Value = edit(json!({"add": ["sofa"]})).await.json().await.unwrap();
    assert_eq!(names(&edited["tags"]), ["sofa", "lamp", "dust", "mess"]);
    let both = edit(json!({"add": ["sofa"], "remove": ["couch"]})).await;
    problem(both, 400, "invalid-body").await;
    let edited: Value = edit(json!({"remove": ["couch"]}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(names(&edited["tags"]), ["lamp", "dust", "mess"]);
    assert_eq!(edited["rejected"], json!(["furniture", "sofa"]));
    let retagged = server
        .send(Method::POST, &path.replace("/tags", "/retag"))
        .await;
    let retagged: Value = retagged.json().await.unwrap();
    assert_eq!(names(&retagged["tags"]), ["lamp", "dust", "mess"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn either_name_finds_images_under_both() {
    let server = server();
    register(&server, "old").await;
    put_sofa(&server).await;
    register(&server, "new").await;
    server.provider.set_tags(tags(&[("lamp", 90.0)]));
    register(&server, "neither").await;
    for (query, count) in [
        ("tags=sofa", 2),
        ("tags=couch", 2),
        ("tags=COUCH,lamp", 2),
        ("any_tags=couch,dog", 2),
        ("not_tags=sofa", 1),
        ("q=couch", 2),
        ("q=-sofa", 1),
        ("q=sofa%3E=90", 2),
        ("q=sofa%3E90", 0),
        ("q=lamp%20-(couch%20OR%20dog)", 1),
        ("q=couch&tags=sofa&any_tags=sofa", 2),
        ("tags=sofa&not_tags=couch", 0),
        ("tags=sofa&min_confidence=91", 0),
        ("tags=furniture", 1),
        ("tags=sofa&limit=1", 1),
    ] {
        assert_eq!(found(&server, query).await, count, "{query}");
    }
    let counted = server
        .send(Method::GET, "/images?tags=couch&limit=1&count=true")
        .await;
    assert_eq!(counted.headers()["x-total-count"], "2");
    for tag in ["sofa", "couch"] {
        let bins = server.read(&format!("/tags/{tag}/confidences")).await;
        assert_eq!(bins["tag"], tag);
        assert_eq!(bins["bins"][18], 2, "{bins}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_entries_are_shown_and_understood() {
    let server = server();
    let sofa = json!({"aliases": ["couch"], "names": {"es": "sofá", "pt-br": "sofá"}});
    put(&server, "sofa", sofa).await;
    put(&server, "dust", json!({"names": {"es": "lámpara"}})).await;
    let (path, _) = register(&server, "x").await;
    let image = server.read(&format!("{path}?language=es")).await;
    assert_eq!(names(&image["tags"]), ["sofá", "lamp", "lámpara"]);
    let image = server.read(&format!("{path}?language=pt-br")).await;
    assert_eq!(names(&image["tags"]), ["sofá", "lamp", "dust"]);
    assert_eq!(found(&server, "tags=sof%C3%A1").await, 1);
    assert_eq!(found(&server, "tags=l%C3%A1mpara&q=dust").await, 1);
    server.send(Method::DELETE, "/vocabulary/dust").await;
    let image = server.read(&format!("{path}?language=es")).await;
    assert_eq!(names(&image["tags"]), ["sofá", "lámpara", "dust"]);
}

/// Labels that differ only in their letters are one tag.
#[tokio::test(flavor = "multi_thread")]
async fn tags_are_compared_by_full_case_folding() {
    let server = server();
    server
        .provider
        .set_tags(tags(&[("strasse", 90.0), ("STRAßE", 95.0)]));
    let (_, given) = register(&server, "before").await;
    assert_eq!(names(&given), ["straße", "strasse"]);
    put(&server, "stra%C3%9Fe", json!({})).await;
    let (_, given) = register(&server, "after").await;
    assert_eq!(given, json!([{"tag": "straße", "confidence": 95.0}]));
    assert_eq!(found(&server, "tags=STRASSE").await, 2);
    let label = Label::parse("STRASSE").unwrap();
    let entry = server.read(&format!("/vocabulary/{label}")).await;
    assert_eq!(entry["tag"], "straße");
}
