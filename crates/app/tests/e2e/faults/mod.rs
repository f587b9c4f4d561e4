//! What becomes of requests when something that the server depends on fails, and that it works again by
//! itself. The table in `docs/operations.md` names a test for each case.
//!
//! Databases and upstreams are made to fail by a [proxy](Proxy) in front of them, disks by a [small file
//! system](Disk) or by their permissions.

mod clients;
mod decoding;
mod disk;
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

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something is so.
async fn until(server: &Server, what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(
            began.elapsed() < PATIENCE,
            "not so: {what}\n{}",
            server.process.log()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server whose command is made for the folder that it works in.
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
    /// Checks that a request fails because the storage does, within a time, with a wait.
    async fn assert_no_storage(&self, response: Response) {
        self.assert_problem(response, 503, "storage-unavailable")
            .await;
    }

    /// Checks that the process answers at once, whatever it waits for elsewhere.
    async fn assert_lives(&self) {
        let began = Instant::now();
        assert_eq!(self.get("/livez").await.status(), 200);
        assert_eq!(self.get("/openapi.json").await.status(), 200);
        let elapsed = began.elapsed();
        assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    }

    /// How many images are registered. Each of them can be read with all its bytes.
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

    /// Checks that of interrupted writes nothing is left, or that upkeep takes it away.
    async fn assert_nothing_half_written(&self) {
        let folder = self.folder.path();
        until(self, "remains of writes are gone", async || {
            site::remains(folder).is_empty()
        })
        .await;
    }

    /// Waits until the log tells something: it is read from a pipe, at a pace of its own.
    async fn until_logged(&self, text: &str) {
        until(self, "the log says why", async || {
            self.process.log().contains(text)
        })
        .await;
    }

    /// Waits until uploads work again, by themselves.
    async fn until_uploads_work(&self, picture: &[u8]) {
        until(self, "uploads work", async || {
            self.post(picture, "").await.status() == 200
        })
        .await;
    }

    /// Waits until requests work again, by themselves.
    async fn until_back(&self, path: &str) {
        until(self, "it works again", async || {
            self.get(path).await.status() == 200
        })
        .await;
    }
}
