//! The picture that a tag provider pulls.

use std::{num::NonZeroU32, sync::Arc};

use async_trait::async_trait;

use super::UpstreamError;
use crate::{DecodedPicture, EncodedPicture};

/// One picture, in whichever form a tag provider pulls it.
///
/// A form is made on the first pull and cached: a later pull of the same form and size, such as that of a
/// retry, gets the same one. A source belongs to one call, and makes nothing more once its caller has gone.
///
/// # Errors
/// [`UpstreamError::Picture`] if the picture cannot be decoded or encoded, and the errors of the blob host.
#[async_trait]
pub trait PictureSource: Send + Sync {
    /// The pixels of a copy whose longest side is at most `side` pixels; a smaller picture is not enlarged.
    async fn pixels(&self, side: NonZeroU32) -> Result<Arc<DecodedPicture>, UpstreamError>;

    /// A JPEG file without metadata whose longest side is at most `side` pixels. A `side` of 0 is the
    /// uploaded file, of whatever type.
    async fn jpeg(&self, side: u32) -> Result<EncodedPicture, UpstreamError>;

    /// A public URL of the file that [`jpeg`](Self::jpeg) returns, valid while this source lives.
    ///
    /// # Errors
    /// [`UpstreamError::Refused`] without a blob host.
    async fn public_url(&self, side: u32) -> Result<String, UpstreamError>;
}
