//! The input of the PNG decoder: the chunks that make the pixels, already inflated.
//!
//! A file of a megabyte can contain a hundred thousand deflate blocks, for each of which the decoder builds
//! tables. So the data are inflated here, block by block, and each one is counted; the decoder gets them in
//! stored blocks. Data beyond the pixels, texts and profiles are never inflated.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Chunk, SIGNATURE};
use crate::{byte_reader::ByteReader, meter::Meter, work};

/// Longest stored block, in bytes.
const PIECE: usize = 32 * 1024;

/// Bytes before the data of a block: length and type of the chunk, header of the stored block.
const FRONT: usize = 4 + 4 + 5;

/// A dummy checksum of a chunk or of the data. The decoder must not verify them.
const CHECKSUM: [u8; 4] = [0; 4];

/// The end of the compressed data, and of the file.
const END: &[u8] = b"\0\0\0\x09IDAT\x01\0\0\xFF\xFF\0\0\0\0\0\0\0\0\0\0\0\0IEND\0\0\0\0";

/// The start of compressed data: deflate with a window of 32 KiB.
const ZLIB_HEADER: &[u8] = b"\0\0\0\x02IDAT\x78\x01\0\0\0\0";

/// A PNG file reduced to what makes the pixels.
pub(super) struct Source<'a> {
    meter: &'a Meter,
    inflate: Inflate,
    /// The remaining IDAT chunks, and what follows them.
    chunks: ByteReader<'a>,
    /// The rest of the current chunk.
    compressed: &'a [u8],
    /// Bytes that the pixels still need.
    left: u64,
    piece: Vec<u8>,
    position: usize,
    has_ended: bool,
}

impl<'a> Source<'a> {
    /// `length` is the inflated length of the data.
    pub(super) fn new(head: &[&[u8]], data: ByteReader<'a>, length: u64, meter: &'a Meter) -> Self {
        let mut piece = SIGNATURE.to_vec();
        for chunk in head {
            piece.extend(*chunk);
        }
        piece.extend(ZLIB_HEADER);
        Self {
            meter,
            inflate: Inflate::new(true, 15),
            chunks: data,
            compressed: &[],
            left: length,
            piece,
            position: 0,
            has_ended: false,
        }
    }

    /// Makes the next block of the file.
    fn advance(&mut self) -> io::Result<()> {
        let length = self.inflate_piece()?;
        self.position = 0;
        if length == 0 {
            self.piece.clear();
            if !self.has_ended {
                self.piece.extend(END);
            }
            self.has_ended = true;
            return Ok(());
        }
        self.piece.truncate(FRONT + length);
        self.piece.extend(CHECKSUM);
        let front = front(length);
        for (to, from) in self.piece.iter_mut().zip(front) {
            *to = from;
        }
        Ok(())
    }

    /// Inflates up to one block and returns its length; 0 at the end.
    fn inflate_piece(&mut self) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        self.piece.resize(FRONT + most, 0);
        let mut length = 0;
        while length < most && !self.has_ended {
            if self.compressed.is_empty() && !self.next_chunk() {
                break;
            }
            let room = self.piece.get_mut(FRONT + length..).unwrap_or_default();
            let (before, position) = (self.inflate.total_out(), self.inflate.total_in());
            // Returns at the end of each deflate block.
            let status = self
                .inflate
                .decompress(self.compressed, room, InflateFlush::Block);
            let status = status.map_err(|error| corrupt(error.as_str()))?;
            let consumed = as_length(self.inflate.total_in() - position);
            let produced = as_length(self.inflate.total_out() - before);
            self.compressed = self.compressed.get(consumed..).unwrap_or_default();
            length += produced;
            self.count(consumed)?;
            if status == Status::StreamEnd {
                break;
            }
            if consumed == 0 && produced == 0 && !self.compressed.is_empty() {
                return Err(corrupt("the data end in the middle of a code"));
            }
        }
        self.left -= length as u64;
        Ok(length)
    }

    fn count(&self, consumed: usize) -> io::Result<()> {
        let block = self.meter.charge(work::DEFLATE_BLOCK, 1);
        block
            .and_then(|()| self.meter.charge(work::DEFLATE_BYTE, consumed as u64))
            .map_err(io::Error::other)
    }

    /// Advances to the next chunk if it also contains data.
    fn next_chunk(&mut self) -> bool {
        let before = self.chunks.clone();
        let data = if let Ok(chunk) = Chunk::take(&mut self.chunks) {
            (&chunk.kind == b"IDAT").then_some(chunk.body)
        } else {
            // The file ends within it.
            let cut = Chunk::take_cut(&mut before.clone());
            self.chunks = ByteReader::new(domain::MediaType::Png, &[]);
            cut.filter(|data| !data.is_empty())
        };
        let Some(data) = data else {
            self.chunks = ByteReader::new(domain::MediaType::Png, &[]);
            return false;
        };
        self.compressed = data;
        true
    }
}

/// The bytes before a block's data.
fn front(length: usize) -> [u8; FRONT] {
    let short = u16::try_from(length).unwrap_or(u16::MAX);
    let chunk = (u32::from(short) + 5).to_be_bytes();
    let ([a, b, c, d], [low, high]) = (chunk, short.to_le_bytes());
    [
        a, b, c, d, b'I', b'D', b'A', b'T', 0, low, high, !low, !high,
    ]
}

fn corrupt(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn as_length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position >= self.piece.len() {
            self.advance()?;
        }
        Ok(self.piece.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for Source<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(target)?;
        self.consume(count);
        Ok(count)
    }
}

/// Required by the decoder, and never called.
impl Seek for Source<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
