//! The palette indexes of a frame, decompressed.

use domain::MediaType::Gif;
use weezl::{BitOrder, decode::Decoder};

use super::blocks::Frame;
use crate::decode_error::DecodeError;

/// Most bits of an index that the format allows, and decoders accept.
const MOST_BITS: u8 = 11;

/// Decompresses the blocks of a frame.
pub(super) struct Places<'a> {
    decoder: Decoder,
    /// The rest of the current block.
    block: &'a [u8],
    /// The blocks that follow.
    rest: &'a [u8],
    are_missing: bool,
}

impl<'a> Places<'a> {
    pub(super) fn new(frame: &Frame<'a>) -> Result<Self, DecodeError> {
        if !(1..=MOST_BITS).contains(&frame.bits) {
            return Err(DecodeError::malformed(Gif, "its codes have a wrong length"));
        }
        Ok(Self {
            decoder: Decoder::new(BitOrder::Lsb, frame.bits),
            block: &[],
            rest: frame.data,
            are_missing: frame.data.first() == Some(&0),
        })
    }

    /// Whether the frame ends before it began: it says that it has no data.
    pub(super) fn are_missing(&self) -> bool {
        self.are_missing
    }

    /// Fills a row. Its indexes must all be there.
    pub(super) fn fill(&mut self, row: &mut [u8]) -> Result<(), DecodeError> {
        let mut row = row;
        while !row.is_empty() {
            let is_last = self.block.is_empty() && !self.advance();
            let result = self.decoder.decode_bytes(self.block, row);
            self.block = self.block.get(result.consumed_in..).unwrap_or_default();
            row = row.get_mut(result.consumed_out..).unwrap_or_default();
            if row.is_empty() {
                return Ok(());
            }
            result
                .status
                .map_err(|error| DecodeError::corrupt(Gif, error))?;
            let is_stuck = result.consumed_in == 0 && result.consumed_out == 0;
            if is_stuck && (is_last || self.decoder.has_ended()) {
                return Err(self.missing());
            }
        }
        Ok(())
    }

    /// Goes on to the next block, if there is one.
    fn advance(&mut self) -> bool {
        let Some((length, rest)) = self.rest.split_first() else {
            return false;
        };
        let length = usize::from(*length).min(rest.len());
        (self.block, self.rest) = rest.split_at_checked(length).unwrap_or_default();
        if length == 0 {
            // Nothing follows the empty block.
            self.rest = &[];
        }
        length > 0
    }

    fn missing(&self) -> DecodeError {
        if self.rest.is_empty() && self.block.is_empty() && !self.decoder.has_ended() {
            return DecodeError::Truncated(Gif);
        }
        DecodeError::malformed(Gif, "pixels are missing")
    }
}
