//! The cost of a picture, for tests and measurements.

use domain::ports::{CallContext, CodecError};

use crate::{DEFAULT_WORK, codec, decode_error::DecodeError, formats, meter::Meter};

/// Limits of decoding a picture.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Units of work.
    pub work: u64,
    /// Bytes, by the estimate.
    pub memory: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            work: DEFAULT_WORK,
            memory: 256 * 1024 * 1024,
        }
    }
}

/// The cost of decoding a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Units of work counted.
    pub work: u64,
    /// Estimated peak memory until the copy is made, excluding the file and the copy, in bytes.
    pub memory: u64,
    /// The picture's size as stored.
    pub size: (u32, u32),
}

/// Decodes a picture for a copy whose longest side is at most `max_side`, and returns the cost.
///
/// # Errors
///
/// The picture is invalid, or exceeds a limit.
pub fn cost(file: &[u8], max_side: u32, allowed: Allowance) -> Result<Cost, CodecError> {
    let meter = Meter::new(allowed.work, None, CallContext::local());
    let header = formats::inspect(file, max_side, &meter)?;
    if header.decode_bytes > allowed.memory {
        let (needed, limit) = (header.decode_bytes, allowed.memory);
        return Err(DecodeError::TooMuchMemory { needed, limit }.into());
    }
    codec::decode(file, &header, max_side, &meter)?;
    Ok(Cost {
        work: meter.spent(),
        memory: header.decode_bytes,
        size: (header.width, header.height),
    })
}
