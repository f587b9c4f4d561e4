//! The input of a JPEG decoder: the file up to its last scan's data, and a sentinel.

use std::io::{self, Read};

use crate::meter::Meter;
use zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZSeekFrom};

/// One bits, then the end marker.
///
/// No Huffman code consists of ones alone (ITU-T T.81, C.2), so a decoder that still needs data fails at
/// once, while one that only looks ahead is not affected: scans are padded with ones anyway. `FF` is
/// followed by `00` within data. As long as any decoder's look-ahead.
const SENTINEL: [u8; 34] = *b"\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\
    \xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\xD9";

/// Zero bits, then the end marker.
const ZEROS: [u8; 34] = *b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFF\xD9";

/// How many bytes are read between two checks of the meter.
const STRIDE: usize = 16 * 1024;

/// A file followed by the sentinel. It is cut short when the meter stops the work.
pub(super) struct Source<'a> {
    file: &'a [u8],
    position: usize,
    tail: &'static [u8],
    meter: &'a Meter,
    /// Where to check the meter next.
    next_look: usize,
}

impl<'a> Source<'a> {
    /// The file must end with the data of its last scan.
    pub(super) fn new(file: &'a [u8], meter: &'a Meter) -> Self {
        Self {
            file,
            position: 0,
            tail: &SENTINEL,
            meter,
            next_look: 0,
        }
    }

    /// The same with zero bits in place of the one bits: a picture that is whole does not depend on them.
    pub(super) fn with_zeros(self) -> Self {
        let tail = &ZEROS;
        Self { tail, ..self }
    }

    /// Ends the file here if the meter has stopped the work.
    #[inline]
    fn look(&mut self) {
        if self.position >= self.next_look {
            self.next_look = self.position.saturating_add(STRIDE);
            if self.meter.check().is_err() {
                self.file = &[];
            }
        }
    }

    fn len(&self) -> usize {
        self.file.len() + self.tail.len()
    }

    /// Copies the available bytes and returns their number.
    fn copy(&self, target: &mut [u8]) -> usize {
        let file = self.file.get(self.position..).unwrap_or_default();
        let into_sentinel = self.position.saturating_sub(self.file.len());
        let sentinel = self.tail.get(into_sentinel..).unwrap_or_default();
        let bytes = file.iter().chain(sentinel);
        target.iter_mut().zip(bytes).fold(0, |count, (to, from)| {
            *to = *from;
            count + 1
        })
    }
}

impl ZByteReaderTrait for Source<'_> {
    #[inline]
    fn read_byte_no_error(&mut self) -> u8 {
        self.look();
        let byte = self.file.get(self.position).copied();
        let byte = byte.unwrap_or_else(|| {
            let mut byte = [0];
            self.copy(&mut byte);
            byte[0]
        });
        self.position += 1;
        byte
    }

    #[inline]
    fn read_exact_bytes(&mut self, target: &mut [u8]) -> Result<(), ZByteIoError> {
        self.look();
        self.peek_exact_bytes(target)?;
        self.position += target.len();
        Ok(())
    }

    fn read_bytes(&mut self, target: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.look();
        let count = self.copy(target);
        self.position += count;
        Ok(count)
    }

    fn peek_bytes(&mut self, target: &mut [u8]) -> Result<usize, ZByteIoError> {
        Ok(self.copy(target))
    }

    #[inline]
    fn peek_exact_bytes(&mut self, target: &mut [u8]) -> Result<(), ZByteIoError> {
        let end = self.position.saturating_add(target.len());
        if let Some(bytes) = self.file.get(self.position..end) {
            target.copy_from_slice(bytes);
            return Ok(());
        }
        match self.copy(target) {
            count if count == target.len() => Ok(()),
            count => Err(ZByteIoError::NotEnoughBytes(count, target.len())),
        }
    }

    #[inline]
    fn z_seek(&mut self, to: ZSeekFrom) -> Result<u64, ZByteIoError> {
        let position = match to {
            ZSeekFrom::Start(to) => usize::try_from(to).ok(),
            ZSeekFrom::End(by) => offset(self.len(), by),
            ZSeekFrom::Current(by) => offset(self.position, by),
        };
        self.position = position.ok_or(ZByteIoError::SeekError("before the first byte"))?;
        self.z_position()
    }

    #[inline]
    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        Ok(self.position >= self.len())
    }

    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        Ok(self.position as u64)
    }

    fn read_remaining(&mut self, sink: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        let mut rest = vec![0; self.len().saturating_sub(self.position)];
        let count = self.read_bytes(&mut rest)?;
        sink.append(&mut rest);
        Ok(count)
    }
}

impl Read for Source<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.look();
        let count = self.copy(target);
        self.position += count;
        Ok(count)
    }

    #[inline]
    fn read_exact(&mut self, target: &mut [u8]) -> io::Result<()> {
        let read = self.read_exact_bytes(target);
        read.map_err(|_| io::ErrorKind::UnexpectedEof.into())
    }
}

#[inline]
fn offset(position: usize, by: i64) -> Option<usize> {
    position.checked_add_signed(isize::try_from(by).ok()?)
}

#[cfg(test)]
mod tests {
    use domain::ports::CallContext;

    use super::*;

    #[test]
    fn the_sentinel_follows_the_file() {
        let mut all = Vec::new();
        let meter = Meter::new(0, None, CallContext::local());
        let mut source = Source::new(&[1, 2, 3], &meter);
        assert_eq!(source.read_byte_no_error(), 1);
        let mut next = [0; 4];
        source.read_exact_bytes(&mut next).unwrap();
        assert_eq!(next, [2, 3, 0xFF, 0]);
        source.z_seek(ZSeekFrom::Current(-2)).unwrap();
        assert_eq!(source.read_remaining(&mut all).unwrap(), 34);
        assert_eq!(all[..4], [0xFF, 0, 0xFF, 0]);
        assert_eq!(all[30..], [0xFF, 0, 0xFF, 0xD9]);
        assert!(source.is_eof().unwrap());
        assert_eq!(source.read_byte_no_error(), 0);
        assert!(source.z_seek(ZSeekFrom::Current(-100)).is_err());
    }

    #[test]
    fn missing_data_are_not_read() {
        let meter = Meter::new(0, None, CallContext::local());
        let mut source = Source::new(&[1], &meter);
        assert!(source.read_exact_bytes(&mut [0; 36]).is_err());
        assert_eq!(source.z_position().unwrap(), 0, "nothing was passed");
        assert_eq!(source.read_bytes(&mut [0; 36]).unwrap(), 35);
    }
}
