//! Requests while a dependency of the server fails, and recovery without a restart. The table in
//! `docs/operations.md` names a test for each case.
//!
//! Databases and upstreams fail by a [proxy](Proxy) in front of them, disks by a [small file system](Disk)
//! or by their permissions.

mod bucket;
mod clients;
mod decoding;
mod disk;
mod hosts;
mod mysql;
mod originals;
mod proxy;
mod raw;
mod sqlite;
mod upstreams;
mod vanished;

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Response;
use serde_json::Value;
use tempfile::TempDir;
use upstream_fakes::Fakes;

use self::{disk::Disk, proxy::Proxy, raw::Raw};
use super::{
    crash::site,
    database::{Database, Kind},
    server::Server,
};

/// Longer than anything that works takes.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until a condition holds.
async fn until(server: &Server, what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(
            began.elapsed() < TEST_TIMEOUT,
            "not so: {what}\n{}",
            server.process.log()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server whose command is built for its working folder.
async fn start_by(command: impl FnOnce(&Path) -> Command, variables: &[(&str, &str)]) -> Server {
    let folder = Arc::new(TempDir::new().unwrap());
    let database = Arc::new(Database::create(Kind::Sqlite, folder.path()).await);
    let fakes = Fakes::start().await.unwrap();
    let command = command(folder.path());
    let server = Server::launch(database, folder, fakes, command, variables);
    server.wait_until_ready().await;
    server
}

impl Server {
    /// Asserts that a request fails with a storage error, within the deadline and with `Retry-After`.
    async fn assert_no_storage(&self, response: Response) {
        self.assert_problem(response, 503, "storage-unavailable")
            .await;
    }

    /// Asserts that the process still answers at once.
    async fn assert_lives(&self) {
        let began = Instant::now();
        assert_eq!(self.get("/livez").await.status(), 200);
        assert_eq!(self.get("/openapi.json").await.status(), 200);
        let elapsed = began.elapsed();
        assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    }

    /// The number of registered images, each of which must be readable in full.
    async fn whole_images(&self) -> usize {
        let images = self.json("/images").await;
        let images = images.as_array().unwrap();
        for image in images {
            let image = self.image(&image["id"]).await;
            let bytes = super::server::decode(&image["data"]);
            let kilobytes = image["size"].as_f64().unwrap();
            assert!((bytes.len() as f64 / 1024.0 - kilobytes).abs() < 0.01);
        }
        images.len()
    }

    async fn image(&self, id: &Value) -> Value {
        self.json(&format!("/image/{}", id.as_str().unwrap())).await
    }

    /// Asserts that no partial writes are left, or that upkeep removes them.
    async fn assert_nothing_half_written(&self) {
        let folder = self.folder.path();
        until(self, "remains of writes are gone", async || {
            site::remains(folder).is_empty()
        })
        .await;
    }

    /// Waits for a text in the log, which is read asynchronously from a pipe.
    async fn until_logged(&self, text: &str) {
        until(self, "the log says why", async || {
            self.process.log().contains(text)
        })
        .await;
    }

    /// Waits until uploads recover.
    async fn until_uploads_work(&self, picture: &[u8]) {
        until(self, "uploads work", async || {
            self.post(picture, "").await.status() == 200
        })
        .await;
    }

    /// Waits until requests recover.
    async fn until_back(&self, path: &str) {
        until(self, "it works again", async || {
            self.get(path).await.status() == 200
        })
        .await;
    }
}
