//! Responses with the bytes of an image, encoded as base64 while they are read.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use base64::Engine as _;
use bytes::Bytes;
use domain::{
    Image,
    ports::{OriginalContent, OriginalStoreError, cause},
    service::CatalogError,
};
use futures_util::{TryStreamExt, future::BoxFuture};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::{
    dto::{ImageBody, Presentation},
    streamed::{BrokenOff, Pieces, Streamed},
    to_json,
};
use crate::problem::Problem;
use upload_body::base64::ENCODER;

/// How many bytes are encoded at a time. A multiple of 3.
const PIECE: usize = 48 * 1024;

/// The largest image whose response is assembled before it is sent, in bytes.
const SMALL: u64 = 96 * 1024;

/// The end of the document, after the data.
const TAIL: &str = "\"}";

/// The part of a response before the data.
pub(crate) struct Head(String);

impl Head {
    /// Encodes an image up to its data.
    pub(crate) fn new(image: &Image, shown: &Presentation) -> Result<Self, Problem> {
        let mut json = to_json(&ImageBody::new(image, shown))?;
        json.pop();
        json.push_str(",\"data\":\"");
        Ok(Self(json))
    }

    fn size(&self, data: u64) -> u64 {
        let text = data.div_ceil(3) * 4;
        self.0.len() as u64 + text + TAIL.len() as u64
    }
}

/// Opens the original of a response.
pub(crate) type Reopen = BoxFuture<'static, Result<OriginalContent, CatalogError>>;

/// The response with bytes in memory.
///
/// They are dropped after a while, since other uploads wait for that memory. A client that has not fetched
/// them by then gets the rest from the original.
pub(crate) fn from_bytes(
    runtime: &Handle,
    head: Head,
    data: Bytes,
    hold: Duration,
    original: Reopen,
) -> BoxBody {
    let size = BodySize::Sized(head.size(data.len() as u64));
    let data = Arc::new(Mutex::new(Some(data)));
    let waiting = Arc::downgrade(&data);
    let letting_go = async move {
        tokio::time::sleep(hold).await;
        if let Some(data) = waiting.upgrade() {
            *lock(&data) = None;
        }
    };
    BoxBody::new(InMemory {
        size,
        head: Some(head),
        data,
        sent: 0,
        has_tail: true,
        runtime: runtime.clone(),
        original: Some(original),
        rest: None,
        _letting_go: AbortOnDropHandle::new(runtime.spawn(letting_go)),
    })
}

struct InMemory {
    size: BodySize,
    head: Option<Head>,
    /// The remaining data. `None` once they were dropped.
    data: Arc<Mutex<Option<Bytes>>>,
    /// How many bytes of the data have been sent.
    sent: u64,
    has_tail: bool,
    runtime: Handle,
    original: Option<Reopen>,
    /// The rest of the response, read from the original.
    rest: Option<Streamed>,
    _letting_go: AbortOnDropHandle<()>,
}

impl InMemory {
    /// The next bytes, empty at the end. `None` once they were dropped.
    fn next(&mut self) -> Option<Bytes> {
        let piece = {
            let mut data = lock(&self.data);
            let left = data.as_mut()?;
            left.split_to(left.len().min(PIECE))
        };
        self.sent += piece.len() as u64;
        Some(piece)
    }

    /// The next chunk of the response after its head.
    fn encoded(&mut self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            self.has_tail = false;
            return TAIL.into();
        }
        ENCODER.encode(bytes).into()
    }

    /// The rest of the response from the original.
    fn rest(&mut self) -> Option<&mut Streamed> {
        if let Some(original) = self.original.take() {
            let sent = self.sent;
            let produce = |pieces| send_rest(original, sent, pieces);
            self.rest = Some(Streamed::new(&self.runtime, BodySize::Stream, produce));
        }
        self.rest.as_mut()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MessageBody for InMemory {
    type Error = BrokenOff;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(head.0.into())));
        }
        if !self.has_tail {
            return Poll::Ready(None);
        }
        if let Some(bytes) = self.next() {
            return Poll::Ready(Some(Ok(self.encoded(bytes))));
        }
        match self.rest() {
            Some(rest) => Pin::new(rest).poll_next(cx),
            None => Poll::Ready(Some(Err(BrokenOff))),
        }
    }
}

/// The response with bytes still to be read.
pub(crate) fn from_content(runtime: &Handle, head: Head, content: OriginalContent) -> BoxBody {
    let size = BodySize::Sized(head.size(content.len));
    BoxBody::new(Streamed::new(runtime, size, |pieces| {
        send(head, content, pieces)
    }))
}

/// A response with an original.
pub(crate) enum WithData {
    /// A small one, assembled as a whole: cheaper than a task, and a read error becomes a problem instead
    /// of a truncated response.
    Whole(String),
    /// A large one, still to be read.
    Content(Head, OriginalContent),
}

impl WithData {
    /// Reads an original if it is small.
    pub(crate) async fn new(
        head: Head,
        content: OriginalContent,
    ) -> Result<Self, OriginalStoreError> {
        if content.len > SMALL {
            return Ok(Self::Content(head, content));
        }
        whole(head, content).await.map(Self::Whole)
    }

    pub(crate) fn body(self, runtime: &Handle) -> BoxBody {
        match self {
            Self::Whole(json) => BoxBody::new(json),
            Self::Content(head, content) => from_content(runtime, head, content),
        }
    }
}

async fn whole(head: Head, content: OriginalContent) -> Result<String, OriginalStoreError> {
    let pieces: Vec<Bytes> = content.stream.try_collect().await?;
    let data = match pieces.as_slice() {
        [piece] => piece.clone(),
        pieces => pieces.concat().into(),
    };
    check_length(data.len() as u64, content.len)?;
    let size = head.size(content.len);
    let Head(mut json) = head;
    json.reserve_exact(
        usize::try_from(size)
            .unwrap_or(0)
            .saturating_sub(json.len()),
    );
    ENCODER.encode_string(data, &mut json);
    json.push_str(TAIL);
    Ok(json)
}

fn check_length(read: u64, expected: u64) -> Result<(), OriginalStoreError> {
    if read == expected {
        return Ok(());
    }
    let lengths = format!("{read} of {expected} bytes were read");
    Err(OriginalStoreError::Altered(cause(lengths)))
}

/// Why the data were not sent completely.
#[derive(Debug, Error)]
enum DataError {
    #[error("an original could not be read to its end")]
    Read(#[from] OriginalStoreError),
    #[error("the receiver of the response was dropped")]
    Unwanted,
}

async fn send(
    head: Head,
    mut content: OriginalContent,
    pieces: Pieces,
) -> Result<(), OriginalStoreError> {
    let sending = async {
        put(&pieces, head.0.into()).await?;
        send_data(&mut content, 0, &pieces).await
    };
    unless_read_failed(sending.await)
}

/// Sends the response after the head and the first `sent` bytes of the data, a multiple of three or all of
/// them.
async fn send_rest(original: Reopen, sent: u64, pieces: Pieces) -> Result<(), CatalogError> {
    let mut content = original.await?;
    let outcome = send_data(&mut content, sent, &pieces).await;
    Ok(unless_read_failed(outcome)?)
}

fn unless_read_failed(outcome: Result<(), DataError>) -> Result<(), OriginalStoreError> {
    match outcome {
        Ok(()) | Err(DataError::Unwanted) => Ok(()),
        Err(DataError::Read(error)) => Err(error),
    }
}

/// Sends the data without their first bytes, and the end of the document.
async fn send_data(
    content: &mut OriginalContent,
    skipped: u64,
    pieces: &Pieces,
) -> Result<(), DataError> {
    let mut encoder = Encoder::default();
    let mut read = 0;
    while let Some(mut bytes) = content.stream.try_next().await? {
        let unwanted = skipped.saturating_sub(read);
        read += bytes.len() as u64;
        let unwanted = usize::try_from(unwanted).unwrap_or(usize::MAX);
        drop(bytes.split_to(unwanted.min(bytes.len())));
        encoder.push(bytes, pieces).await?;
    }
    check_length(read, content.len)?;
    let mut end = ENCODER.encode(&encoder.carry);
    end.push_str(TAIL);
    put(pieces, end.into()).await
}

async fn put(pieces: &Pieces, piece: Bytes) -> Result<(), DataError> {
    pieces.send(piece).await.map_err(|_| DataError::Unwanted)
}

/// Encodes bytes in chunks of any length.
#[derive(Default)]
struct Encoder {
    /// The bytes of an incomplete group of three.
    carry: Vec<u8>,
}

impl Encoder {
    async fn push(&mut self, mut bytes: Bytes, pieces: &Pieces) -> Result<(), DataError> {
        if !self.carry.is_empty() {
            let missing = (3 - self.carry.len()).min(bytes.len());
            self.carry.extend_from_slice(&bytes.split_to(missing));
            if self.carry.len() < 3 {
                return Ok(());
            }
            put(pieces, ENCODER.encode(&self.carry).into()).await?;
            self.carry.clear();
        }
        let rest = bytes.split_off(bytes.len() / 3 * 3);
        self.carry.extend_from_slice(&rest);
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            put(pieces, ENCODER.encode(piece).into()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes_limited;
    use base64::prelude::BASE64_STANDARD;
    use domain_testing::{at, image};
    use futures_util::{StreamExt, stream};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const MOST: usize = 1 << 24;
    const HOLD: Duration = Duration::from_mins(1);

    fn head() -> Head {
        let shown = Presentation {
            zone: chrono_tz::Tz::UTC,
            names: domain::ShownNames::default(),
        };
        Head::new(&image(b"x", at(0), &[("car", 90.0)]), &shown).unwrap()
    }

    async fn read(body: BoxBody) -> Result<Vec<u8>, String> {
        let BodySize::Sized(size) = body.size() else {
            panic!("a body of known size expected");
        };
        let bytes = to_bytes_limited(body, MOST).await.unwrap();
        let bytes = bytes.map_err(|error| error.to_string())?;
        assert_eq!(bytes.len() as u64, size);
        let json: Value = serde_json::from_slice(&bytes).unwrap();
        let members: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["data", "date", "id", "size", "tags"]);
        Ok(BASE64_STANDARD
            .decode(json["data"].as_str().unwrap())
            .unwrap())
    }

    fn content(len: u64, pieces: Vec<Result<Bytes, OriginalStoreError>>) -> OriginalContent {
        OriginalContent {
            len,
            stamp: None,
            stream: stream::iter(pieces).boxed(),
        }
    }

    #[test]
    fn body_does_not_depend_on_the_chunks() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        proptest!(|(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8))| {
            let whole = parts.concat();
            let pieces = parts.iter().map(|part| Ok(part.clone().into())).collect();
            let streamed = from_content(runtime.handle(), head(), content(whole.len() as u64, pieces));
            prop_assert_eq!(runtime.block_on(read(streamed)).unwrap(), &whole[..]);
            let pieces = parts.iter().map(|part| Ok(part.clone().into())).collect();
            let small = WithData::new(head(), content(whole.len() as u64, pieces));
            let small = runtime.block_on(small).unwrap();
            prop_assert!(matches!(small, WithData::Whole(_)));
            prop_assert_eq!(runtime.block_on(read(small.body(runtime.handle()))).unwrap(), &whole[..]);
            let unneeded = Box::pin(async { panic!("the original is not needed") });
            let held = from_bytes(runtime.handle(), head(), whole.clone().into(), HOLD, unneeded);
            prop_assert_eq!(runtime.block_on(read(held)).unwrap(), whole);
        });
    }

    #[tokio::test]
    async fn a_large_piece_is_cut() {
        let bytes = vec![7; 5 * PIECE + 1];
        let pieces = vec![Ok(Bytes::from(bytes.clone()))];
        let body = from_content(
            &Handle::current(),
            head(),
            content(bytes.len() as u64, pieces),
        );
        assert_eq!(read(body).await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn read_error_truncates_the_body_or_is_a_problem() {
        let error = OriginalStoreError::Unavailable(cause("gone"));
        for pieces in [
            vec![Ok(Bytes::from_static(b"abcd")), Err(error)],
            vec![Ok(Bytes::from_static(b"abcd"))],
            vec![Ok(Bytes::from_static(b"abcdef"))],
        ] {
            let small = WithData::new(head(), content(5, pieces.clone())).await;
            assert!(small.is_err());
            let body = from_content(&Handle::current(), head(), content(5, pieces));
            assert_eq!(read(body).await.unwrap_err(), "the answer broke off");
        }
    }

    #[tokio::test]
    async fn a_large_original_is_not_read_before_its_answer_is_sent() {
        let unread = stream::poll_fn(|_| panic!("it was read"));
        let content = OriginalContent {
            len: SMALL + 1,
            stamp: None,
            stream: unread.boxed(),
        };
        let answer = WithData::new(head(), content).await.unwrap();
        assert!(matches!(answer, WithData::Content(..)));
    }

    /// Bytes, and a count of references to them.
    struct Held(
        Vec<u8>,
        #[expect(dead_code, reason = "it is counted")] Arc<()>,
    );
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    /// Lets a response wait in memory until its bytes are dropped, after that many chunks of it.
    async fn outwait(data: &[u8], pieces: usize, original: Reopen) -> (Vec<u8>, BoxBody) {
        let memory = Arc::new(());
        let held = Bytes::from_owner(Held(data.to_vec(), Arc::clone(&memory)));
        let mut body = from_bytes(&Handle::current(), head(), held, HOLD, original);
        let mut sent = Vec::new();
        for _ in 0..pieces {
            let piece = std::future::poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
            sent.extend_from_slice(&piece.unwrap().unwrap());
        }
        tokio::time::sleep(HOLD / 2).await;
        assert_eq!(Arc::strong_count(&memory), 2);
        tokio::time::sleep(HOLD).await;
        assert_eq!(Arc::strong_count(&memory), 1);
        (sent, body)
    }

    #[rstest::rstest]
    #[tokio::test(start_paused = true)]
    async fn late_client_gets_the_rest_from_the_original(
        #[values(0, 1, 3)] pieces: usize,
        #[values(1000, PIECE, 3 * PIECE + 4)] chunk: usize,
    ) {
        let data: Vec<_> = (0..=255).cycle().take(3 * PIECE + 4).collect();
        let chunks = data.chunks(chunk).map(|it| Ok(Bytes::copy_from_slice(it)));
        let original = content(data.len() as u64, chunks.collect());
        let (sent, body) = outwait(&data, pieces, Box::pin(async { Ok(original) })).await;
        let rest = to_bytes_limited(body, MOST).await.unwrap().unwrap();
        let json: Value = serde_json::from_slice(&[&sent, &rest[..]].concat()).unwrap();
        assert_eq!(json["data"], BASE64_STANDARD.encode(&data));
    }

    #[tokio::test(start_paused = true)]
    async fn late_client_without_original_gets_a_truncated_body() {
        let error = OriginalStoreError::Unavailable(cause("gone"));
        let original = Box::pin(async { Err(error.into()) });
        let (_, body) = outwait(&vec![7; 3 * PIECE], 0, original).await;
        assert_eq!(read(body).await.unwrap_err(), "the answer broke off");
    }
}
