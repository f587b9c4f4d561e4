//! Answers with the bytes of an image, written as base64 while they are read.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use chrono_tz::Tz;
use domain::{
    Image,
    ports::{OriginalContent, OriginalStoreError, cause},
};
use futures_util::TryStreamExt;
use thiserror::Error;
use tokio::runtime::Handle;

use super::{
    streamed::{Pieces, Streamed},
    to_json,
    wire::ImageBody,
};
use crate::http::{engine::ENCODER, problem::Problem};

/// How many bytes are encoded at a time. A multiple of 3.
const PIECE: usize = 48 * 1024;

/// What comes after the data.
const TAIL: &[u8] = b"\"}";

/// Everything of an answer that comes before the data.
pub(in crate::http) struct Head(Vec<u8>);

impl Head {
    /// Writes an image up to its data.
    pub(in crate::http) fn new(image: &Image, zone: Tz) -> Result<Self, Problem> {
        let mut json = to_json(&ImageBody::new(image, zone))?;
        json.pop();
        json.extend_from_slice(b",\"data\":\"");
        Ok(Self(json))
    }

    fn size(&self, data: u64) -> BodySize {
        let text = data.div_ceil(3) * 4;
        BodySize::Sized(self.0.len() as u64 + text + TAIL.len() as u64)
    }
}

/// The answer with bytes that are in memory.
pub(in crate::http) fn from_bytes(head: Head, data: Bytes) -> BoxBody {
    BoxBody::new(InMemory {
        size: head.size(data.len() as u64),
        head: Some(head),
        data,
        has_tail: true,
    })
}

struct InMemory {
    size: BodySize,
    head: Option<Head>,
    data: Bytes,
    has_tail: bool,
}

impl MessageBody for InMemory {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let piece = if let Some(head) = self.head.take() {
            head.0.into()
        } else if !self.data.is_empty() {
            let length = self.data.len().min(PIECE);
            ENCODER.encode(self.data.split_to(length)).into()
        } else if self.has_tail {
            self.has_tail = false;
            TAIL.into()
        } else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(piece)))
    }
}

/// The answer with bytes that are yet to be read.
pub(in crate::http) fn from_content(
    runtime: &Handle,
    head: Head,
    content: OriginalContent,
) -> BoxBody {
    let size = head.size(content.len);
    BoxBody::new(Streamed::new(runtime, size, |pieces| {
        send(head, content, pieces)
    }))
}

/// Why the data were not sent whole.
#[derive(Debug, Error)]
enum DataError {
    #[error("an original could not be read to its end")]
    Read(#[from] OriginalStoreError),
    #[error("nobody wants the rest of the answer")]
    Unwanted,
}

async fn send(
    head: Head,
    mut content: OriginalContent,
    pieces: Pieces,
) -> Result<(), OriginalStoreError> {
    match send_all(head, &mut content, &pieces).await {
        Ok(()) | Err(DataError::Unwanted) => Ok(()),
        Err(DataError::Read(error)) => Err(error),
    }
}

async fn send_all(
    head: Head,
    content: &mut OriginalContent,
    pieces: &Pieces,
) -> Result<(), DataError> {
    put(pieces, head.0.into()).await?;
    let mut encoder = Encoder::default();
    let mut read = 0;
    while let Some(bytes) = content.stream.try_next().await? {
        read += bytes.len() as u64;
        encoder.push(bytes, pieces).await?;
    }
    if read != content.len {
        let lengths = format!("{read} of {} bytes were read", content.len);
        return Err(OriginalStoreError::Altered(cause(lengths)).into());
    }
    let mut end = BytesMut::from(ENCODER.encode(&encoder.carry).as_bytes());
    end.extend_from_slice(TAIL);
    put(pieces, end.freeze()).await
}

async fn put(pieces: &Pieces, piece: Bytes) -> Result<(), DataError> {
    pieces.send(piece).await.map_err(|_| DataError::Unwanted)
}

/// Encodes bytes that come in pieces of any length.
#[derive(Default)]
struct Encoder {
    /// What does not fill a group of three yet.
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
    use domain::testing::{at, image};
    use futures_util::{StreamExt, stream};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const MOST: usize = 1 << 24;

    fn head() -> Head {
        Head::new(&image(b"x", at(0), &[("car", 90.0)]), Tz::UTC).unwrap()
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
            stream: stream::iter(pieces).boxed(),
        }
    }

    #[test]
    fn what_is_read_is_what_is_sent_whatever_the_pieces() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        proptest!(|(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8))| {
            let whole = parts.concat();
            let pieces = parts.into_iter().map(|part| Ok(part.into())).collect();
            let streamed = from_content(runtime.handle(), head(), content(whole.len() as u64, pieces));
            prop_assert_eq!(runtime.block_on(read(streamed)).unwrap(), &whole[..]);
            let held = from_bytes(head(), whole.clone().into());
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
    async fn what_cannot_be_read_breaks_off() {
        let error = OriginalStoreError::Unavailable(cause("gone"));
        for pieces in [
            vec![Ok(Bytes::from_static(b"abcd")), Err(error)],
            vec![Ok(Bytes::from_static(b"abcd"))],
            vec![Ok(Bytes::from_static(b"abcdef"))],
        ] {
            let body = from_content(&Handle::current(), head(), content(5, pieces));
            assert_eq!(read(body).await.unwrap_err(), "the answer broke off");
        }
    }
}
