//! How pictures fail to be decoded or encoded.

use thiserror::Error;

use super::Cause;

/// Why a picture was not decoded or encoded.
#[derive(Debug, Clone, Error)]
pub enum CodecError {
    /// The bytes are no picture of a supported format, or a truncated or corrupt one.
    #[error("{reason}")]
    NotAnImage {
        /// What is wrong with the bytes, for the client that sent them.
        reason: String,
    },
    /// The picture has more pixels than the limit.
    #[error("the image has {width} x {height} pixels, more than the {limit} allowed")]
    TooManyPixels {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The most pixels allowed.
        limit: u64,
    },
    /// The bytes are a picture, of a format or a kind that is not read.
    #[error("{reason}")]
    UnsupportedFormat {
        /// The format, as people call it.
        format: String,
        /// What is not read, and what to do, for the client that sent it.
        reason: String,
    },
    /// A side is too long, or decoding would take more memory than there is for pixels.
    #[error("{reason}")]
    TooLarge {
        /// Which bound the picture exceeds, for the client that sent it.
        reason: String,
    },
    /// The picture takes more work than one may cost. Counted, never timed: the same everywhere.
    #[error("the image takes {work} units of work or more, of {limit} allowed")]
    TooComplex {
        /// Units counted until it was refused.
        work: u64,
        /// The most units allowed.
        limit: u64,
    },
    /// Too much work waits already.
    #[error("too many images wait to be decoded")]
    Overloaded,
    /// The work was stopped at its deadline.
    #[error("the image was not decoded in time")]
    TimedOut,
    /// The work was stopped because the caller has gone.
    #[error("the caller has gone")]
    Cancelled,
    /// The codec itself failed.
    #[error("the codec failed")]
    Failed(#[source] Cause),
}
