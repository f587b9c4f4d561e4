//! `GET /metrics`, and a log without a reader.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, Response};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use upstream_fakes::{Fakes, Fault, Route};

use super::{
    database::Kind,
    pictures::jpeg,
    server::{Server, command, run},
};

/// The values of a scrape, by name and labels.
pub struct Scrape(HashMap<String, f64>);

impl Scrape {
    pub async fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter(|line| !line.is_empty()).map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        Self(samples.collect())
    }

    /// The one value.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The sum of the values of a name whose labels have all of that.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let head = format!("{name}{{");
        let all = self.0.iter().filter(|(series, _)| {
            series.starts_with(&head) && labels.iter().all(|label| series.contains(label))
        });
        all.map(|(_, value)| value).sum()
    }
}

impl Server {
    pub async fn scrape(&self) -> Scrape {
        Scrape::of(self.get("/metrics").await).await
    }
}

const REQUESTS: &str = "http_server_request_duration_seconds_count";
const CALLS: &str = "http_client_request_duration_seconds_count";
const QUERIES: &str = "db_client_operation_duration_seconds_count";

#[rstest]
#[case::sqlite(Kind::Sqlite, "sqlite")]
#[case::mysql(Kind::Mysql, "mysql")]
#[tokio::test]
async fn what_happens_is_counted(#[case] kind: Kind, #[case] system: &str) {
    let server = Server::start(kind).await;
    for _ in 0..2 {
        server.register(&jpeg(1), "").await;
    }
    let traffic = server.fakes.imagga().traffic();
    traffic.fail_next(Route::Tags, Fault::status(401));
    assert_eq!(server.post(&jpeg(2), "").await.status(), 502);
    assert_eq!(server.get("/nowhere/at/all").await.status(), 404);

    let post = ["http_request_method=\"POST\"", "http_route=\"/image\""];
    let of_status = |status| [post[0], post[1], status];
    let ok = of_status("http_response_status_code=\"200\"");
    let failed = of_status("http_response_status_code=\"502\"");
    let began = Instant::now();
    // A request is counted when its answer is over, which its client may see earlier.
    let scrape = loop {
        let scrape = server.scrape().await;
        if scrape.sum(REQUESTS, &["unmatched"]) >= 1.0 && scrape.sum(REQUESTS, &failed) >= 1.0 {
            break scrape;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(scrape.sum(REQUESTS, &ok), 2.0);
    assert_eq!(scrape.sum(REQUESTS, &failed), 1.0);
    let unmatched = "http_route=\"unmatched\",http_response_status_code=\"404\"";
    assert_eq!(scrape.sum(REQUESTS, &[unmatched]), 1.0);
    for (series, expected) in [
        ("http_server_active_requests", 1.0),
        ("etiqueta_images_registered_total", 2.0),
        ("etiqueta_tagging_cache_hits_total", 1.0),
        (
            "etiqueta_taggings_total{provider=\"imagga\",outcome=\"tagged\"}",
            1.0,
        ),
        (
            "etiqueta_taggings_total{provider=\"imagga\",outcome=\"refused\"}",
            1.0,
        ),
        ("etiqueta_breaker_state{upstream=\"imagga\"}", 0.0),
        ("etiqueta_breaker_state{upstream=\"imagekit\"}", 0.0),
        ("etiqueta_queue_waiting{queue=\"uploads\"}", 0.0),
        ("etiqueta_answers_unsaved", 0.0),
        ("etiqueta_database_up", 1.0),
        ("etiqueta_jobs{state=\"queued\"}", 0.0),
        ("etiqueta_rollup_pending_changes", 2.0),
        ("etiqueta_log_lines_dropped_total", 0.0),
    ] {
        assert_eq!(scrape.value(series), Some(expected), "{series}");
    }
    let refused = ["server_address=\"127.0.0.1\"", "status_code=\"401\""];
    assert_eq!(scrape.sum(CALLS, &refused), 1.0);
    let system = format!("db_system_name=\"{system}\"");
    let writes = [&system, "operation_name=\"write\"", "error_type=\"\""];
    assert!(scrape.sum(QUERIES, &writes) >= 2.0);
    let limit = scrape.value("db_client_connection_max").unwrap();
    let open = scrape.sum("db_client_connections_usage", &[]);
    assert!(limit >= open && open >= 1.0, "{open} of {limit}");
    assert!(scrape.value("process_resident_memory_bytes").unwrap() > 1e6);
    assert!(scrape.value("process_cpu_seconds_total").unwrap() > 0.0);
}

/// The jobs of a database are counted on each server, and what this one did.
#[tokio::test]
async fn jobs_are_counted() {
    let server = Server::start(Kind::Sqlite).await;
    for n in 1..4 {
        server.register(&jpeg(n), "").await;
    }
    let job = serde_json::json!({"kind": "edit", "filter": {"all": true}, "add": ["seen"]});
    let job = server.request(Method::POST, "/jobs").json(&job);
    let response = job.send().await.unwrap();
    let (status, body) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 202, "{body}");
    let job: Value = serde_json::from_str(&body).unwrap();
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    let began = Instant::now();
    while server.json(&path).await["state"] != "done" {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let scrape = server.scrape().await;
    assert_eq!(scrape.value("etiqueta_jobs{state=\"done\"}"), Some(1.0));
    let submitted = "etiqueta_job_images_total{outcome=\"submitted\"}";
    assert_eq!(scrape.value(submitted), Some(3.0));
}

/// What the file would tell is absent; everything else is there.
#[tokio::test]
async fn a_scrape_goes_on_without_the_file_of_the_database() {
    let server = Server::start(Kind::Sqlite).await;
    server.register(&jpeg(1), "").await;
    let folder = server.folder.path();
    fs::rename(folder.join("data"), folder.join("away")).unwrap();
    let scrape = server.scrape().await;
    assert_eq!(scrape.value("etiqueta_database_up"), Some(0.0));
    assert_eq!(scrape.sum("etiqueta_jobs", &[]), 0.0);
    assert_eq!(scrape.value("etiqueta_jobs{state=\"queued\"}"), None);
    let registered = scrape.value("etiqueta_images_registered_total");
    assert_eq!(registered, Some(1.0));
}

#[tokio::test]
async fn a_closed_server_asks_for_the_scope() {
    let fakes = Fakes::start().await.unwrap();
    let closed = [("ETIQUETA__AUTH__REQUIRED", "true")];
    let server = Server::start_with(Kind::Sqlite, fakes, &closed).await;
    let key = |scope| {
        let mut command = command(server.folder.path());
        command
            .args(["key", "create", scope, "--scope", scope])
            .env("ETIQUETA__DATABASE__URL", server.database.url());
        let (code, output, errors) = run(command);
        assert_eq!(code, 0, "{errors}");
        output.trim_end().to_owned()
    };
    let response = server.get("/metrics").await;
    server
        .assert_problem(response, 401, "unauthenticated")
        .await;
    let write = server.request(Method::GET, "/metrics");
    let response = write.bearer_auth(key("write")).send().await.unwrap();
    let problem = server.assert_problem(response, 403, "forbidden").await;
    assert_eq!(problem["scope"], "metrics");
    let metrics = server.request(Method::GET, "/metrics");
    let response = metrics.bearer_auth(key("metrics")).send().await.unwrap();
    Scrape::of(response).await;
}

#[tokio::test]
async fn the_metrics_may_have_an_address_of_their_own() {
    let fakes = Fakes::start().await.unwrap();
    let variables = [
        ("ETIQUETA__METRICS__BIND", "127.0.0.1:0"),
        ("ETIQUETA__AUTH__REQUIRED", "true"),
        (
            "ETIQUETA__AUTH__ADMIN_KEY",
            "0123456789abcdef0123456789abcdef",
        ),
    ];
    let server = Server::start_with(Kind::Sqlite, fakes, &variables).await;
    let log = server.process.log();
    let mut lines = log.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line.pointer("/fields/metrics")?.as_str()?.to_owned())
    });
    let address = lines.next().expect("it is in the log");
    let response = server.client.get(format!("http://{address}/metrics"));
    let scrape = Scrape::of(response.send().await.unwrap()).await;
    assert_eq!(scrape.value("etiqueta_database_up"), Some(1.0));
    let main = server.request(Method::GET, "/metrics");
    let main = main.bearer_auth("0123456789abcdef0123456789abcdef").send();
    let response = main.await.unwrap();
    server
        .assert_problem(response, 404, "route-not-found")
        .await;
}

/// Sends requests on one connection, and returns when all are answered.
fn answered(port: u16, requests: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let all = request.repeat(requests - 1) + last;
    let mut writing = stream.try_clone()?;
    let writer = thread::spawn(move || writing.write_all(all.as_bytes()));
    let mut answers = String::new();
    stream.read_to_string(&mut answers)?;
    writer.join().unwrap()?;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), requests);
    Ok(())
}

/// Every request is answered, and the lines that are lost are counted.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let folder = TempDir::new().unwrap();
    let port = {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        free.local_addr().unwrap().port()
    };
    let mut command = command(folder.path());
    command
        .env("ETIQUETA__SERVER__PORT", port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    while answered(port, 1).is_err() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it never answers"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A pipe holds some hundreds of lines, and the server 8192.
    for _ in 0..20 {
        answered(port, 500).unwrap();
    }
    let client = Client::builder().no_proxy().build().unwrap();
    let scrape = client.get(format!("http://127.0.0.1:{port}/metrics"));
    let scrape = Scrape::of(scrape.send().await.unwrap()).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let lost = scrape.value("etiqueta_log_lines_dropped_total");
    assert!(lost > Some(0.0), "{lost:?}");
}
