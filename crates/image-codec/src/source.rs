//! Metered input of decoders.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::meter::Meter;

/// How many bytes are read between two checks of the meter.
const STRIDE: usize = 16 * 1024;

/// A file in memory whose reads fail when the meter stops the work.
pub(crate) struct Metered<'a, R> {
    file: R,
    meter: &'a Meter,
    /// Bytes until the next check of the meter.
    left: usize,
}

impl<'a, R> Metered<'a, R> {
    pub(crate) fn new(file: R, meter: &'a Meter) -> Self {
        let left = STRIDE;
        Self { file, meter, left }
    }

    #[inline]
    fn pass(&mut self, count: usize) -> io::Result<()> {
        if let Some(left) = self.left.checked_sub(count) {
            self.left = left;
            return Ok(());
        }
        self.left = STRIDE;
        self.meter.check().map_err(io::Error::other)
    }
}

impl<R: Read> Read for Metered<'_, R> {
    #[inline]
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        // A read of zero or one byte also has a cost.
        self.pass(target.len().max(16))?;
        self.file.read(target)
    }
}

impl<R: BufRead> BufRead for Metered<'_, R> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let most = self.file.fill_buf()?.len().min(STRIDE);
        self.pass(most.max(16))?;
        let rest = self.file.fill_buf()?;
        Ok(rest.get(..most).unwrap_or(rest))
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.file.consume(count);
    }
}

impl<R: Seek> Seek for Metered<'_, R> {
    #[inline]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use domain::ports::CallContext;

    use super::*;

    #[test]
    fn reading_ends_when_the_caller_has_gone() {
        let meter = Meter::new(0, None, CallContext::cancelled_when(|| true));
        let mut source = Metered::new(Cursor::new(vec![0; 100_000]), &meter);
        let mut read = Vec::new();
        assert!(source.read_to_end(&mut read).is_err());
        assert!(read.len() <= 2 * STRIDE, "{}", read.len());
    }

    #[test]
    fn small_reads_are_counted_as_well() {
        let meter = Meter::new(0, None, CallContext::cancelled_when(|| true));
        let mut source = Metered::new(Cursor::new(vec![0; 100_000]), &meter);
        let read = (0..2000).all(|_| source.read(&mut [0]).is_ok());
        assert!(!read);
    }

    #[test]
    fn reads_return_the_file() {
        let meter = Meter::new(0, None, CallContext::local());
        let file: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut source = Metered::new(Cursor::new(&file), &meter);
        let mut read = vec![0; 7];
        source.read_exact(&mut read).unwrap();
        while let Ok(part) = source.fill_buf() {
            let count = part.len();
            if count == 0 {
                break;
            }
            read.extend(part);
            source.consume(count);
        }
        assert_eq!(read, file);
    }
}
