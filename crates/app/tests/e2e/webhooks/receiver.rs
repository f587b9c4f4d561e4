//! An endpoint that takes messages, and answers as it is told.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// What it answers.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Status(u16),
    /// 429 with `Retry-After` in seconds.
    Busy(u64),
    Redirect,
    /// Nothing, and the connection stays open.
    Hang,
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Message {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
    pub at: Instant,
}

/// Ends with the runtime of its test.
pub struct Receiver {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Message {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// The type, and the id of what it is about.
    pub fn event(&self) -> (String, String) {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&body["type"]), text(&body["data"]["id"]))
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(Answer::Status(204))),
            messages: Arc::default(),
        };
        let (answer, messages) = (receiver.answer.clone(), receiver.messages.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, messages) = (answer.clone(), messages.clone());
                tokio::spawn(async move { serve(stream, &answer, &messages).await });
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Answers like that from now on.
    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// The events that arrived, each once.
    pub fn events(&self) -> BTreeSet<(String, String)> {
        self.messages().iter().map(Message::event).collect()
    }

    /// Waits until the messages are as they should be.
    pub async fn until(&self, at_most: Duration, is_so: impl Fn(&[Message]) -> bool) {
        let began = Instant::now();
        while !is_so(&self.messages()) {
            assert!(began.elapsed() < at_most, "{:#?}", self.messages());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What breaks off, as when the server is killed, is no message.
async fn serve(
    mut stream: TcpStream,
    answer: &Mutex<Answer>,
    messages: &Mutex<Vec<Message>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let (request, fields) = head.split_once("\r\n").unwrap();
    let headers: HashMap<String, String> = fields
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    messages.lock().unwrap().push(Message {
        path: request.split(' ').nth(1).unwrap().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
        at: Instant::now(),
    });
    let answer = *answer.lock().unwrap();
    let (status, field) = match answer {
        Answer::Status(status) => (status, String::new()),
        Answer::Busy(seconds) => (429, format!("retry-after: {seconds}\r\n")),
        Answer::Redirect => (307, "location: /elsewhere\r\n".to_owned()),
        Answer::Hang => {
            // Until the client has enough.
            let _ = stream.read_u8().await;
            return None;
        }
    };
    let text = format!("HTTP/1.1 {status} Answer\r\n{field}content-length: 0\r\n\r\n");
    stream.write_all(text.as_bytes()).await.ok()
}
