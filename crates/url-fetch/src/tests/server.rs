//! A server that answers each request with a script, faults included.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};

/// What a server sends.
pub(super) struct Script {
    delay: Duration,
    start: String,
    then: Then,
}

/// How an answer goes on.
#[derive(Clone, Copy)]
pub(super) enum Then {
    Close,
    /// Nothing more comes, and the connection stays open.
    Hang,
    /// A byte every few milliseconds, for ever.
    Drip,
    /// Bytes without end, as fast as they are taken.
    Endless,
}

/// Ends with the runtime of its test.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    answered: Arc<Semaphore>,
}

impl Script {
    pub(super) fn ok(headers: &str, body: &str) -> Self {
        Self::raw(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}"))
    }

    pub(super) fn redirect(status: u16, location: &str) -> Self {
        let head = format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\n");
        Self::raw(format!("{head}content-length: 0\r\n\r\n"))
    }

    pub(super) fn raw(start: impl Into<String>) -> Self {
        Self {
            delay: Duration::ZERO,
            start: start.into(),
            then: Then::Close,
        }
    }

    pub(super) fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    async fn play(self, mut stream: TcpStream) -> std::io::Result<()> {
        sleep(self.delay).await;
        stream.write_all(self.start.as_bytes()).await?;
        match self.then {
            Then::Close => stream.shutdown().await,
            Then::Hang => std::future::pending().await,
            Then::Drip => loop {
                stream.write_all(b"x").await?;
                sleep(Duration::from_millis(20)).await;
            },
            Then::Endless => loop {
                stream.write_all(&[b'x'; 8192]).await?;
            },
        }
    }
}

impl Server {
    /// Answers each request with the script for its target.
    pub(super) async fn start(
        ip: IpAddr,
        script: impl Fn(&str) -> Script + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answered = Arc::new(Semaphore::new(0));
        let (seen, script) = (Arc::clone(&requests), Arc::new(script));
        let ended = Arc::clone(&answered);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                let ended = Arc::clone(&ended);
                tokio::spawn(async move {
                    let head = read_head(&mut stream).await;
                    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    seen.lock().unwrap().push(head);
                    let _ = script(&target).play(stream).await;
                    ended.add_permits(1);
                });
            }
        });
        Self {
            address,
            requests,
            answered,
        }
    }

    /// Waits for the end of an answer, or for the client to close the connection on it.
    pub(super) async fn answered(&self) {
        self.answered.acquire().await.unwrap().forget();
    }

    /// The head of each request, in lower case, and of what came in place of one.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.first() != Some(&TLS_HANDSHAKE) => head.push(byte),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).to_lowercase()
}

/// The first byte of a connection that begins with TLS.
const TLS_HANDSHAKE: u8 = 22;
