//! Scans a lossless bitstream (RFC 9649, section 3) up to its pixels.
//!
//! A bitstream can have 65,536 groups of five prefix codes, and the decoder keeps tables for each. Their
//! number is the largest value in an image within the bitstream, so that image and those before it are
//! decoded here, without keeping any pixel; the size of a table depends on the code lengths.

use crate::{
    decode_error::DecodeError,
    meter::Meter,
    work::{self, Rate},
};

use super::bits::{Bits, Code, broken};

/// The alphabet sizes of a group: green, lengths and the colour cache; red; blue; alpha; distances.
const ALPHABETS: [u16; 5] = [256 + 24, 256, 256, 256, 40];

/// The first symbol for green that stands for a length.
const FIRST_LENGTH: u16 = 256;

/// Symbols for lengths.
const LENGTHS: u16 = 24;

/// Bytes of a group in the decoder's list. The list takes twice that while it is reallocated.
const GROUP_BYTES: u64 = 5 * 56;

/// Bytes of a pixel of the image of groups, twice: as pixels and as numbers.
const GROUP_PIXEL_BYTES: u64 = 4 + 2;

/// Bytes of a pixel of any other image.
const PIXEL_BYTES: u64 = 4;

/// Bytes of a cache line.
const CACHE_LINE: u64 = 64;

/// Look-up steps for a pixel: four symbols, each with a table and then at most five bits.
const MOST_LOOKUPS: u64 = 4 * 6;

/// The decoder's cost for a bitstream besides its pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Side {
    /// Bytes of memory.
    pub(super) memory: u64,
    /// Units of work.
    pub(super) work: u64,
}

/// Computes the decoder's cost, besides the pixels, for a bitstream that starts after its sizes.
pub(super) fn inspect(bytes: &[u8], size: (u32, u32), meter: &Meter) -> Result<Side, DecodeError> {
    let mut stream = Stream {
        bits: Bits::new(bytes),
        meter,
        picoseconds: 0,
        memory: 0,
    };
    let size = stream.transforms(size)?;
    let cache = stream.cache()?;
    stream.groups(size, cache)?;
    Ok(Side {
        memory: stream.memory,
        work: stream.picoseconds.div_ceil(1_000_000),
    })
}

struct Stream<'a> {
    bits: Bits<'a>,
    meter: &'a Meter,
    /// Work of the decoder.
    picoseconds: u64,
    memory: u64,
}

impl Stream<'_> {
    /// Charges work that is done twice: here, and again by the decoder.
    fn charge(&mut self, rate: Rate, count: u64) -> Result<(), DecodeError> {
        self.picoseconds = self.picoseconds.saturating_add(rate.picoseconds(count));
        self.meter.charge(rate, count)
    }

    /// Skips the transforms, each of which occurs at most once. Returns the transformed size.
    fn transforms(&mut self, (mut width, height): (u32, u32)) -> Result<(u32, u32), DecodeError> {
        let mut seen = [false; 4];
        while self.bits.flag()? {
            let kind = self.bits.take(2)? as usize;
            let seen = seen.get_mut(kind).ok_or_else(broken)?;
            if std::mem::replace(seen, true) {
                return Err(broken());
            }
            match kind {
                0 | 1 => {
                    let blocks = self.block_bits()?;
                    self.image((blocks.across(width), blocks.across(height)), PIXEL_BYTES)?;
                }
                2 => {}
                _ => {
                    let colors = self.bits.take(8)? + 1;
                    self.image((colors, 1), PIXEL_BYTES)?;
                    width = packed_width(width, colors);
                }
            }
        }
        Ok((width, height))
    }

    fn block_bits(&mut self) -> Result<Blocks, DecodeError> {
        Ok(Blocks(self.bits.take(3)? + 2))
    }

    /// The number of colours in the cache.
    fn cache(&mut self) -> Result<u16, DecodeError> {
        if !self.bits.flag()? {
            return Ok(0);
        }
        match self.bits.take(4)? {
            bits @ 1..=11 => Ok(1 << bits),
            _ => Err(broken()),
        }
    }

    /// Skips an image within the bitstream, of which the decoder keeps `bytes` for each pixel. Returns the
    /// largest value of red and green together.
    fn image(&mut self, (width, height): (u32, u32), bytes: u64) -> Result<u32, DecodeError> {
        let pixels = u64::from(width) * u64::from(height);
        self.charge(work::WEBP_INNER_PIXEL, pixels)?;
        self.memory = self.memory.saturating_add(pixels * bytes);
        let cache = self.cache()?;
        let group = self.group(cache)?;
        group.largest_value(&mut self.bits, pixels)
    }

    /// Skips the codes of the picture itself.
    fn groups(&mut self, size: (u32, u32), cache: u16) -> Result<(), DecodeError> {
        if !self.bits.flag()? {
            self.group(cache)?;
            return Ok(());
        }
        let grid = Grid::new(self.block_bits()?, size);
        let last = self.image((grid.across, grid.down), GROUP_PIXEL_BYTES)?;
        self.memory = (self.memory).saturating_add(u64::from(last + 1) * 2 * GROUP_BYTES);
        let mut sizes = Vec::new();
        for _ in 0..=last {
            let before = self.memory;
            self.group(cache)?;
            sizes.push(GROUP_BYTES + self.memory.saturating_sub(before));
        }
        let misses = grid.misses(&mut sizes, self.bits.left());
        self.picoseconds = self.picoseconds.saturating_add(misses);
        Ok(())
    }

    fn group(&mut self, cache: u16) -> Result<Group, DecodeError> {
        let [green, red, blue, alpha, distance] = ALPHABETS;
        Ok(Group {
            green: self.code(green + cache)?,
            red: self.code(red)?,
            blue: self.code(blue)?,
            alpha: self.code(alpha)?,
            distance: self.code(distance)?,
        })
    }

    fn code(&mut self, alphabet: u16) -> Result<Code, DecodeError> {
        self.charge(work::WEBP_CODE, 1)?;
        self.charge(work::WEBP_CODE_SYMBOL, alphabet.into())?;
        let code = Code::read(&mut self.bits, alphabet)?;
        let bytes = code.decoder_bytes();
        self.memory = self.memory.saturating_add(bytes);
        self.charge(work::WEBP_TABLE_BYTE, bytes)?;
        Ok(code)
    }
}

/// The side of square blocks of pixels, as a power of two.
#[derive(Debug, Clone, Copy)]
struct Blocks(u32);

impl Blocks {
    /// How many blocks cover that many pixels.
    fn across(self, pixels: u32) -> u32 {
        pixels.div_ceil(1 << self.0)
    }
}

/// The blocks of a picture, each with its group of codes.
#[derive(Debug, Clone, Copy)]
struct Grid {
    block: u32,
    across: u32,
    down: u32,
    height: u32,
}

impl Grid {
    fn new(blocks: Blocks, (width, height): (u32, u32)) -> Self {
        Self {
            block: 1 << blocks.0,
            across: blocks.across(width),
            down: blocks.across(height),
            height,
        }
    }

    /// The work, in picoseconds, of looking up bits in tables beyond the processor's cache. A row of pixels
    /// goes through the groups of all its blocks, and so do the following rows within the blocks.
    fn misses(self, sizes: &mut [u64], bits: u64) -> u64 {
        let total = sizes.iter().sum();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        let largest = sizes.first().copied().unwrap_or_default();
        let row: u64 = sizes.iter().take(self.across as usize).sum();
        let changes = u64::from(self.across) * u64::from(self.height);
        let in_block = (u64::from(self.block) * MOST_LOOKUPS).min(largest / CACHE_LINE);
        // A look-up step takes at least one bit.
        let again = changes.saturating_mul(in_block).min(bits);
        let first = (u64::from(self.down) * (row / CACHE_LINE)).min(bits);
        work::WEBP_GROUP_CHANGE.picoseconds(changes)
            + work::webp_lookup(row).picoseconds(again)
            + work::webp_lookup(total).picoseconds(first)
    }
}

/// The width with several pixels of few colours packed into one.
fn packed_width(width: u32, colors: u32) -> u32 {
    let pixels = match colors {
        0..=2 => 8,
        3..=4 => 4,
        5..=16 => 2,
        _ => 1,
    };
    width.div_ceil(pixels)
}

/// The codes of a group.
struct Group {
    green: Code,
    red: Code,
    blue: Code,
    alpha: Code,
    distance: Code,
}

impl Group {
    /// Skips pixels. Returns the largest value of red and green among the literal ones: the others are
    /// copies of those, or 0.
    fn largest_value(&self, bits: &mut Bits, pixels: u64) -> Result<u32, DecodeError> {
        let (mut left, mut largest) = (pixels, 0);
        while left > 0 {
            let symbol = self.green.symbol(bits)?;
            if symbol < FIRST_LENGTH {
                largest = largest.max(self.value(symbol, bits)?);
                left -= if self.is_constant() { left } else { 1 };
            } else if symbol < FIRST_LENGTH + LENGTHS {
                let length = distance_or_length(symbol - FIRST_LENGTH, bits)?;
                let distance = self.distance.symbol(bits)?;
                distance_or_length(distance, bits)?;
                left = left.checked_sub(length).ok_or_else(broken)?;
            } else {
                left -= 1;
            }
        }
        Ok(largest)
    }

    /// Reads the rest of a pixel.
    fn value(&self, green: u16, bits: &mut Bits) -> Result<u32, DecodeError> {
        let red = self.red.symbol(bits)?;
        self.blue.symbol(bits)?;
        self.alpha.symbol(bits)?;
        Ok(u32::from(red) << 8 | u32::from(green))
    }

    /// Whether all pixels are the same and take no bits.
    fn is_constant(&self) -> bool {
        let codes = [&self.green, &self.red, &self.blue, &self.alpha];
        codes.iter().all(|code| code.is_constant())
    }
}

/// Reads the extra bits of a length or a distance (RFC 9649, section 3.6.2.2).
fn distance_or_length(symbol: u16, bits: &mut Bits) -> Result<u64, DecodeError> {
    if symbol < 4 {
        return Ok(u64::from(symbol) + 1);
    }
    let extra = usize::from((symbol - 2) >> 1);
    let offset = (2 + u64::from(symbol & 1)) << extra;
    Ok(offset + u64::from(bits.take(extra)?) + 1)
}

#[cfg(test)]
mod tests {
    use domain::ports::CallContext;

    use super::*;

    /// 320 by 214 pixels, after the sizes.
    fn stream() -> &'static [u8] {
        &include_bytes!("../../../tests/samples/lossless.webp")[25..]
    }

    fn side(bytes: &[u8], work: u64) -> Result<Side, DecodeError> {
        let meter = Meter::new(work, None, CallContext::local());
        inspect(bytes, (320, 214), &meter)
    }

    #[test]
    fn transforms_and_codes_are_passed() {
        let Side { memory, work } = side(stream(), u64::MAX).unwrap();
        // The minimum for several groups with tables for each colour.
        assert!(memory > 3 * 4 * 1024, "{memory}");
        assert!(memory < 512 * 1024, "{memory}");
        assert!(work < 10_000, "{work}");
    }

    #[test]
    fn stream_without_pixels_is_truncated() {
        let codes = (0..stream().len()).position(|end| side(&stream()[..end], u64::MAX).is_ok());
        let codes = codes.unwrap();
        assert!(codes < stream().len() / 2, "{codes}");
        for end in 0..codes {
            let refused = side(&stream()[..end], u64::MAX);
            assert!(matches!(refused, Err(DecodeError::Truncated(_))), "{end}");
        }
    }

    #[test]
    fn walking_ends_at_the_limit() {
        let refused = side(stream(), 100);
        assert!(
            matches!(refused, Err(DecodeError::TooComplex { .. })),
            "{refused:?}"
        );
    }

    /// Each transform at most once, so that there are no more images than types of transforms.
    #[test]
    fn transforms_do_not_repeat() {
        let green_twice = [0b0010_1101];
        let refused = side(&green_twice, u64::MAX);
        assert!(matches!(refused, Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn small_blocks_with_large_tables_cost_more() {
        let grid = |bits| Grid::new(Blocks(bits), (4000, 4000));
        let misses = |grid: Grid, groups| grid.misses(&mut vec![16_384; groups], u64::MAX);
        let (few, many) = (misses(grid(2), 16), misses(grid(2), 1024));
        assert!(many > 10 * few, "{few} {many}");
        let large = misses(grid(7), 1024);
        assert!(many > 10 * large, "{large} {many}");
    }
}
