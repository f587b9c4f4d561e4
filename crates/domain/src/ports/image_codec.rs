//! Decoding and encoding of pictures.

use std::{num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{CallContext, CodecError};
use crate::{CameraData, DecodedPicture, EncodedPicture};

/// Decodes uploads, and encodes the copies sent upstream. Work runs off the caller's thread.
///
/// Work is queued, and scheduled fairly between the clients of its calls. A call whose caller has gone
/// fails with [`CodecError::Cancelled`], whether it is queued or running.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageCodec: Send + Sync {
    /// Decodes a JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC file, detected by its content.
    ///
    /// Strict: truncated and corrupt files are errors. EXIF orientation is applied, alpha is blended over
    /// white, and of several frames the first is taken. The pixels are those of a copy whose longest side
    /// is at most `side` pixels; a smaller picture is not enlarged. The number of pixels is checked before
    /// any is decoded.
    ///
    /// The copy comes with its perceptual hash, unless the picture has too little structure for one. The hash
    /// hardly depends on the size of the copy.
    async fn decode(
        &self,
        bytes: Bytes,
        side: NonZeroU32,
        context: &CallContext,
    ) -> Result<DecodedPicture, CodecError>;

    /// Encodes the downscaled copy as JPEG, without metadata.
    async fn encode(
        &self,
        picture: Arc<DecodedPicture>,
        context: &CallContext,
    ) -> Result<EncodedPicture, CodecError>;

    /// Makes a rendition of a file: a JPEG without any metadata, decoded as [`decode`](Self::decode) does, its
    /// embedded colour profile converted to sRGB. A profile that cannot be read, or is none of RGB colours, is
    /// ignored.
    async fn render(
        &self,
        bytes: Bytes,
        side: NonZeroU32,
        context: &CallContext,
    ) -> Result<EncodedPicture, CodecError>;

    /// What a camera wrote into a file that can be decoded. Only a bounded part of it is looked at, so that
    /// this takes no turn and blocks for a fraction of a millisecond. What cannot be read is unknown.
    fn camera_data(&self, file: &[u8]) -> CameraData;
}
