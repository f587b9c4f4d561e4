//! Reads a lossless bitstream and its prefix codes.

use domain::MediaType::WebP;

use crate::decode_error::DecodeError;

/// Longest code of a symbol, in bits.
const LONGEST_CODE: usize = 15;

/// Longest code that the decoder looks up in one step, in bits.
const LONGEST_LOOKUP: usize = 10;

/// The order in which the code lengths of code lengths are stored.
const LENGTH_ORDER: [usize; 19] = [
    17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
];

/// A position in a bitstream; bytes are filled from the lowest bit.
#[derive(Debug, Clone)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The next 25 to 32 bits, with zeros after the end.
    fn ahead(&self) -> u32 {
        let rest = self.bytes.get(self.position / 8..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(word) => u32::from_le_bytes(*word),
            None => (rest.iter().rev()).fold(0, |word, &byte| word << 8 | u32::from(byte)),
        };
        word >> (self.position % 8)
    }

    /// The remaining bits.
    pub(super) fn left(&self) -> u64 {
        (self.bytes.len() as u64 * 8).saturating_sub(self.position as u64)
    }

    fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        let position = self.position.saturating_add(count);
        if position > self.bytes.len().saturating_mul(8) {
            return Err(DecodeError::Truncated(WebP));
        }
        self.position = position;
        Ok(())
    }

    /// Reads a number of at most 25 bits.
    pub(super) fn take(&mut self, count: usize) -> Result<u32, DecodeError> {
        let value = self.ahead() & ((1 << count) - 1);
        self.skip(count)?;
        Ok(value)
    }

    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        Ok(self.take(1)? == 1)
    }
}

/// A canonical prefix code, complete or of one symbol.
#[derive(Debug, Clone)]
pub(super) struct Code {
    /// The number of symbols for each code length; all 0 if there is a single symbol.
    counts: [u16; LONGEST_CODE + 1],
    /// In code order.
    symbols: Vec<u16>,
}

impl Code {
    /// Reads a code of an alphabet (RFC 9649, section 3.7.2.1).
    pub(super) fn read(bits: &mut Bits, alphabet: u16) -> Result<Self, DecodeError> {
        if bits.flag()? {
            Self::read_simple(bits, alphabet)
        } else {
            Self::of_lengths(&read_lengths(bits, alphabet)?)
        }
    }

    fn read_simple(bits: &mut Bits, alphabet: u16) -> Result<Self, DecodeError> {
        let has_two = bits.flag()?;
        let first_bits = if bits.flag()? { 8 } else { 1 };
        let mut symbols = vec![symbol(bits.take(first_bits)?, alphabet)?];
        let mut counts = [0; LONGEST_CODE + 1];
        if has_two {
            symbols.push(symbol(bits.take(8)?, alphabet)?);
            counts[1] = 2;
        }
        Ok(Self { counts, symbols })
    }

    fn of_lengths(lengths: &[u8]) -> Result<Self, DecodeError> {
        let mut numbered: Vec<_> = (0_u16..)
            .zip(lengths)
            .filter(|&(_, &length)| length > 0)
            .collect();
        numbered.sort_by_key(|&(_, length)| length);
        let mut counts = [0; LONGEST_CODE + 1];
        let mut taken = 0;
        for &(_, &length) in &numbered {
            let count = counts.get_mut(usize::from(length));
            *count.ok_or_else(broken)? += 1;
            taken += 1_usize << (LONGEST_CODE - usize::from(length));
        }
        match numbered.len() {
            1 => counts = [0; LONGEST_CODE + 1],
            _ if taken == 1 << LONGEST_CODE => {}
            _ => return Err(broken()),
        }
        let symbols = numbered.into_iter().map(|(symbol, _)| symbol).collect();
        Ok(Self { counts, symbols })
    }

    pub(super) fn symbol(&self, bits: &mut Bits) -> Result<u16, DecodeError> {
        if let [symbol] = *self.symbols {
            return Ok(symbol);
        }
        let (mut ahead, mut code, mut index) = (bits.ahead(), 0, 0);
        for (length, &count) in self.counts.iter().enumerate().skip(1) {
            let count = usize::from(count);
            code = code << 1 | (ahead & 1) as usize;
            ahead >>= 1;
            if code < count {
                bits.skip(length)?;
                return self.symbols.get(index + code).copied().ok_or_else(broken);
            }
            code -= count;
            index += count;
        }
        Err(broken())
    }

    /// Whether a single symbol occurs, which takes no bits.
    pub(super) fn is_constant(&self) -> bool {
        self.symbols.len() == 1
    }

    /// Heap bytes of the decoder for the code: a table of four bytes for each value of the looked-up bits,
    /// and two nodes of 16 bytes for each symbol with a longer code.
    pub(super) fn decoder_bytes(&self) -> u64 {
        if self.is_constant() {
            return 0;
        }
        let longest = self.counts.iter().rposition(|&count| count > 0);
        let table = 4_u64 << longest.unwrap_or_default().min(LONGEST_LOOKUP);
        let long = self.counts.iter().skip(LONGEST_LOOKUP + 1);
        let nodes: u64 = long.map(|&count| 32 * u64::from(count)).sum();
        table + nodes + TWO_ALLOCATIONS
    }
}

/// The overhead of two small allocations, and the nodes of a code of two symbols.
const TWO_ALLOCATIONS: u64 = 80;

/// Reads the code length of each symbol; 0 if it has none.
fn read_lengths(bits: &mut Bits, alphabet: u16) -> Result<Vec<u8>, DecodeError> {
    let code = Code::of_lengths(&read_length_lengths(bits)?)?;
    let mut left = read_most_lengths(bits, alphabet)?;
    let alphabet = usize::from(alphabet);
    let mut lengths = Vec::with_capacity(alphabet);
    let mut previous = 8;
    while lengths.len() < alphabet && left > 0 {
        left -= 1;
        let (length, count) = match code.symbol(bits)? {
            16 => (previous, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (u8::try_from(length).map_err(|_| broken())?, 1),
        };
        if length > 0 {
            previous = length;
        }
        lengths.resize(lengths.len() + count as usize, length);
        if lengths.len() > alphabet {
            return Err(broken());
        }
    }
    Ok(lengths)
}

/// Reads the code lengths for the code lengths.
fn read_length_lengths(bits: &mut Bits) -> Result<[u8; 19], DecodeError> {
    let mut lengths = [0; 19];
    let count = 4 + bits.take(4)? as usize;
    for &symbol in LENGTH_ORDER.iter().take(count) {
        let length = bits.take(3)?.to_le_bytes()[0];
        *lengths.get_mut(symbol).ok_or_else(broken)? = length;
    }
    Ok(lengths)
}

/// The maximum number of code lengths and repetitions.
fn read_most_lengths(bits: &mut Bits, alphabet: u16) -> Result<u32, DecodeError> {
    let alphabet = u32::from(alphabet);
    if !bits.flag()? {
        return Ok(alphabet);
    }
    let width = 2 + 2 * bits.take(3)? as usize;
    let most = 2 + bits.take(width)?;
    if most > alphabet {
        return Err(broken());
    }
    Ok(most)
}

fn symbol(value: u32, alphabet: u16) -> Result<u16, DecodeError> {
    let value = u16::try_from(value).ok();
    value.filter(|&value| value < alphabet).ok_or_else(broken)
}

/// The error for an invalid lossless bitstream.
pub(super) fn broken() -> DecodeError {
    DecodeError::malformed(WebP, "its lossless data are broken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_end_with_the_bytes() {
        let mut bits = Bits::new(&[0b1010_0110, 1]);
        assert_eq!(bits.take(3).unwrap(), 0b110);
        assert_eq!(bits.take(6).unwrap(), 0b11_0100);
        assert_eq!(bits.left(), 7);
        assert!(matches!(bits.take(8), Err(DecodeError::Truncated(_))));
    }

    #[test]
    fn symbols_follow_their_lengths() {
        let code = Code::of_lengths(&[2, 1, 3, 3]).unwrap();
        // The codes 0, 10, 110 and 111, whose first bit is the lowest.
        let mut bits = Bits::new(&[0b0111_1010]);
        let mut symbol = || code.symbol(&mut bits).unwrap();
        assert_eq!([symbol(), symbol(), symbol(), symbol()], [1, 0, 3, 0]);
    }

    #[test]
    fn codes_are_complete_or_of_one_symbol() {
        assert!(Code::of_lengths(&[0, 5]).unwrap().is_constant());
        for lengths in [&[][..], &[0], &[1, 1, 1], &[2, 2], &[15; 280], &[1; 2328]] {
            assert!(Code::of_lengths(lengths).is_err(), "{lengths:?}");
        }
    }

    #[test]
    fn long_codes_take_more_memory() {
        let bytes = |lengths| Code::of_lengths(lengths).unwrap().decoder_bytes();
        assert_eq!(bytes(&[3]), 0);
        assert_eq!(bytes(&[1, 1]), 8 + TWO_ALLOCATIONS);
        assert_eq!(bytes(&[10; 1024]), 4096 + TWO_ALLOCATIONS);
        assert_eq!(bytes(&[11; 2048]), 4096 + 2048 * 32 + TWO_ALLOCATIONS);
    }
}
