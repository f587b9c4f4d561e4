//! The contract, at a server of this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may fail loudly"
)]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::ports::{SignedMessage, WebhookSender};
use domain_testing::contract::webhook_sender::{self, Receiver};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url_fetch::PostPolicy;
use webhook_sender_http::HttpSender;

#[derive(Default)]
struct State {
    answers: VecDeque<(u16, Option<u64>)>,
    received: Vec<SignedMessage>,
}

struct Endpoint {
    address: SocketAddr,
    closed: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Endpoint {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            closed: closed.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = endpoint.state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &state).await;
            }
        });
        endpoint
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .unwrap_or_else(|| panic!("{name} in {head}"))
            .1
            .to_owned()
    };
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    assert_eq!(header("content-type"), "application/json");
    let mut body = vec![0; header("content-length").parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let (status, retry_after) = {
        let mut state = state.lock().unwrap();
        state.received.push(SignedMessage {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp").parse().unwrap(),
            signature: header("webhook-signature"),
            body: String::from_utf8(body).unwrap(),
        });
        state.answers.pop_front().unwrap_or((204, None))
    };
    let wait = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n"));
    let answer = format!(
        "HTTP/1.1 {status} Answer\r\nlocation: /hook\r\n{}content-length: 0\r\n\r\n",
        wait.unwrap_or_default()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

impl Receiver for Endpoint {
    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn closed_url(&self) -> String {
        format!("http://{}/hook", self.closed)
    }

    fn answer(&self, status: u16, retry_after: Option<u64>) {
        let mut state = self.state.lock().unwrap();
        state.answers.push_back((status, retry_after));
    }

    fn received(&self) -> Vec<SignedMessage> {
        self.state.lock().unwrap().received.clone()
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn messages_are_sent_as_the_contract_says() {
    let endpoint = Endpoint::start().await;
    let sender = HttpSender::new(PostPolicy::AnyButLinkLocal, TIMEOUT).unwrap();
    webhook_sender::all(&sender, &endpoint).await;
}

#[tokio::test]
async fn urls_are_bounded_and_may_have_to_be_public() {
    let sender = HttpSender::new(PostPolicy::Public, TIMEOUT).unwrap();
    for (url, reason) in [
        (
            "http://127.0.0.1/".to_owned(),
            "an address that is not public",
        ),
        ("http://8.8.8.8:8080/".to_owned(), "only ports 80 and 443"),
        (format!("http://8.8.8.8/{}", "x".repeat(2048)), "2048 bytes"),
    ] {
        let error = sender.check(&url).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert!(sender.check("https://8.8.8.8/hook").is_ok());
}
