//! Decoding and encoding pictures.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use super::Cause;
use crate::{EncodedPicture, Picture};

/// Decodes uploads, encodes what is sent of them. Work is done off the caller's thread.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait ImageCodec: Send + Sync {
    /// Decodes a JPEG, PNG, WebP, GIF, BMP or TIFF file, told by its content.
    ///
    /// Strict: truncated and corrupt files are errors. EXIF orientation is applied, alpha is laid
    /// over white, of several frames the first is taken. The pixels are those of a copy whose
    /// longest side is at most the codec's own setting; a smaller picture is not enlarged.
    /// The number of pixels is checked before any is decoded.
    async fn decode(&self, bytes: Bytes) -> Result<Picture, CodecError>;

    /// Encodes the downscaled copy as JPEG, without any metadata.
    async fn encode(&self, picture: Arc<Picture>) -> Result<EncodedPicture, CodecError>;
}

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
    /// The codec itself failed.
    #[error("the codec failed")]
    Failed(#[source] Cause),
}
