//! The state that outlives the server: its folder, database and upstreams.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::Client;
use tempfile::TempDir;
use upstream_fakes::Fakes;

use super::disk::Disk;
use crate::{
    database::{Database, Kind},
    server::{Process, command},
};

/// The shortest intervals that settings allow. What upkeep should find is made to look an hour old, except
/// claims on originals: they expire after a time longer than an upload takes on a busy machine.
const UPKEEP: [(&str, &str); 3] = [
    ("ETIQUETA__UPKEEP__INTERVAL", "1s"),
    ("ETIQUETA__UPKEEP__HOSTED_BLOB_AGE", "30m"),
    ("ETIQUETA__UPKEEP__ORIGINAL_AGE", "4s"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Kill,
    /// The disk loses everything not synced.
    PowerCut,
}

impl Ending {
    /// `ETIQUETA_CRASH_ENDING`: `kill` (the default) or `power-cut`.
    pub fn from_environment() -> Self {
        match std::env::var("ETIQUETA_CRASH_ENDING").as_deref() {
            Ok("power-cut") => Self::PowerCut,
            Ok("kill") | Err(_) => Self::Kill,
            Ok(other) => panic!("ETIQUETA_CRASH_ENDING is neither kill nor power-cut: {other}"),
        }
    }
}

/// The state that outlives the server.
pub struct Fixture {
    pub fakes: Arc<Fakes>,
    database: Arc<Database>,
    disk: Option<Disk>,
    folder: PathBuf,
    /// Dropped last: the disk is mounted in it.
    _home: TempDir,
}

pub struct Running {
    pub client: Client,
    pub process: Process,
    pub fakes: Arc<Fakes>,
    pub folder: PathBuf,
    pub kind: Kind,
    /// The seed and round, to reproduce a finding.
    pub place: String,
}

/// What the end of a server left behind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Left {
    pub blobs: usize,
    pub remains: usize,
}

impl Fixture {
    pub async fn create(kind: Kind, ending: Ending) -> Self {
        let home = TempDir::new().unwrap();
        let disk = (ending == Ending::PowerCut).then(|| Disk::create(home.path()));
        let folder = disk.as_ref().map_or(home.path(), Disk::folder).to_owned();
        Self {
            fakes: Arc::new(Fakes::start().await.unwrap()),
            database: Arc::new(Database::create(kind, &folder).await),
            disk,
            folder,
            _home: home,
        }
    }

    pub fn is_power_cut(&self) -> bool {
        self.disk.is_some()
    }

    pub fn set_latency(&self, latency: Duration) {
        self.fakes.imagekit().traffic().set_latency(latency);
        self.fakes.imagga().traffic().set_latency(latency);
    }

    pub async fn start(&self, place: &str) -> Running {
        let mut command = command(&self.folder);
        command
            .envs(self.fakes.variables())
            .envs(UPKEEP)
            .env("ETIQUETA__DATABASE__URL", self.database.url());
        let running = Running {
            process: Process::start(command),
            client: Client::builder().no_proxy().build().unwrap(),
            fakes: Arc::clone(&self.fakes),
            folder: self.folder.clone(),
            kind: self.database.kind(),
            place: place.to_owned(),
        };
        running.wait_until_ready().await;
        running
    }

    /// Starts a server and ends it before it can have done much.
    pub async fn end_while_starting(&self, delay: Duration) {
        let mut command = command(&self.folder);
        command
            .envs(self.fakes.variables())
            .envs(UPKEEP)
            .env("ETIQUETA__SERVER__PORT", "0")
            .env("ETIQUETA__DATABASE__URL", self.database.url());
        let null = std::process::Stdio::null;
        let mut child = command.stdout(null()).stderr(null()).spawn().unwrap();
        tokio::time::sleep(delay).await;
        if let Some(disk) = &self.disk {
            disk.cut_power();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(disk) = &self.disk {
            disk.restore();
        }
    }

    /// Ends the server. Returns what it left, and ages that so that upkeep will find it.
    pub fn end(&self, server: &mut Running) -> Left {
        if let Some(disk) = &self.disk {
            disk.cut_power();
        }
        server.process.kill();
        if let Some(disk) = &self.disk {
            disk.restore();
        }
        let remains = remains(&self.folder);
        for file in &remains {
            age(file);
        }
        Left {
            blobs: self.fakes.imagekit().alive(),
            remains: remains.len(),
        }
    }
}

impl Running {
    async fn wait_until_ready(&self) {
        let began = std::time::Instant::now();
        while self
            .client
            .get(self.url("/readyz"))
            .send()
            .await
            .unwrap()
            .status()
            != 200
        {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "not ready\n{}",
                self.report()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.process.origin)
    }

    /// Seed and round, and the log.
    pub fn report(&self) -> String {
        format!("{}\n{}", self.place, self.process.log())
    }
}

/// Partial files in the folder of originals.
pub fn remains(folder: &Path) -> Vec<PathBuf> {
    files(folder)
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.len() != 64 || !name.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
        .collect()
}

/// The store's own files: its marker, and the ids of its databases.
const OWN: [&str; 2] = [".etiqueta-originals", ".etiqueta-databases"];

/// The files in the folder of originals.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("Images")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            if OWN.iter().any(|own| entry.file_name() == *own) {
                continue;
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

fn age(file: &Path) {
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    let file = File::options().write(true).open(file).unwrap();
    file.set_modified(hour_ago).unwrap();
}
