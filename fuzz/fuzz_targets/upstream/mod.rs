//! A server that answers every call with the same bytes, and what holds of every answer.

use std::{error::Error, future::Future, io, sync::LazyLock, time::Duration};

use domain::ports::UpstreamError;
use reqwest::{Client, redirect::Policy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    time::timeout,
};

/// A word that is nowhere but in the credentials, and in what servers say back.
pub const SECRET: &str = "hush-hush-hush";

/// The time-out of a call. The server closes every connection; nothing should come near to this.
const CALL: Duration = Duration::from_secs(5);

/// After this a call hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// No upstream makes anybody wait longer.
const LONGEST_WAIT: Duration = Duration::from_hours(366 * 24);

/// From the digit 0 on: those that mean something to somebody.
const STATUSES: [u16; 16] =
    [200, 400, 401, 403, 404, 408, 429, 500, 503, 207, 101, 201, 204, 301, 304, 599];

/// Server and client take turns on one thread, so that the fuzzer sees one call alone.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());

/// As the server's own client, but connections are not kept: each call gets its answer afresh.
pub static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let client = Client::builder().no_proxy().redirect(Policy::none());
    client.timeout(CALL).pool_max_idle_per_host(0).build().unwrap()
});

/// Makes calls to a server, at the URL given, that answers with what the fuzzer gave.
///
/// The first byte chooses the status; headers follow, a line each, then an empty line and the body. A
/// first byte beyond ASCII stands before an answer that is sent as it is, be it HTTP or not.
pub fn with_server<F: Future<Output = ()>>(input: &[u8], calls: impl FnOnce(String) -> F) {
    let Some((first, rest)) = input.split_first() else { return };
    let answer = if first.is_ascii() { answer(*first, rest) } else { rest.to_vec() };
    RUNTIME.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(listener, answer));
        let ended = timeout(PATIENCE, calls(url)).await;
        server.abort();
        ended.expect("a call hangs");
    });
}

/// A whole answer of HTTP, its length told unless the fuzzer tells another.
fn answer(status: u8, rest: &[u8]) -> Vec<u8> {
    let end = rest.windows(2).position(|two| two == b"\n\n");
    let (headers, body) = match end {
        Some(end) => (&rest[..end], &rest[end + 2..]),
        None => (&[][..], rest),
    };
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let mut answer = format!("HTTP/1.1 {status} So\r\n").into_bytes();
    for line in headers.split(|byte| *byte == b'\n') {
        answer.extend(line);
        answer.extend(b"\r\n");
    }
    if headers.is_empty() {
        answer.truncate(answer.len() - 2);
    }
    if !String::from_utf8_lossy(headers).to_ascii_lowercase().contains("content-length") {
        answer.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    answer.extend(b"\r\n");
    answer.extend(body);
    answer
}

async fn serve(listener: TcpListener, answer: Vec<u8>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        // A client may be gone before it has all.
        let _ = exchange(&mut stream, &answer).await;
    }
}

/// Reads the whole request, lest the connection be reset while the answer is under way.
async fn exchange(stream: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut request = Vec::new();
    while !is_whole(&request) && stream.read_buf(&mut request).await? > 0 {}
    stream.write_all(answer).await?;
    stream.shutdown().await
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.is_none_or(|(_, length)| length.parse().is_ok_and(|length: usize| body.len() >= length))
}

/// An error tells no secret, in none of its causes, and makes nobody wait for ever.
pub fn check_error(error: &UpstreamError) {
    assert!(error.retry_after().is_none_or(|wait| wait <= LONGEST_WAIT));
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        assert!(!error.to_string().contains(SECRET), "{error}");
        cause = error.source();
    }
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}
