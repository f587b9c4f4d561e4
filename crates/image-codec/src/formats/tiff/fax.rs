//! Rows of a fax: CCITT T.4 (Group 3, also without end marks as in TIFF 6.0, section 10) and T.6 (Group 4).
//!
//! The codes are those of the crate `fax`, whose own decoder takes rows of another length for sound ones.

use std::borrow::Cow;

use domain::MediaType::Tiff;
use fax::{
    BitReader,
    maps::{Mode, black, mode, white},
};

use crate::decode_error::DecodeError;

/// Bits of an end mark: zeros, and a one.
const END: u8 = 12;

/// A scheme of coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Rows begin with a byte.
    Runs,
    /// Rows begin with an end mark.
    Group3,
    /// A bit after the end mark tells whether a row is coded by the one above it.
    Group3Mixed,
    Group4,
}

/// Decodes rows.
pub(super) struct Fax<'a> {
    scheme: Scheme,
    bits: Bits<'a>,
    width: u32,
    /// Where the colour changes in the row above, and in this one. The first change is to black.
    above: Vec<u32>,
    row: Vec<u32>,
    /// Whether there are end marks, as the first row tells.
    has_marks: Option<bool>,
    has_ended: bool,
}

impl<'a> Fax<'a> {
    pub(super) fn new(scheme: Scheme, data: Cow<'a, [u8]>, width: u32) -> Self {
        Self {
            scheme,
            bits: Bits { data, position: 0 },
            width,
            above: Vec::new(),
            row: Vec::new(),
            has_marks: None,
            has_ended: false,
        }
    }

    /// Decodes the next row into bits; black is 1.
    pub(super) fn advance(&mut self, to: &mut Vec<u8>) -> Result<(), DecodeError> {
        std::mem::swap(&mut self.above, &mut self.row);
        self.row.clear();
        let decoded = match self.scheme {
            Scheme::Runs => {
                self.bits.align();
                self.runs()
            }
            Scheme::Group3 => self.skip_mark().and_then(|()| self.runs()),
            Scheme::Group3Mixed => self.mixed(),
            // Some writers leave white rows out at the end.
            Scheme::Group4 => {
                self.has_ended |= self.bits.peek(END) == Some(1);
                if self.has_ended {
                    Ok(())
                } else {
                    self.changes()
                }
            }
        };
        if self.bits.is_over() {
            return Err(DecodeError::Truncated(Tiff));
        }
        decoded?;
        self.draw(to);
        Ok(())
    }

    /// Skips the end mark before a row, which zeros may precede.
    fn skip_mark(&mut self) -> Result<(), DecodeError> {
        let is_mark = self.bits.peek(END - 1) == Some(0);
        if *self.has_marks.get_or_insert(is_mark) != is_mark {
            return Err(corrupt());
        }
        if is_mark {
            self.bits.skip_zeros();
            self.bits.skip(1);
        }
        Ok(())
    }

    fn mixed(&mut self) -> Result<(), DecodeError> {
        self.skip_mark()?;
        let is_plain = self.bits.peek(1) == Some(1);
        self.bits.skip(1);
        if is_plain {
            self.runs()
        } else {
            self.changes()
        }
    }

    /// A row of runs, white and black in turn.
    fn runs(&mut self) -> Result<(), DecodeError> {
        let (mut at, mut is_black) = (0, false);
        while at < self.width {
            at += self.run(is_black)?;
            self.push(at, at)?;
            is_black = !is_black;
        }
        Ok(())
    }

    /// The length of a run: multiples of 64, and a rest.
    fn run(&mut self, is_black: bool) -> Result<u32, DecodeError> {
        let mut length = 0;
        loop {
            let part = if is_black {
                black::decode(&mut self.bits)
            } else {
                white::decode(&mut self.bits)
            };
            let part = u32::from(part.ok_or_else(corrupt)?);
            length += part;
            if length > self.width {
                return Err(corrupt());
            }
            if part < 64 {
                return Ok(length);
            }
        }
    }

    /// Adds a change of colour. None lies before `from`, or beyond the row.
    fn push(&mut self, at: u32, from: u32) -> Result<(), DecodeError> {
        if at < from || at > self.width {
            return Err(corrupt());
        }
        self.row.push(at);
        Ok(())
    }

    /// A row coded by its differences from the one above (T.4, section 4.2).
    fn changes(&mut self) -> Result<(), DecodeError> {
        // Before the first pixel, a change above that pixel counts too.
        let (mut at, mut is_black, mut is_first) = (0, false, true);
        let mut next = 0;
        while at < self.width {
            let is_past = |change: &u32| *change > at || is_first && *change == at;
            while self.above.get(next).is_some_and(|change| !is_past(change)) {
                next += 1;
            }
            // Changes to black have even numbers.
            let opposite = next + usize::from((next % 2 == 1) != is_black);
            let change = |number: usize| self.above.get(number).copied().unwrap_or(self.width);
            match mode::decode(&mut self.bits).ok_or_else(corrupt)? {
                Mode::Pass => at = change(opposite + 1),
                Mode::Vertical(by) => {
                    let to = change(opposite).checked_add_signed(by.into());
                    let to = to.ok_or_else(corrupt)?;
                    self.push(to, at)?;
                    at = to;
                    is_black = !is_black;
                }
                Mode::Horizontal => {
                    let middle = at + self.run(is_black)?;
                    self.push(middle, at)?;
                    at = middle + self.run(!is_black)?;
                    self.push(at, middle)?;
                }
                Mode::Extension => {
                    let what = "a fax with uncompressed parts";
                    return Err(DecodeError::unsupported(Tiff, what));
                }
                Mode::EOF => return Err(corrupt()),
            }
            is_first = false;
        }
        Ok(())
    }

    fn draw(&self, to: &mut Vec<u8>) {
        to.clear();
        to.resize(self.width.div_ceil(8) as usize, 0);
        for run in self.row.chunks(2) {
            let [from, end] = match *run {
                [from, end] => [from, end],
                [from] => [from, self.width],
                _ => continue,
            };
            for at in from..end {
                if let Some(byte) = to.get_mut(at as usize / 8) {
                    *byte |= 0x80 >> (at % 8);
                }
            }
        }
    }
}

fn corrupt() -> DecodeError {
    DecodeError::malformed(Tiff, "a row of a fax has another length")
}

/// Bits, and zeros after their end.
struct Bits<'a> {
    data: Cow<'a, [u8]>,
    position: usize,
}

impl Bits<'_> {
    fn skip(&mut self, count: usize) {
        self.position = self.position.saturating_add(count);
    }

    /// Skips to the next byte.
    fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    fn skip_zeros(&mut self) {
        while self.peek(1) == Some(0) && !self.is_over() {
            self.skip(1);
        }
    }

    /// Whether more was read than there is.
    fn is_over(&self) -> bool {
        self.position > self.data.len().saturating_mul(8)
    }
}

impl BitReader for Bits<'_> {
    type Error = std::convert::Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        let at = self.position / 8;
        let byte = |offset: usize| u32::from(self.data.get(at + offset).copied().unwrap_or(0));
        let word = byte(0) << 24 | byte(1) << 16 | byte(2) << 8;
        let word = word << (self.position % 8);
        let bits = word.checked_shr(32_u32.checked_sub(bits.into())?);
        u16::try_from(bits.unwrap_or_default()).ok()
    }

    fn consume(&mut self, bits: u8) -> Result<(), Self::Error> {
        self.skip(bits.into());
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        [0, 7, 6, 5, 4, 3, 2, 1]
            .get(self.position % 8)
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a width, until one fails.
    fn rows(scheme: Scheme, data: &[u8], width: u32, count: usize) -> Vec<Vec<u8>> {
        let mut fax = Fax::new(scheme, Cow::Borrowed(data), width);
        let mut row = Vec::new();
        let rows = (0..count).map_while(|_| fax.advance(&mut row).ok().map(|()| row.clone()));
        rows.collect()
    }

    #[test]
    fn runs_are_drawn() {
        // White 2 (0111), black 3 (10), white 4 (1011).
        let data = [0b0111_1010, 0b1100_0000];
        for (count, found) in [(1, 1), (2, 1)] {
            let rows = rows(Scheme::Runs, &data, 9, count);
            assert_eq!(rows, vec![vec![0b0011_1000, 0]; found]);
        }
        assert!(rows(Scheme::Runs, &data, 8, 1).is_empty(), "it is too long");
        assert!(rows(Scheme::Runs, &data[..1], 9, 1).is_empty(), "it is cut");
    }

    #[test]
    fn rows_of_group_3_follow_end_marks() {
        // Fill, the mark, and the same row.
        let data = [
            0,
            0b0000_0001,
            0b0111_1010,
            0b1100_0000,
            0,
            0b0001_0111,
            0b1010_1100,
        ];
        let rows = rows(Scheme::Group3, &data, 9, 9);
        assert_eq!(rows, [[0b0011_1000, 0]; 2]);
    }

    #[test]
    fn rows_are_coded_by_the_one_above() {
        // Horizontal (001), white 2, black 3, to the end (1); then each change one to the right (011).
        let data = [0b0010_1111, 0b0101_1011, 0b1000_0000, 0b0000_1000, 0, 0];
        let rows = rows(Scheme::Group4, &data, 9, 2);
        assert_eq!(rows, [[0b0011_1000, 0], [0b0001_1100, 0]]);
    }

    #[test]
    fn no_bits_panic_or_go_on_forever() {
        for scheme in [
            Scheme::Runs,
            Scheme::Group3,
            Scheme::Group3Mixed,
            Scheme::Group4,
        ] {
            for seed in 0..2000_u32 {
                let byte = |at: u32| (seed ^ at).wrapping_mul(0x9E37_79B1).to_be_bytes()[0];
                let data: Vec<u8> = (0..40).map(byte).collect();
                for row in rows(scheme, &data, seed % 70 + 1, 100) {
                    assert_eq!(row.len(), (seed as usize % 70 + 1).div_ceil(8));
                }
            }
        }
    }
}
