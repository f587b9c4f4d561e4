//! Originals as streams.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;
use domain::{
    ContentHasher,
    ports::{Fingerprint, OriginalContent, OriginalStoreError, cause},
};
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use object_store::{GetResult, GetResultPayload};
use tokio_util::io::ReaderStream;

/// How much of a file is read at a time: little to hold in memory for each reader, and enough to make
/// the way to the thread that reads worth its while.
const PIECE: usize = 64 * 1024;

type Pieces = BoxStream<'static, Result<Bytes, OriginalStoreError>>;

/// The content of an original, which ends in an error if it ends early.
pub(crate) fn content(found: GetResult) -> OriginalContent {
    let len = found.meta.size;
    let pieces: Pieces = match found.payload {
        GetResultPayload::File(file, _) => {
            ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE)
                .map_err(|error| OriginalStoreError::Unavailable(cause(error)))
                .boxed()
        }
        GetResultPayload::Stream(stream) => stream
            .map_err(|error| OriginalStoreError::Unavailable(cause(error)))
            .boxed(),
    };
    OriginalContent {
        len,
        stream: exactly(len, pieces),
    }
}

/// The pieces, if they come to that length; else an error where it shows.
fn exactly(len: u64, pieces: Pieces) -> Pieces {
    stream::try_unfold((pieces, len), |(mut pieces, left)| async move {
        match pieces.next().await.transpose()? {
            None if left == 0 => Ok(None),
            None => Err(altered("shorter")),
            Some(piece) => {
                let left = left
                    .checked_sub(piece.len() as u64)
                    .ok_or_else(|| altered("longer"))?;
                Ok(Some((piece, (pieces, left))))
            }
        }
    })
    .boxed()
}

fn altered(how: &str) -> OriginalStoreError {
    OriginalStoreError::Altered(cause(format!("it is {how} than it was when it was opened")))
}

/// How much of a file is read at a time where nobody else waits for it.
const CHUNK: usize = 256 * 1024;

/// Reads a file to its end. Blocks.
pub(crate) fn fingerprint(place: &Path) -> io::Result<Fingerprint> {
    let mut file = File::open(place)?;
    let mut hasher = ContentHasher::default();
    let mut buffer = vec![0; CHUNK];
    let mut len = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                len += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Fingerprint {
        len,
        digest: hasher.finish(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(
        len: u64,
        pieces: &'static [&'static str],
    ) -> Result<Vec<Bytes>, OriginalStoreError> {
        let pieces = stream::iter(pieces).map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        exactly(len, pieces.boxed()).try_collect().await
    }

    #[tokio::test]
    async fn a_stream_of_the_right_length_passes() {
        assert_eq!(
            read(5, &["ab", "", "cde"]).await.unwrap().concat(),
            b"abcde"
        );
        assert!(read(0, &[]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_stream_of_another_length_ends_in_an_error() {
        for len in [4, 6] {
            let error = read(len, &["ab", "cde"]).await.unwrap_err();
            assert!(matches!(error, OriginalStoreError::Altered(_)));
        }
    }
}
