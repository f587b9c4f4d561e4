//! Starting and stopping, independent of the runtime.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use upstream_fakes::{Fakes, Fault, Route, StartError};

use crate::support::Stage;

fn listens(url: &str) -> bool {
    TcpStream::connect(url.trim_start_matches("http://")).is_ok()
}

#[tokio::test]
async fn dropping_closes_the_ports_even_with_calls_that_hang() {
    let stage = Stage::new().await;
    let (one, two) = (
        stage.fakes.imagekit().url().to_owned(),
        stage.fakes.imagga().url().to_owned(),
    );
    stage
        .fakes
        .imagga()
        .traffic()
        .fail_next(Route::Usage, Fault::hang());
    let hanging = tokio::spawn(stage.imagga("GET", "/v2/usage").send());
    while stage.fakes.imagga().traffic().in_flight() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let start = Instant::now();
    drop(stage);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert!(!listens(&one) && !listens(&two));
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_fakes_run_side_by_side() {
    let first = Fakes::start().await.unwrap();
    let second = Fakes::start().await.unwrap();
    let url = first.imagekit().url().to_owned();
    assert_ne!(url, second.imagekit().url());
    first.stop().await;
    assert!(!listens(&url));
    assert!(listens(second.imagekit().url()) && listens(second.imagga().url()));
}

#[tokio::test]
async fn port_in_use_is_an_error() {
    let first = Fakes::start().await.unwrap();
    let port = first
        .imagekit()
        .url()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let error = Fakes::builder().ports(port, 0).start().await.unwrap_err();
    assert!(matches!(error, StartError::Listen { port: taken, .. } if taken == port));
}

#[tokio::test]
async fn the_variables_point_at_the_fakes() {
    let builder = Fakes::builder().private_key("k'1").api_key("a", "b");
    let fakes = builder.start().await.unwrap();
    let variables: HashMap<_, _> = fakes.variables().into_iter().collect();
    assert_eq!(variables["ETIQUETA__IMAGEKIT__PRIVATE_KEY"], "k'1");
    assert_eq!(
        variables["ETIQUETA__IMAGGA__BASE_URL"],
        fakes.imagga().url()
    );
    assert_eq!(variables["ETIQUETA__IMAGGA__API_SECRET"], "b");
}

/// A running copy of the program, killed on drop.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[tokio::test]
async fn the_program_prints_its_settings_and_ends_on_sigterm() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upstream-fakes"));
    let child = command
        .args(["--quota", "7", "--latency", "1ms"])
        .stdout(Stdio::piped());
    let mut program = Program(child.spawn().unwrap());
    let lines = BufReader::new(program.0.stdout.take().unwrap())
        .lines()
        .take(7);
    let settings: HashMap<_, _> = lines
        .map(|line| {
            let line = line.unwrap();
            let (name, value) = line
                .strip_prefix("export ")
                .unwrap()
                .split_once('=')
                .unwrap();
            (name.to_owned(), value.trim_matches('\'').to_owned())
        })
        .collect();
    assert_eq!(settings["ETIQUETA__TAGGING__PROVIDER"], "imagga");
    let usage = reqwest::Client::new()
        .get(format!(
            "{}/v2/usage",
            settings["ETIQUETA__IMAGGA__BASE_URL"]
        ))
        .basic_auth(
            &settings["ETIQUETA__IMAGGA__API_KEY"],
            Some(&settings["ETIQUETA__IMAGGA__API_SECRET"]),
        );
    assert_eq!(usage.send().await.unwrap().headers()["monthly-limit"], "7");
    assert!(listens(&settings["ETIQUETA__IMAGEKIT__UPLOAD_URL"]));
    let pid = program.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(program.0.wait().unwrap().success());
}
