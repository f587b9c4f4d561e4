//! A proxy between the server and a dependency that injects faults.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, watch},
    task::JoinHandle,
};

/// The state of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Data passes through.
    Up,
    /// Each chunk is delayed.
    Slow(Duration),
    /// No data passes, and connections stay open.
    Hung,
    /// Data passes, but no chunk of a client that begins so, nor what follows it.
    Without(&'static str),
    /// Each chunk of a client is answered by this text, and goes no further.
    Answer(&'static str),
    /// Connections break off after so many bytes of the server.
    Cut(usize),
    /// Connections are reset, and new ones too.
    Down,
}

/// An error of MySQL: number, state, text.
pub(super) type Refusal = (u16, &'static str, &'static str);

/// A proxy, until this is dropped.
pub(super) struct Proxy {
    pub(super) port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    target: String,
    line: watch::Sender<Line>,
    /// Incremented to break the existing connections.
    epoch: watch::Sender<usize>,
    refusal: std::sync::Mutex<Option<Refused>>,
    refused: AtomicUsize,
    held: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Refused {
    refusal: Refusal,
    /// Whether statements that only read are included.
    is_reading: bool,
    /// How often; `None` is forever.
    times: Option<usize>,
}

impl Proxy {
    /// Listens in front of an address.
    pub(super) async fn to(target: impl Into<String>, line: Line) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            target: target.into(),
            line: watch::Sender::new(line),
            epoch: watch::Sender::default(),
            refusal: std::sync::Mutex::default(),
            refused: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(client));
            }
        });
        Self {
            port,
            shared,
            accepting,
        }
    }

    pub(super) fn set(&self, line: Line) {
        self.shared.line.send_replace(line);
    }

    /// Breaks the existing connections; new ones are not affected.
    pub(super) fn break_off(&self) {
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Answers statements that write with an error, or all statements, `times` times or forever. Statements
    /// prepared earlier cannot be recognised, so the connections are broken.
    pub(super) fn refuse(&self, refusal: Refusal, is_reading: bool, times: Option<usize>) {
        *self.shared.refusal.lock().unwrap() = Some(Refused {
            refusal,
            is_reading,
            times,
        });
        self.break_off();
    }

    pub(super) fn relent(&self) {
        *self.shared.refusal.lock().unwrap() = None;
    }

    pub(super) fn target(&self) -> String {
        self.shared.target.clone()
    }

    /// How many chunks were held back.
    pub(super) fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// How many statements were refused.
    pub(super) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Line::Down);
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, client: TcpStream) {
        let mut line = self.line.subscribe();
        let mut epoch = self.epoch.subscribe();
        let work = async {
            let is_passing = line.wait_for(|line| *line != Line::Hung).await.is_ok();
            if !is_passing || *self.line.borrow() == Line::Down {
                return;
            }
            let Ok(server) = TcpStream::connect(&self.target).await else {
                return;
            };
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let to_client = Arc::new(Mutex::new(to_client));
            tokio::select! {
                () = self.up(from_client, to_server, &to_client) => {}
                () = self.down(from_server, &to_client) => {}
            }
        };
        let mut broken = self.line.subscribe();
        tokio::select! {
            () = work => {}
            _ = broken.wait_for(|line| *line == Line::Down) => {}
            _ = epoch.changed() => {}
        }
    }

    /// Delays or blocks according to the state.
    async fn pass(&self) {
        let mut line = self.line.subscribe();
        let line = match line.wait_for(|line| *line != Line::Hung).await {
            Ok(line) => *line,
            Err(_) => return,
        };
        if let Line::Slow(time) = line {
            tokio::time::sleep(time).await;
        }
    }

    /// Holds a chunk of a client back while it must not pass.
    async fn hold(&self, chunk: &[u8]) {
        let is_held = |line: &Line| matches!(line, Line::Without(start) if chunk.starts_with(start.as_bytes()));
        let mut line = self.line.subscribe();
        if is_held(&line.borrow()) {
            self.held.fetch_add(1, Ordering::SeqCst);
        }
        drop(line.wait_for(|line| !is_held(line)).await);
    }

    async fn down(&self, mut from: OwnedReadHalf, to: &Mutex<OwnedWriteHalf>) {
        let mut buffer = vec![0; 64 << 10];
        let mut passed = 0;
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            self.pass().await;
            let most = match *self.line.borrow() {
                Line::Cut(most) => most.saturating_sub(passed),
                _ => usize::MAX,
            };
            let chunk = &buffer[..count.min(most)];
            if to.lock().await.write_all(chunk).await.is_err() || chunk.len() < count {
                return;
            }
            passed += count;
        }
    }

    async fn up(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        back: &Mutex<OwnedWriteHalf>,
    ) {
        let is_parsing = self.refusal.lock().unwrap().is_some();
        let outcome = if is_parsing {
            self.statements(&mut from, &mut to, back).await
        } else {
            self.bytes(&mut from, &mut to, back).await
        };
        drop(outcome);
    }

    async fn bytes(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        back: &Mutex<OwnedWriteHalf>,
    ) -> std::io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            self.pass().await;
            self.hold(&buffer[..count]).await;
            let answer = match *self.line.borrow() {
                Line::Answer(text) => Some(text),
                _ => None,
            };
            if let Some(text) = answer {
                back.lock().await.write_all(text.as_bytes()).await?;
                return Ok(());
            }
            to.write_all(&buffer[..count]).await?;
        }
    }

    /// As [`Shared::bytes`], but inspects each packet of MySQL's protocol.
    async fn statements(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        back: &Mutex<OwnedWriteHalf>,
    ) -> std::io::Result<()> {
        loop {
            let mut head = [0; 4];
            from.read_exact(&mut head).await?;
            let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
            let mut packet = vec![0; length as usize];
            from.read_exact(&mut packet).await?;
            self.pass().await;
            if head[3] == 0
                && let Some(refusal) = self.refusal_of(&packet)
            {
                back.lock().await.write_all(&written(refusal)).await?;
                continue;
            }
            to.write_all(&[&head, packet.as_slice()].concat()).await?;
        }
    }

    fn refusal_of(&self, packet: &[u8]) -> Option<Refusal> {
        let [3 | 22, text @ ..] = packet else {
            return None;
        };
        let text = String::from_utf8_lossy(text).to_uppercase();
        let mut refused = self.refusal.lock().unwrap();
        let rule = refused.as_mut()?;
        let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        let is_writing = starts(&["INSERT", "UPDATE", "DELETE"]);
        if !(is_writing || rule.is_reading && starts(&["SELECT"])) || rule.times == Some(0) {
            return None;
        }
        rule.times = rule.times.map(|times| times - 1);
        self.refused.fetch_add(1, Ordering::SeqCst);
        Some(rule.refusal)
    }
}

/// The error packet, as the first response to a command.
fn written((number, state, text): Refusal) -> Vec<u8> {
    let mut body = vec![0xff];
    body.extend(number.to_le_bytes());
    body.push(b'#');
    body.extend(state.as_bytes());
    body.extend(text.as_bytes());
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&[length[0], length[1], length[2], 1], body.as_slice()].concat()
}
