//! Proxies that the environment names, in a process of its own.

use std::{env, process::Command};

use tokio::task::spawn_blocking;

use super::{
    fixture::{PRIVATE, SETTINGS, read},
    server::{Script, Server},
};
use crate::{FetchPolicy, FetchSettings, Fetcher};

/// Names the URL that the process is to fetch.
const URL: &str = "URL_FETCH_TEST_URL";
const VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    let server = Server::start(PRIVATE, |_| Script::ok("", "direct")).await;
    let proxy = Server::start(PRIVATE, |_| Script::ok("", "proxied")).await;
    let proxy_url = format!("http://{}", proxy.address);
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args(["--exact", "tests::environment::one_fetch"])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        // Where it is set, HTTP_PROXY could be a header of a CGI request, and is ignored.
        .env_remove("REQUEST_METHOD")
        .envs(VARIABLES.map(|name| (name, &proxy_url)))
        .env(URL, format!("http://{}/", server.address));
    let output = spawn_blocking(move || child.output())
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((server.requests().len(), proxy.requests().len()), (1, 1));
}

/// The other process. Among all tests it has nothing to do.
#[tokio::test]
async fn one_fetch() {
    let Ok(url) = env::var(URL) else {
        return;
    };
    let policy = FetchPolicy::Any;
    let fetcher = Fetcher::new(FetchSettings { policy, ..SETTINGS }).unwrap();
    assert_eq!(read(fetcher, &url).await.unwrap(), "direct");
    // A client that heeds the environment shows that there is something to ignore.
    let body = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert_eq!(body, "proxied");
}
