//! Jobs: making, reading, listing and cancelling them.

use std::sync::Arc;

use domain::{
    LabelNames, Scope,
    ports::{CallContext, ImageStore as _},
    service::{
        Catalog, CatalogPorts, Editing, EditingPorts, Ingest, IngestPorts, JobRunner,
        JobRunnerPorts, Progress, SharedVocabulary,
    },
};
use domain_testing::{FakeImageCodec, FakeReleaseQueue};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::test_server::{Fakes, TestServer, ingest_settings, picture_codes, problem, threshold};
use crate::KeyPolicy;

const UNKNOWN: &str = "/jobs/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777";

/// Carries out the jobs of a server.
fn runner(fakes: &Fakes) -> JobRunner {
    let ingest = IngestPorts {
        images: fakes.store.clone(),
        taggings: fakes.store.clone(),
        ledger: fakes.store.clone(),
        originals: fakes.originals.clone(),
        codec: Arc::<FakeImageCodec>::default(),
        provider: fakes.provider.clone(),
        host: None,
        releases: Arc::new(FakeReleaseQueue::default()),
        clock: fakes.clock.clone(),
    };
    let catalog = CatalogPorts {
        images: fakes.store.clone(),
        counter: fakes.store.clone(),
        infos: fakes.store.clone(),
        statistics: fakes.store.clone(),
        ledger: fakes.store.clone(),
        originals: fakes.originals.clone(),
        clock: fakes.clock.clone(),
    };
    let editing = EditingPorts {
        edits: fakes.store.clone(),
        clock: fakes.clock.clone(),
    };
    let vocabulary = SharedVocabulary::new(
        fakes.store.clone(),
        fakes.clock.clone(),
        LabelNames::default(),
        false,
    );
    let ingest = Ingest::new(ingest, ingest_settings(None)).with_vocabulary(vocabulary.clone());
    let catalog = Catalog::new(catalog).with_vocabulary(vocabulary);
    let decoder = Arc::<FakeImageCodec>::default();
    let codes = picture_codes(fakes, decoder, None, catalog.clone());
    let editing = Editing::new(editing, catalog, Arc::new(ingest));
    let ports = JobRunnerPorts {
        queue: fakes.store.clone(),
        images: fakes.store.clone(),
        edits: fakes.store.clone(),
        statistics: fakes.store.clone(),
        clock: fakes.clock.clone(),
    };
    JobRunner::new(ports, editing, codes, threshold(80.0))
}

/// Carries out all jobs.
pub(super) async fn run(server: &TestServer) {
    let runner = runner(server);
    while let Some(mut job) = runner.claim().await.unwrap() {
        let context = CallContext::local();
        while runner.step(&mut job, &context).await.unwrap() != Progress::Over {}
    }
}

async fn accepted(response: Response) -> Value {
    assert_eq!(response.status(), 202);
    assert_eq!(response.headers()["content-type"], "application/json");
    response.json().await.unwrap()
}

async fn make(server: &TestServer, body: &Value) -> Value {
    let response = server.post("/jobs", body).await;
    let location = response.headers().get("location").cloned();
    let job = accepted(response).await;
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(location.unwrap(), *path);
    job
}

async fn read(server: &TestServer, job: &Value) -> Value {
    server
        .read(&format!("/jobs/{}", job["id"].as_str().unwrap()))
        .await
}

/// Makes a job, carries it out, and reads it.
async fn done(server: &TestServer, body: &Value) -> Value {
    let job = make(server, body).await;
    run(server).await;
    let job = read(server, &job).await;
    assert_eq!(job["state"], "done", "{job}");
    job
}

async fn names(server: &TestServer, image: &Value) -> Vec<String> {
    let path = format!("/image/{}/tags", image["id"].as_str().unwrap());
    let document = server.read(&path).await;
    let tags = document["tags"].as_array().unwrap().iter();
    tags.map(|tag| tag["tag"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_edits_the_images_that_match() {
    let server = TestServer::start();
    let (one, other) = (server.register("a").await, server.register("b").await);
    let body = json!({
        "kind": "edit", "filter": {"ids": [one["id"]]}, "add": ["mia"], "remove": ["cab"], "expected": 1,
    });
    let job = make(&server, &body).await;
    assert_eq!(
        (&job["kind"], &job["state"], &job["total"], &job["done"]),
        (&json!("edit"), &json!("queued"), &json!(1), &json!(0))
    );
    for member in ["started", "finished", "result"] {
        assert!(job[member].is_null(), "{job}");
    }
    assert_eq!(read(&server, &job).await, job);
    run(&server).await;
    let job = read(&server, &job).await;
    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(1)));
    assert!(job["started"].is_string() && job["finished"].is_string());
    assert_eq!(
        job["result"],
        json!({
            "changed": 1,
            "tags": [
                {"tag": "cab", "gained": 0, "lost": 1, "moved": 0, "mean_move": 0.0},
                {"tag": "mia", "gained": 1, "lost": 0, "moved": 0, "mean_move": 0.0},
            ],
            "more": 0,
            "errors": [],
        })
    );
    assert_eq!(names(&server, &one).await, ["car", "mia", "auto"]);
    assert_eq!(names(&server, &other).await, ["car", "auto", "cab"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_deletes_the_images_that_match() {
    let server = TestServer::start();
    let kept = server.register("a").await;
    server.register("b").await;
    let path = format!("/image/{}/tags", kept["id"].as_str().unwrap());
    let edit = server.request(Method::PATCH, &path);
    edit.json(&json!({"add": ["keep"]})).send().await.unwrap();
    let filter = json!({"q": "car>=90", "not_tags": "keep"});
    let dry = json!({"kind": "delete", "filter": filter, "dry_run": true});
    let counted = done(&server, &dry).await;
    assert_eq!(server.store.images().len(), 2);
    let body = json!({"kind": "delete", "filter": filter, "expected": counted["total"]});
    let job = done(&server, &body).await;
    assert_eq!(job["result"], counted["result"]);
    assert_eq!(
        (&counted["dry_run"], &job["dry_run"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(job["result"]["changed"], 1);
    let left = server.store.images();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id.to_string(), kept["id"]);
    let all = json!({"kind": "delete", "filter": {"all": true}});
    done(&server, &all).await;
    assert!(server.store.images().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_tags_again_from_stored_answers() {
    let server = TestServer::start();
    let image = server.register("a").await;
    let calls = server.provider.calls();
    let body = json!({"kind": "retag", "min_confidence": 75, "provider": "fake"});
    let job = done(&server, &body).await;
    assert_eq!(job["result"]["changed"], 1);
    assert_eq!(names(&server, &image).await, ["car", "auto"]);
    assert_eq!(server.provider.calls(), calls, "the answer is stored");
    // The threshold is kept with the image.
    let again = done(&server, &json!({"kind": "retag"})).await;
    assert_eq!(again["result"]["changed"], 0);
}

async fn put(server: &TestServer, tag: &str, entry: Value) {
    let request = server.request(Method::PUT, &format!("/vocabulary/{tag}"));
    let response = request.json(&entry).send().await.unwrap();
    assert!(response.status().is_success());
}

/// The images are registered before the vocabulary is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_applies_the_vocabulary_from_stored_answers() {
    let server = TestServer::start();
    let (image, other) = (server.register("a").await, server.register("b").await);
    let tags = format!("/image/{}/tags", image["id"].as_str().unwrap());
    let edit = json!({"add": ["mia", "cab"], "remove": ["auto"]});
    let request = server.request(Method::PATCH, &tags).json(&edit);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let before = server.read("/images").await;
    let calls = server.provider.calls();
    put(
        &server,
        "car",
        json!({"aliases": ["auto"], "parents": ["vehicle"]}),
    )
    .await;
    put(&server, "cab", json!({"blocked": true})).await;
    put(&server, "mia", json!({"parents": ["cat"]})).await;
    let dry = json!({"kind": "vocabulary", "dry_run": true});
    let counted = done(&server, &dry).await;
    assert_eq!(server.read("/images").await, before);
    let job = done(&server, &json!({"kind": "vocabulary", "expected": 2})).await;
    assert_eq!(
        (&job["kind"], &job["total"]),
        (&json!("vocabulary"), &json!(2))
    );
    assert_eq!(job["result"], counted["result"]);
    assert_eq!(job["result"]["changed"], 2);
    let tally = |tag: &str| {
        let mut tags = job["result"]["tags"].as_array().unwrap().iter();
        let found = tags.find(|tally| tally["tag"] == tag);
        found.map(|tally| (tally["gained"].clone(), tally["lost"].clone()))
    };
    assert_eq!(tally("vehicle"), Some((json!(1), json!(0))), "{job}");
    assert_eq!(tally("cat"), Some((json!(1), json!(0))));
    // What a person rejected under its old name stays rejected, and what a person gave stays.
    assert_eq!(names(&server, &image).await, ["cab", "cat", "mia"]);
    let document = server.read(&tags).await;
    assert_eq!(document["rejected"], json!(["car"]));
    assert_eq!(names(&server, &other).await, ["car", "vehicle"]);
    assert_eq!(server.provider.calls(), calls, "no new call");
    let again = done(&server, &json!({"kind": "vocabulary"})).await;
    assert_eq!(again["result"]["changed"], 0);
    // Without the vocabulary, all is as the provider said.
    for tag in ["car", "cab", "mia"] {
        let removed = server
            .send(Method::DELETE, &format!("/vocabulary/{tag}"))
            .await;
        assert_eq!(removed.status(), 204);
    }
    let filter = json!({"ids": [other["id"]]});
    let job = done(&server, &json!({"kind": "vocabulary", "filter": filter})).await;
    assert_eq!(job["result"]["changed"], 1);
    let now = server
        .read(&format!("/images?q={}", "date%3E=2000-01-01"))
        .await;
    let of = |list: &Value| {
        let mut images = list.as_array().unwrap().iter();
        images.find(|image| image["id"] == other["id"]).cloned()
    };
    assert_eq!(of(&now), of(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_jobs_understand_aliases() {
    let server = TestServer::start();
    server.register("a").await;
    put(&server, "vehicle", json!({"aliases": ["car"]})).await;
    for filter in [
        json!({"tags": "vehicle"}),
        json!({"tags": "car"}),
        json!({"any_tags": "vehicle,dog"}),
        json!({"q": "vehicle"}),
    ] {
        let job = make(&server, &json!({"kind": "vocabulary", "filter": filter})).await;
        assert_eq!(job["total"], 1, "{filter}");
    }
    let none = json!({"kind": "vocabulary", "filter": {"not_tags": "vehicle"}});
    assert_eq!(make(&server, &none).await["total"], 0);
    let edit =
        json!({"kind": "edit", "filter": {"tags": "car"}, "remove": ["vehicle"], "add": ["car"]});
    let job = done(&server, &edit).await;
    assert_eq!(job["result"]["changed"], 1, "what is both is added");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_changes_nothing_more() {
    let server = TestServer::start();
    server.register("a").await;
    let job = make(
        &server,
        &json!({"kind": "delete", "filter": {"tags": "car"}}),
    )
    .await;
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    for _ in 0..2 {
        let cancelled = accepted(server.send(Method::DELETE, &path).await).await;
        assert_eq!(cancelled["state"], "cancelled");
        assert_eq!(cancelled["result"]["changed"], 0);
    }
    run(&server).await;
    assert_eq!(server.store.images().len(), 1);
    for method in [Method::GET, Method::DELETE] {
        problem(
            server.send(method.clone(), UNKNOWN).await,
            404,
            "job-not-found",
        )
        .await;
        problem(
            server.send(method.clone(), "/jobs/x").await,
            400,
            "invalid-id",
        )
        .await;
        let path = format!("{UNKNOWN}?now=true");
        problem(server.send(method, &path).await, 400, "invalid-parameter").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_in_pages() {
    let server = TestServer::start();
    assert_eq!(server.read("/jobs").await, json!([]));
    let mut made = Vec::new();
    for _ in 0..5 {
        let job = make(&server, &json!({"kind": "retag"})).await;
        made.insert(0, job["id"].clone());
    }
    let ids = |list: &Value| -> Vec<Value> {
        let list = list.as_array().unwrap().iter();
        list.map(|job| job["id"].clone()).collect()
    };
    let (mut path, mut listed) = ("/jobs?limit=2".to_owned(), Vec::new());
    loop {
        let response = server.get(&path).await;
        let link = response.headers().get("link").cloned();
        listed.extend(ids(&response.json().await.unwrap()));
        let Some(link) = link else { break };
        let link = link.to_str().unwrap();
        let (target, rest) = link.trim_start_matches('<').split_once('>').unwrap();
        assert_eq!(rest, "; rel=\"next\"");
        path = format!("/jobs{target}");
    }
    assert_eq!(listed, made);
    assert_eq!(ids(&server.read("/jobs").await), made);
    for query in ["limit=0", "limit=1001", "cursor=x", "state=done"] {
        let response = server.get(&format!("/jobs?{query}")).await;
        problem(response, 400, "invalid-parameter").await;
    }
}

/// Bodies that are refused, and the code of the problem.
fn mistakes() -> Vec<(Value, &'static str)> {
    let bodies = [
        json!([]),
        json!({}),
        json!({"kind": 1}),
        json!({"kind": "vocabulary", "add": ["a"]}),
        json!({"kind": "retag", "more": 1}),
        json!({"kind": "retag", "filter": []}),
        json!({"kind": "retag", "filter": {"limit": 1}}),
        json!({"kind": "retag", "filter": {"tags": ["a"]}}),
        json!({"kind": "retag", "dry_run": 1}),
        json!({"kind": "retag", "dry_run": null}),
        json!({"kind": "retag", "expected": -1}),
        json!({"kind": "retag", "expected": 1.5}),
        json!({"kind": "retag", "min_confidence": "5"}),
        json!({"kind": "delete"}),
        json!({"kind": "edit", "filter": {"all": true}}),
        json!({"kind": "edit", "filter": {"tags": "car"}, "add": ["a"], "remove": ["a"]}),
    ];
    let mut mistakes: Vec<_> = bodies.map(|body| (body, "invalid-body")).into();
    mistakes.extend([
        (
            json!({"kind": "retag", "provider": "x"}),
            "invalid-parameter",
        ),
        (
            json!({"kind": "retag", "filter": {"q": "a b)"}}),
            "invalid-query",
        ),
        (json!({"kind": "retag", "expected": 2}), "count-changed"),
        (
            json!({"kind": "delete", "filter": {"tags": "dog"}, "expected": 1}),
            "count-changed",
        ),
    ]);
    mistakes
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_make_no_job() {
    let server = TestServer::start();
    server.register("a").await;
    for (body, code) in mistakes() {
        let response = server.post("/jobs", &body).await;
        let status = if code == "count-changed" { 409 } else { 400 };
        let document = problem(response, status, code).await;
        if code == "invalid-query" {
            assert_eq!(document["position"], 3, "{document}");
        }
    }
    let text = server.request(Method::POST, "/jobs").body("x").send().await;
    problem(text.unwrap(), 415, "unsupported-media-type").await;
    let large = json!({"kind": "x".repeat(1 << 20)});
    problem(server.post("/jobs", &large).await, 400, "invalid-body").await;
    let query = server
        .post("/jobs?dry_run=true", &json!({"kind": "retag"}))
        .await;
    problem(query, 400, "invalid-parameter").await;
    assert_eq!(server.read("/jobs").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_makes_one_job() {
    let server = TestServer::start();
    let send = async |key: &str, body: &Value| {
        let request = server.request(Method::POST, "/jobs").json(body);
        request.header("idempotency-key", key).send().await.unwrap()
    };
    let body = json!({"kind": "retag", "filter": {"tags": "car"}});
    let first = accepted(send("k", &body).await).await;
    let again = send("k", &body).await;
    assert!(again.headers().contains_key("location"));
    assert_eq!(accepted(again).await, first);
    let other = json!({"kind": "retag", "filter": {"tags": "cab"}});
    problem(send("k", &other).await, 422, "idempotency-mismatch").await;
    let second = accepted(send("l", &body).await).await;
    assert_ne!(second["id"], first["id"]);
    // One that failed leaves no mark.
    let fails = json!({"kind": "retag", "expected": 7});
    problem(send("m", &fails).await, 409, "count-changed").await;
    accepted(send("m", &body).await).await;
    assert_eq!(server.read("/jobs").await.as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_administrator_deletes_everything() {
    let server = TestServer::with(|setup| setup.settings.keys = KeyPolicy::Changes);
    let write = super::access::key(&server, &[Scope::Write]).await;
    let admin = super::access::key(&server, &[Scope::Admin]).await;
    let send = async |key: &str, filter: Value| {
        let body = json!({"kind": "delete", "filter": filter});
        let request = server.request(Method::POST, "/jobs").json(&body);
        request.bearer_auth(key).send().await.unwrap()
    };
    let everything = || json!({"all": true});
    let document = problem(send(&write, everything()).await, 403, "forbidden").await;
    assert_eq!(document["scope"], "admin");
    accepted(send(&write, json!({"tags": "car"})).await).await;
    accepted(send(&admin, everything()).await).await;
    for (key, status) in [(&write, 403), (&admin, 202)] {
        let body = json!({"kind": "vocabulary", "filter": {"tags": "car"}});
        let request = server.request(Method::POST, "/jobs").json(&body);
        let response = request.bearer_auth(key).send().await.unwrap();
        assert_eq!(response.status(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_jobs_wait() {
    let server = TestServer::start();
    for _ in 0..1000 {
        let response = server.post("/jobs", &json!({"kind": "retag"})).await;
        assert_eq!(response.status(), 202);
    }
    let response = server.post("/jobs", &json!({"kind": "retag"})).await;
    let document = problem(response, 409, "too-many").await;
    assert_eq!(document["limit"], 1000);
    assert!(server.store.ready().await.is_ok());
}
