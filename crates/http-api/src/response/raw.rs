//! Answers with the bytes of an original as they are.

use actix_web::body::{BodySize, BoxBody};
use bytes::{Bytes, BytesMut};
use domain::{
    ports::{OriginalContent, OriginalStoreError},
    service::CatalogError,
};
use futures_util::TryStreamExt;
use tokio::runtime::Handle;

use super::streamed::{Pieces, Streamed};

/// The most bytes that are read before the answer begins.
const SMALL: u64 = 96 * 1024;

/// Bytes of an original.
pub(crate) enum Raw {
    /// Few, which were read: if that fails, it is an error rather than an answer that breaks off.
    Whole(Bytes),
    /// Many, which are yet to be read.
    Content(u64, OriginalContent),
}

impl Raw {
    /// Reads what was opened if it is small: `len` bytes are expected.
    pub(crate) async fn new(len: u64, content: OriginalContent) -> Result<Self, CatalogError> {
        if len > SMALL {
            return Ok(Self::Content(len, content));
        }
        let pieces = content.stream;
        let read = pieces.try_fold(BytesMut::new(), |mut read, piece| {
            read.extend_from_slice(&piece);
            std::future::ready(Ok(read))
        });
        Ok(Self::Whole(read.await?.freeze()))
    }

    /// The body. It breaks off where the bytes cannot be read or are not those of the original.
    pub(crate) fn body(self, runtime: &Handle) -> BoxBody {
        match self {
            Self::Whole(bytes) => BoxBody::new(bytes),
            Self::Content(len, content) => {
                let produce = |pieces| send(content, pieces);
                BoxBody::new(Streamed::new(runtime, BodySize::Sized(len), produce))
            }
        }
    }
}

/// Sends the bytes, the last of them only once it is known that all are right: the client counts them, and
/// would take the answer for complete.
async fn send(content: OriginalContent, pieces: Pieces) -> Result<(), OriginalStoreError> {
    let mut stream = content.stream;
    let mut held: Option<Bytes> = None;
    while let Some(piece) = stream.try_next().await? {
        if piece.is_empty() {
            continue;
        }
        if let Some(ready) = held.replace(piece)
            && pieces.send(ready).await.is_err()
        {
            return Ok(());
        }
    }
    if let Some(last) = held {
        // Nobody may want it any more; then the answer is complete enough.
        let _ = pieces.send(last).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes_limited;
    use domain::ports::cause;
    use futures_util::{StreamExt, stream};

    use super::*;

    fn content(pieces: Vec<Result<Bytes, OriginalStoreError>>) -> OriginalContent {
        OriginalContent {
            len: 1 << 20,
            stamp: None,
            stream: stream::iter(pieces).boxed(),
        }
    }

    fn altered() -> Result<Bytes, OriginalStoreError> {
        Err(OriginalStoreError::Altered(cause("other bytes")))
    }

    async fn read(len: u64, pieces: Vec<Result<Bytes, OriginalStoreError>>) -> Option<Bytes> {
        let raw = Raw::new(len, content(pieces)).await.ok()?;
        let body = raw.body(&Handle::current());
        to_bytes_limited(body, 1 << 20).await.unwrap().ok()
    }

    fn piece(len: usize) -> Bytes {
        vec![b'x'; len].into()
    }

    #[tokio::test]
    async fn bytes_pass_as_they_are() {
        for sizes in [vec![1000], vec![60_000, 60_000], vec![48_000; 5]] {
            let len: usize = sizes.iter().sum();
            let pieces = sizes.into_iter().map(|size| Ok(piece(size))).collect();
            let read = read(len as u64, pieces).await.unwrap();
            assert_eq!(read.len(), len);
        }
    }

    #[tokio::test]
    async fn altered_bytes_are_never_a_whole_answer() {
        for size in [1000, 100_000] {
            assert_eq!(
                read(size as u64, vec![Ok(piece(size)), altered()]).await,
                None
            );
        }
    }

    #[tokio::test]
    async fn the_last_piece_waits_for_the_verdict() {
        let (sender, mut sent) = tokio::sync::mpsc::channel(8);
        let pieces = vec![Ok(piece(1)), Ok(piece(2)), altered()];
        assert!(send(content(pieces), sender).await.is_err());
        assert_eq!(sent.recv().await.unwrap().len(), 1);
        assert!(sent.recv().await.is_none());
    }
}
