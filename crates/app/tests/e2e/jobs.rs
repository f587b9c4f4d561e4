//! Jobs, on the running binary.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    database::Kind,
    edits::assert_counted,
    pictures::jpeg,
    server::{Server, command, run},
};

/// Registers that many images of a few pictures.
async fn register(server: &Server, count: usize) -> Vec<Value> {
    let pictures: Vec<Vec<u8>> = (1..=3).map(jpeg).collect();
    let mut images = Vec::new();
    // The first ones are tagged, the others known.
    for picture in &pictures {
        images.push(server.register(picture, "?min_confidence=20").await);
    }
    let posts = (pictures.len()..count).map(|number| {
        let picture = &pictures[number % pictures.len()];
        server.register(picture, "?min_confidence=20")
    });
    let posts: Vec<_> = posts.collect();
    images.extend(stream::iter(posts).buffered(8).collect::<Vec<_>>().await);
    images
}

async fn make(server: &Server, body: &Value) -> String {
    let request = server.request(Method::POST, "/jobs").json(body);
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let job: Value = response.json().await.unwrap();
    assert_eq!(status, 202, "{job}");
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(headers["location"], path);
    path
}

/// Waits until a job is as it should be.
async fn wait(server: &Server, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let job = server.json(path).await;
        if is_so(&job) {
            return job;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{job}\n{}",
            server.process.log()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn done(server: &Server, body: &Value) -> Value {
    let path = make(server, body).await;
    let job = wait(server, &path, |job| job["finished"].is_string()).await;
    assert_eq!(job["state"], "done", "{job}\n{}", server.process.log());
    assert_eq!(job["done"], job["total"]);
    job
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn jobs_change_the_images_that_match(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let images = register(&server, 9).await;
    let (one, tag) = (&images[0], &images[0]["tags"][0]["tag"]);
    let edit = json!({
        "kind": "edit", "filter": {"ids": [one["id"]]}, "add": ["mia"], "remove": [tag], "expected": 1,
    });
    let job = done(&server, &edit).await;
    assert_eq!(job["result"]["changed"], 1);
    assert_eq!(
        server
            .json("/images?tags=mia")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_counted(&server).await;

    let retag = json!({"kind": "retag", "min_confidence": 80, "filter": {"q": "-mia"}});
    let mut dry = retag.clone();
    dry["dry_run"] = json!(true);
    let before = server.json("/images").await;
    let counted = done(&server, &dry).await;
    assert_eq!(server.json("/images").await, before);
    let job = done(&server, &retag).await;
    assert_eq!(job["total"], 8);
    assert_eq!(job["result"], counted["result"]);
    assert!(job["result"]["changed"].as_u64().unwrap() > 0, "{job}");
    assert_counted(&server).await;

    let delete = json!({"kind": "delete", "filter": {"tags": "mia"}, "expected": 2});
    let refused = server.request(Method::POST, "/jobs").json(&delete).send();
    let refused = refused.await.unwrap();
    server.assert_problem(refused, 409, "count-changed").await;
    let delete = json!({"kind": "delete", "filter": {"not_tags": "mia"}});
    let job = done(&server, &delete).await;
    assert_eq!(job["result"]["changed"], 8);
    let left = server.json("/images").await;
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_counted(&server).await;

    let listed = server.json("/jobs").await;
    let kinds: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["kind"])
        .collect();
    assert_eq!(kinds, ["delete", "retag", "retag", "edit"]);
    assert_eq!(server.json("/jobs?limit=1").await[0], listed[0]);
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn a_repeated_request_makes_one_job(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let send = async |server: &Server, filter: Value| {
        let body = json!({"kind": "retag", "filter": filter});
        let request = server.request(Method::POST, "/jobs").json(&body);
        request.header("idempotency-key", "k").send().await.unwrap()
    };
    let first = send(&server, json!({"tags": "a"})).await;
    assert_eq!(first.status(), 202);
    let first: Value = first.json().await.unwrap();
    let server = server.restart(&[]).await;
    let again: Value = send(&server, json!({"tags": "a"}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(again["id"], first["id"]);
    let other = send(&server, json!({"tags": "b"})).await;
    server
        .assert_problem(other, 422, "idempotency-mismatch")
        .await;
    assert_eq!(server.json("/jobs").await.as_array().unwrap().len(), 1);
}

/// Lets fifteen seconds pass, after which the job of a killed server is anybody's.
async fn let_leases_run_out(server: &Server) {
    let statement = "UPDATE etiqueta_job SET leased_until = 1";
    server.database.execute(statement).await;
}

#[rstest]
#[case::sqlite_retag(Kind::Sqlite, json!({"kind": "retag", "min_confidence": 80}))]
#[case::mysql_retag(Kind::Mysql, json!({"kind": "retag", "min_confidence": 80}))]
#[case::sqlite_edit(Kind::Sqlite, json!({"kind": "edit", "filter": {"all": true}, "add": ["mia"]}))]
#[case::mysql_edit(Kind::Mysql, json!({"kind": "edit", "filter": {"all": true}, "add": ["mia"]}))]
#[case::sqlite_delete(Kind::Sqlite, json!({"kind": "delete", "filter": {"all": true}}))]
#[case::mysql_delete(Kind::Mysql, json!({"kind": "delete", "filter": {"all": true}}))]
#[case::sqlite_vocabulary(Kind::Sqlite, json!({"kind": "vocabulary"}))]
#[case::mysql_vocabulary(Kind::Mysql, json!({"kind": "vocabulary"}))]
#[tokio::test]
async fn a_job_goes_on_after_the_server_was_killed(#[case] kind: Kind, #[case] mut body: Value) {
    let mut server = Server::start(kind).await;
    let images = register(&server, 500).await;
    if body["kind"] == "vocabulary" {
        let entry = json!({"aliases": [images[0]["tags"][0]["tag"]], "parents": ["stuff"]});
        let put = server.request(Method::PUT, "/vocabulary/thing");
        assert_eq!(put.json(&entry).send().await.unwrap().status(), 201);
    }
    body["dry_run"] = json!(true);
    let counted = done(&server, &body).await;
    body["dry_run"] = json!(false);
    let path = make(&server, &body).await;
    for interruption in 1..=2_u64 {
        let killed = wait(&server, &path, |job| {
            job["done"].as_u64().unwrap() >= interruption * 64 || job["finished"].is_string()
        });
        let killed = killed.await;
        server = server.restart(&[]).await;
        assert_counted(&server).await;
        let_leases_run_out(&server).await;
        println!("killed at {}", killed["done"]);
    }
    let job = wait(&server, &path, |job| job["finished"].is_string()).await;
    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(500)));
    assert_eq!(job["result"], counted["result"]);
    assert_counted(&server).await;
    if job["kind"] == "delete" {
        assert_eq!(server.json("/images").await, json!([]));
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn a_job_is_handed_over_when_the_server_stops(#[case] kind: Kind) {
    let mut server = Server::start(kind).await;
    register(&server, 300).await;
    let path = make(&server, &json!({"kind": "delete", "filter": {"all": true}})).await;
    server.process.signal("TERM");
    let status = server.process.wait(Duration::from_secs(20));
    assert!(status.success(), "{}", server.process.log());
    let server = server.restart(&[]).await;
    let began = Instant::now();
    let job = wait(&server, &path, |job| job["finished"].is_string()).await;
    assert_eq!(job["result"]["changed"], 300);
    // The lease of a server that is killed would last for 15 seconds.
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
}

/// Runs a command beside the server, on its database.
pub(super) fn etiqueta(server: &Server, arguments: &[&str]) -> (i32, String, String) {
    let mut command = command(server.folder.path());
    command
        .args(arguments)
        .envs(server.fakes.variables())
        .env("ETIQUETA__DATABASE__URL", server.database.url());
    run(command)
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn commands_make_and_show_jobs(#[case] kind: Kind) {
    let mut server = Server::start(kind).await;
    let images = register(&server, 5).await;
    let edit = [
        "edit",
        "--all",
        "--add",
        "mia=70",
        "--expected",
        "5",
        "--json",
    ];
    let (code, output, errors) = etiqueta(&server, &edit);
    assert_eq!(code, 0, "{errors}");
    let job: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(job["result"]["changed"], 5);
    assert_eq!(
        server
            .json("/images?tags=mia")
            .await
            .as_array()
            .unwrap()
            .len(),
        5
    );
    // Without a server the command does it.
    server.process.kill();
    let id = images[0]["id"].as_str().unwrap();
    let (code, output, errors) = etiqueta(&server, &["delete", "--id", id]);
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains("1 images changed"), "{output}");
    let retag = ["retag", "--q", "mia", "--min-confidence", "10", "--dry-run"];
    let (code, output, errors) = etiqueta(&server, &retag);
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains("would change"), "{output}");

    let (code, output, errors) = etiqueta(&server, &["jobs", "list"]);
    assert_eq!(code, 0, "{errors}");
    let kinds: Vec<&str> = output
        .lines()
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(kinds, ["retag", "delete", "edit"]);
    let id = job["id"].as_str().unwrap();
    let (_, shown, _) = etiqueta(&server, &["jobs", "show", id, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), job);
    let (code, _, errors) = etiqueta(&server, &["jobs", "cancel", id]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("done"), "{errors}");
    for (arguments, wrong) in [
        (&["delete"][..], "--all"),
        (&["edit", "--all"], "--add"),
        (&["delete", "--all", "--tags", "a"], "stands alone"),
        (&["retag", "--q", "(", "--all"], "stands alone"),
        (&["retag", "--q", "("], "`q`"),
        (
            &["jobs", "show", "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777"],
            "no job",
        ),
    ] {
        let (code, _, errors) = etiqueta(&server, arguments);
        assert_eq!(code, 2, "{arguments:?} {errors}");
        assert!(errors.contains(wrong), "{arguments:?} {errors}");
    }
}
