//! Errors of decoding and encoding pictures.

use thiserror::Error;

use super::Cause;

/// Why a picture was not decoded or encoded.
#[derive(Debug, Clone, Error)]
pub enum CodecError {
    /// The bytes are not a picture of a supported format, or a truncated or corrupt one.
    #[error("{reason}")]
    NotAnImage {
        /// What is wrong with the bytes; shown to the client.
        reason: String,
    },
    /// The picture has more pixels than the limit.
    #[error("the image has {width} x {height} pixels, more than the {limit} allowed")]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The most pixels allowed, width × height.
        limit: u64,
    },
    /// The bytes are a picture of an unsupported format or variant.
    #[error("{reason}")]
    UnsupportedFormat {
        /// The common name of the format.
        format: String,
        /// What is not supported, and what to do; shown to the client.
        reason: String,
    },
    /// A side is too long, or decoding would need more memory than the pixel budget has.
    #[error("{reason}")]
    TooLarge {
        /// Which bound is exceeded; shown to the client.
        reason: String,
    },
    /// Decoding costs more work than one picture may. Work is counted, not timed, so the limit is
    /// deterministic.
    #[error("the image takes {work} units of work or more, of {limit} allowed")]
    TooComplex {
        /// Units counted until the picture was refused.
        work: u64,
        /// The most units of work allowed.
        limit: u64,
    },
    /// The queue of the codec is full.
    #[error("too many images wait to be decoded")]
    Overloaded,
    /// The deadline passed before the work was done.
    #[error("the image was not decoded in time")]
    TimedOut,
    /// The caller has gone, so the work was stopped.
    #[error("the caller has gone")]
    Cancelled,
    /// The codec itself failed: a bug, not the picture.
    #[error("the codec failed")]
    Failed(#[source] Cause),
}
