//! Originals as streams.

use std::{
    error::Error,
    fs::{File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::MetadataExt,
    path::Path,
};

use bytes::Bytes;
use domain::{
    ContentHasher,
    ports::{Fingerprint, OriginalContent, OriginalStoreError, Stamp, cause, clip},
};
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use object_store::{GetResult, ObjectMeta};
use tokio::task::spawn_blocking;

/// Chunk length for streaming: short enough to be held in memory for each reader, long enough to make the
/// switch to a blocking thread worthwhile. A multiple of 3, so that base64 needs no carry between chunks.
const PIECE: usize = 48 * 1024;

/// The most that is read at once if it completes the file.
const WHOLE: u64 = 96 * 1024;

type Pieces = BoxStream<'static, Result<Bytes, OriginalStoreError>>;

/// The content of an original in a bucket, which ends in an error if it is truncated.
pub(crate) fn content(found: GetResult) -> OriginalContent {
    let empty = empty(&found.meta);
    let expected = found.range.end - found.range.start;
    let pieces = found.into_stream().map_err(unavailable).boxed();
    OriginalContent {
        stream: exactly(expected, pieces),
        ..empty
    }
}

/// Nothing of an original in a bucket.
pub(crate) fn empty(found: &ObjectMeta) -> OriginalContent {
    OriginalContent {
        len: found.size,
        stamp: Some(Stamp::of((&found.e_tag, found.last_modified))),
        stream: stream::empty().boxed(),
    }
}

/// An open file, and the first chunk that is read of it.
pub(crate) struct Opened {
    file: File,
    len: u64,
    /// How many bytes are read in all.
    expected: u64,
    stamp: Stamp,
    first: Bytes,
}

/// Opens a file and reads its first chunk, or that of a range, which is the whole of most files. Blocks.
pub(crate) fn open(place: &Path, range: Option<Range<u64>>) -> io::Result<Opened> {
    let mut file = File::open(place)?;
    let facts = file.metadata()?;
    let len = facts.len();
    let range = clip(range, len);
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start))?;
    }
    let expected = range.end - range.start;
    let first = piece(&mut file, expected)?;
    Ok(Opened {
        file,
        len,
        expected,
        stamp: stamp(&facts),
        first,
    })
}

/// Writing to a file, or replacing it, changes one of these.
fn stamp(facts: &Metadata) -> Stamp {
    Stamp::of([
        facts.dev(),
        facts.ino(),
        facts.mtime().cast_unsigned(),
        facts.mtime_nsec().cast_unsigned(),
        facts.ctime().cast_unsigned(),
        facts.ctime_nsec().cast_unsigned(),
    ])
}

/// The next chunk of a file with `left` bytes left.
fn piece(file: &mut File, left: u64) -> io::Result<Bytes> {
    let most = if left <= WHOLE { WHOLE } else { PIECE as u64 };
    let size = usize::try_from(left.min(most)).unwrap_or(PIECE);
    let mut piece = Vec::with_capacity(size);
    file.take(size as u64).read_to_end(&mut piece)?;
    Ok(piece.into())
}

impl Opened {
    /// The content, which ends in an error if it is truncated.
    pub(crate) fn content(self) -> OriginalContent {
        let Self {
            file,
            len,
            expected,
            stamp,
            first,
        } = self;
        let left = expected.saturating_sub(first.len() as u64);
        let rest = stream::try_unfold((file, left), async |(mut file, left)| {
            if left == 0 {
                return Ok(None);
            }
            let read = spawn_blocking(move || piece(&mut file, left).map(|piece| (piece, file)));
            let read = read
                .await
                .unwrap_or_else(|lost| Err(io::Error::other(lost)));
            let (piece, file) = read.map_err(unavailable)?;
            // The file was truncated: nothing more comes.
            let left = if piece.is_empty() {
                0
            } else {
                left - piece.len() as u64
            };
            Ok(Some((piece, (file, left))))
        });
        let pieces = stream::once(async { Ok(first) }).chain(rest);
        OriginalContent {
            len,
            stamp: Some(stamp),
            stream: exactly(expected, pieces.boxed()),
        }
    }
}

pub(crate) fn unavailable(error: impl Error + Send + Sync + 'static) -> OriginalStoreError {
    OriginalStoreError::Unavailable(cause(error))
}

/// The chunks, followed by an error if their length differs from `len`.
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

/// Chunk length for digesting a whole file.
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

    #[tokio::test]
    async fn file_is_read_in_chunks() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("file");
        for len in [0, 1, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 5 * PIECE + 7] {
            let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
            std::fs::write(&place, &bytes).unwrap();
            let content = open(&place, None).unwrap().content();
            assert_eq!(content.len, len as u64);
            let pieces: Vec<Bytes> = content.stream.try_collect().await.unwrap();
            let longest = pieces.iter().map(Bytes::len).max().unwrap();
            assert!(longest as u64 <= WHOLE);
            assert!(pieces.len() <= len.div_ceil(PIECE).max(1));
            assert_eq!(pieces.concat(), bytes);
        }
        assert!(open(folder.path(), None).is_err(), "a folder is no file");
    }

    #[tokio::test]
    async fn truncated_file_ends_in_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("file");
        std::fs::write(&place, vec![1; 3 * PIECE]).unwrap();
        let content = open(&place, None).unwrap().content();
        File::options()
            .write(true)
            .open(&place)
            .unwrap()
            .set_len(10)
            .unwrap();
        let read = content.stream.try_collect::<Vec<Bytes>>().await;
        assert!(matches!(read, Err(OriginalStoreError::Altered(_))));
    }

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
