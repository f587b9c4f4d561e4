//! The binary, started in a folder of its own.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use upstream_fakes::Fakes;

use super::database::{Database, Kind};

/// A running server with its dependencies, killed on drop.
pub struct Server {
    pub client: Client,
    pub fakes: Fakes,
    pub database: Arc<Database>,
    pub folder: Arc<TempDir>,
    pub process: Process,
}

/// A process of the binary, and its log so far.
pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    pub origin: String,
}

/// The binary under test: `ETIQUETA_TEST_BINARY`, or the one built by Cargo.
pub fn binary() -> String {
    std::env::var("ETIQUETA_TEST_BINARY")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_etiqueta").to_owned())
}

/// The binary in a folder, with an empty environment.
pub fn command(folder: &Path) -> Command {
    prepared(Command::new(binary()), folder)
}

/// The same for a command that execs the binary.
pub fn prepared(mut command: Command, folder: &Path) -> Command {
    command
        .current_dir(folder)
        .env_clear()
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null());
    command
}

impl Server {
    /// A server with fakes for its upstreams.
    pub async fn start(kind: Kind) -> Self {
        Self::start_with(kind, Fakes::start().await.unwrap(), &[]).await
    }

    /// The same, with the given fakes and additional variables, which win over the default ones.
    pub async fn start_with(kind: Kind, fakes: Fakes, variables: &[(&str, &str)]) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let database = Arc::new(Database::create(kind, folder.path()).await);
        Self::start_on(database, folder, fakes, variables).await
    }

    /// A server on an existing database and folder.
    pub async fn start_on(
        database: Arc<Database>,
        folder: Arc<TempDir>,
        fakes: Fakes,
        variables: &[(&str, &str)],
    ) -> Self {
        let command = command(folder.path());
        let server = Self::launch(database, folder, fakes, command, variables);
        server.wait_until_ready().await;
        server
    }

    /// The same with the given command, and without waiting until it is ready.
    pub fn launch(
        database: Arc<Database>,
        folder: Arc<TempDir>,
        fakes: Fakes,
        mut command: Command,
        variables: &[(&str, &str)],
    ) -> Self {
        command
            .envs(fakes.variables())
            .env("ETIQUETA__DATABASE__URL", database.url());
        command.envs(variables.iter().copied());
        let process = Process::start(command);
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            client,
            fakes,
            database,
            folder,
            process,
        }
    }

    /// Waits for 200 from `/readyz`.
    pub async fn wait_until_ready(&self) {
        let began = Instant::now();
        loop {
            if self.get("/readyz").await.status() == 200 {
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "not ready:\n{}",
                self.process.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills the process and starts another one on the same database and folder.
    pub async fn restart(mut self, variables: &[(&str, &str)]) -> Self {
        self.process.kill();
        Self::start_on(
            self.database.clone(),
            self.folder.clone(),
            self.fakes,
            variables,
        )
        .await
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.process.origin)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// GETs JSON; the status must be 200.
    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub async fn post(&self, bytes: &[u8], query: &str) -> Response {
        self.post_data(&encode(bytes), query).await
    }

    /// Posts base64 text.
    pub async fn post_data(&self, data: &str, query: &str) -> Response {
        let path = format!("/image{query}");
        self.request(Method::POST, &path)
            .json(&json!({ "data": data }))
            .send()
            .await
            .unwrap()
    }

    /// Posts a picture, which must be registered.
    pub async fn register(&self, bytes: &[u8], query: &str) -> Value {
        let response = self.post(bytes, query).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, 200, "{body}\n{}", self.process.log());
        body
    }

    /// Asserts that a response is a problem document of that status and code.
    pub async fn assert_problem(&self, response: Response, status: u16, code: &str) -> Value {
        let headers = response.headers().clone();
        let (got, content) = (response.status(), headers.get("content-type").cloned());
        let text = response.text().await.unwrap();
        assert_eq!(got, status, "{text}\n{}", self.process.log());
        assert_eq!(content.unwrap(), "application/problem+json", "{text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["description"], body["detail"]);
        assert_eq!(
            body["request_id"],
            headers["x-request-id"].to_str().unwrap()
        );
        for key in ["type", "title"] {
            assert!(body[key].is_string(), "{body}");
        }
        if status == 503 {
            let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(wait >= 1);
        }
        body
    }
}

pub fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub fn decode(text: &Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text.as_str().unwrap())
        .unwrap()
}

impl Process {
    /// Starts a server on a free port and waits until it listens.
    pub fn start(mut command: Command) -> Self {
        command
            .env("ETIQUETA__SERVER__PORT", "0")
            .env("ETIQUETA__LOG__FORMAT", "json");
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let seen = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut seen = seen.lock().unwrap();
                seen.push_str(&line);
                seen.push('\n');
            }
        });
        let origin = Self::origin(&mut child, &log);
        Self { child, log, origin }
    }

    /// Reads the origin from the log.
    fn origin(child: &mut Child, log: &Mutex<String>) -> String {
        let began = Instant::now();
        loop {
            let listening = log.lock().unwrap().lines().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let address = line.pointer("/fields/address")?.as_str()?;
                Some(format!("http://{address}"))
            });
            if let Some(origin) = listening {
                return origin;
            }
            let ended = child.try_wait().unwrap();
            let text = log.lock().unwrap().clone();
            assert!(ended.is_none(), "the server ended ({ended:?}):\n{text}");
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "no address was logged:\n{text}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the process to exit by itself.
    pub fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < at_most, "still running:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to completion: exit code, standard output, standard error.
pub fn run(mut command: Command) -> (i32, String, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).unwrap();
        text
    });
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    let status = child.wait().unwrap();
    (status.code().unwrap_or(-1), output, reader.join().unwrap())
}

impl Server {
    /// As [`Server::register`], for owned bytes.
    pub async fn register_owned(&self, bytes: Vec<u8>) -> Value {
        self.register(&bytes, "").await
    }

    /// As [`Server::post`], but independent of the server's lifetime: to be spawned.
    pub fn post_soon(&self, bytes: &[u8]) -> impl Future<Output = Option<Response>> + use<> {
        let request = self
            .request(Method::POST, "/image")
            .json(&json!({ "data": encode(bytes) }));
        async { request.send().await.ok() }
    }
}
