//! Run-length encoding of eight or four bits.

use domain::MediaType::Bmp;

use crate::{byte_reader::ByteReader, decode_error::DecodeError};

/// Run-length encoded rows of palette indexes.
pub(super) struct Runs<'a> {
    data: ByteReader<'a>,
    /// Whether two pixels share a byte.
    is_packed: bool,
    row: Vec<u8>,
    /// How many pixels of the row are done.
    x: usize,
}

impl<'a> Runs<'a> {
    pub(super) fn new(data: &'a [u8], is_packed: bool, width: usize) -> Self {
        Self {
            data: ByteReader::new(Bmp, data),
            is_packed,
            row: vec![0; width],
            x: 0,
        }
    }

    /// Yields each row, bottom-up. Skipped pixels have the first colour.
    pub(super) fn expand(
        mut self,
        height: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut left = height;
        while left > 0 {
            let ended = match (self.data.u8()?, self.data.u8()?) {
                (0, 0) => {
                    self.x = 0;
                    1
                }
                (0, 1) => left,
                (0, 2) => self.skip()?,
                (0, count) => self.literals(count.into())?,
                (count, value) => self.run(count.into(), value)?,
            };
            left = left.checked_sub(ended).ok_or(corrupt())?;
            for _ in 0..ended {
                take(&self.row)?;
                self.row.fill(0);
            }
        }
        Ok(())
    }

    /// Executes a delta (pixels right, rows up); returns how many rows ended.
    fn skip(&mut self) -> Result<usize, DecodeError> {
        let [across, up] = self.data.array()?.map(usize::from);
        self.advance(across)?;
        Ok(up)
    }

    fn literals(&mut self, count: usize) -> Result<usize, DecodeError> {
        let is_packed = self.is_packed;
        let length = if is_packed { count.div_ceil(2) } else { count };
        // Padded to an even number of bytes.
        let bytes = self.data.take(length.next_multiple_of(2))?;
        for (number, pixel) in self.advance(count)?.iter_mut().enumerate() {
            *pixel = if is_packed {
                nibble(bytes.get(number / 2), number)
            } else {
                bytes.get(number).copied().unwrap_or_default()
            };
        }
        Ok(0)
    }

    fn run(&mut self, count: usize, value: u8) -> Result<usize, DecodeError> {
        // Some writers end the last run of a row past its end.
        let room = self.row.len().saturating_sub(self.x);
        let count = if self.is_packed {
            count
        } else {
            count.min(room)
        };
        let is_packed = self.is_packed;
        for (number, pixel) in self.advance(count)?.iter_mut().enumerate() {
            *pixel = if is_packed {
                nibble(Some(&value), number)
            } else {
                value
            };
        }
        Ok(0)
    }

    /// The next pixels of the row, which must exist.
    fn advance(&mut self, count: usize) -> Result<&mut [u8], DecodeError> {
        let pixels = self.row.get_mut(self.x..self.x + count);
        self.x += count;
        pixels.ok_or_else(corrupt)
    }
}

/// The upper half of a byte comes first.
fn nibble(byte: Option<&u8>, number: usize) -> u8 {
    let byte = byte.copied().unwrap_or_default();
    if number.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 15
    }
}

fn corrupt() -> DecodeError {
    DecodeError::malformed(Bmp, "a run goes past the end of its row")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(data: &[u8], is_packed: bool, (width, height): (usize, usize)) -> Option<Vec<u8>> {
        let mut rows = Vec::new();
        let done = Runs::new(data, is_packed, width).expand(height, |row| {
            rows.extend(row);
            Ok(())
        });
        done.ok().map(|()| rows)
    }

    #[test]
    fn runs_and_literals_of_bytes() {
        let data = [2, 7, 0, 3, 1, 2, 3, 0, 0, 0, 9, 8, 0, 1];
        assert_eq!(
            expanded(&data, false, (5, 2)).unwrap(),
            [7, 7, 1, 2, 3, 8, 8, 8, 8, 8]
        );
    }

    #[test]
    fn runs_and_literals_of_nibbles() {
        let data = [3, 0x12, 0, 3, 0x34, 0x50, 0, 0, 0, 1];
        assert_eq!(
            expanded(&data, true, (6, 2)).unwrap(),
            [1, 2, 1, 3, 4, 5, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn skipped_pixels_have_the_first_colour() {
        let data = [1, 7, 0, 2, 1, 2, 1, 8, 0, 1];
        let expected = [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0];
        assert_eq!(expanded(&data, false, (4, 3)).unwrap(), expected);
    }

    #[test]
    fn runs_beyond_the_picture_are_refused() {
        for data in [
            &[0, 6, 1, 2, 3, 4, 5, 6][..],
            &[0, 2, 6, 0, 0, 1],
            &[0, 2, 0, 3, 0, 1],
            &[5, 1],
            &[],
        ] {
            assert!(expanded(data, false, (5, 2)).is_none(), "{data:?}");
        }
        assert!(expanded(&[6, 0, 0, 1], true, (5, 2)).is_none());
    }
}
