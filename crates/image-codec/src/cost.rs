//! What a picture costs, for tests and measurements.

use domain::ports::{CallContext, CodecError};

use crate::{DEFAULT_WORK, codec, formats, meter::Meter, decode_error::DecodeError};

/// The most that decoding a picture may take.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Units of work.
    pub work: u64,
    /// Bytes, of what is estimated before.
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

/// What decoding a picture takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Units of work that were counted.
    pub work: u64,
    /// Most memory until the copy is made, beside the file and the copy, in bytes, as it was estimated
    /// before.
    pub memory: u64,
    /// The picture's size as stored.
    pub size: (u32, u32),
}

/// Decodes a picture for a copy whose longest side is at most `max_side`, and says what that cost.
///
/// # Errors
///
/// The picture is refused, also where it takes more than is allowed.
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
