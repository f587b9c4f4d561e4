//! Reads the structure of a file.

use domain::MediaType;

use crate::decode_error::DecodeError;

/// A position in a file. Reading past the end means that the file is truncated.
#[derive(Debug, Clone)]
pub(crate) struct ByteReader<'a> {
    bytes: &'a [u8],
    position: usize,
    media_type: MediaType,
}

impl<'a> ByteReader<'a> {
    /// Starts at the first byte.
    pub(crate) fn new(media_type: MediaType, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            media_type,
        }
    }

    /// How many bytes have been consumed.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// Consumes that many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.rest().get(..count);
        let taken = taken.ok_or(DecodeError::Truncated(self.media_type))?;
        self.position += count;
        Ok(taken)
    }

    /// Consumes a number of bytes given in 32 bits.
    pub(crate) fn take_u32(&mut self, count: u32) -> Result<&'a [u8], DecodeError> {
        let count = usize::try_from(count).map_err(|_| DecodeError::Truncated(self.media_type))?;
        self.take(count)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| DecodeError::Truncated(self.media_type))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16_be(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u16_le(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u24_le(&mut self) -> Result<u32, DecodeError> {
        let [low, middle, high] = self.array()?;
        Ok(u32::from_le_bytes([low, middle, high, 0]))
    }

    pub(crate) fn u32_be(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u32_le(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }
}
