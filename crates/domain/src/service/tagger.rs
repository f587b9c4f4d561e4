//! Tagging a picture, without keeping anything of it.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    ContentDigest, EncodedPicture, Picture, TaggingKey, Tags,
    ports::{
        BlobHost, CallContext, CodecError, HostedBlob, ImageAccess, ImageCodec, ReleaseQueue,
        TagProvider, TagSource, UpstreamError, cause,
    },
};

/// What a tagger works with.
#[derive(Clone)]
pub struct TaggerPorts {
    /// Decodes pictures, and encodes what is sent of them.
    pub codec: Arc<dyn ImageCodec>,
    /// Tags them.
    pub provider: Arc<dyn TagProvider>,
    /// Gives them a public URL; needed only by a provider that wants one.
    pub host: Option<Arc<dyn BlobHost>>,
    /// Takes hosted blobs back.
    pub releases: Arc<dyn ReleaseQueue>,
}

/// Why a picture was not tagged.
#[derive(Debug, Clone, Error)]
pub enum TaggerError {
    /// The bytes are no picture that can be taken.
    #[error(transparent)]
    Picture(#[from] CodecError),
    /// The provider, or the blob host it needs, failed.
    #[error("tagging failed")]
    Provider(#[from] UpstreamError),
}

/// Tags pictures: gives the provider each in the form it wants.
#[derive(Clone)]
pub struct Tagger {
    ports: TaggerPorts,
    max_side: u32,
}

impl Tagger {
    /// Puts the service together. `max_side` is the longest side in pixels of the copy that leaves
    /// the house, and must be the codec's own setting if any does; 0 sends the original.
    pub fn new(ports: TaggerPorts, max_side: u32) -> Self {
        Self { ports, max_side }
    }

    /// What names the answer for these bytes.
    pub fn key(&self, digest: ContentDigest) -> TaggingKey {
        let provider = &self.ports.provider;
        let max_side = match provider.wants() {
            ImageAccess::Pixels => 0,
            ImageAccess::Bytes | ImageAccess::PublicUrl => self.max_side,
        };
        TaggingKey {
            digest,
            provider: provider.identity().clone(),
            max_side,
        }
    }

    /// Decodes and tags a picture file: everything the provider finds, whatever the confidence.
    pub async fn tag_file(&self, bytes: Bytes) -> Result<Tags, TaggerError> {
        let digest = ContentDigest::of(&bytes);
        let context = CallContext::local();
        let picture = self.decode(bytes.clone(), &context).await?;
        self.tag(&digest, picture, bytes, &context).await
    }

    pub(super) async fn decode(
        &self,
        bytes: Bytes,
        context: &CallContext,
    ) -> Result<Picture, TaggerError> {
        Ok(self.ports.codec.decode(bytes, context).await?)
    }

    pub(super) async fn tag(
        &self,
        digest: &ContentDigest,
        picture: Picture,
        original: Bytes,
        context: &CallContext,
    ) -> Result<Tags, TaggerError> {
        let provider = &self.ports.provider;
        let source = match provider.wants() {
            ImageAccess::Pixels => TagSource::Pixels(Arc::new(picture)),
            ImageAccess::Bytes => TagSource::Bytes(self.copy(picture, original, context).await?),
            ImageAccess::PublicUrl => {
                let copy = self.copy(picture, original, context).await?;
                return Ok(self.tag_by_url(digest, copy, context).await?);
            }
        };
        Ok(provider.tag(&source, context).await?)
    }

    /// What leaves the house: the downscaled copy, or the original where that is wanted.
    async fn copy(
        &self,
        picture: Picture,
        original: Bytes,
        context: &CallContext,
    ) -> Result<EncodedPicture, CodecError> {
        if self.max_side == 0 {
            return Ok(EncodedPicture {
                media_type: picture.media_type,
                bytes: original,
            });
        }
        self.ports.codec.encode(Arc::new(picture), context).await
    }

    async fn tag_by_url(
        &self,
        digest: &ContentDigest,
        copy: EncodedPicture,
        context: &CallContext,
    ) -> Result<Tags, UpstreamError> {
        let Some(host) = &self.ports.host else {
            let why = "the provider wants a URL, and no blob host is set";
            return Err(UpstreamError::Refused(cause(why)));
        };
        let name = digest.to_string();
        let blob = host.host(&copy, &name, context).await?;
        drop(copy);
        let hosted = Hosted {
            blob,
            releases: &*self.ports.releases,
        };
        let source = TagSource::PublicUrl(hosted.blob.url.clone());
        self.ports.provider.tag(&source, context).await
    }
}

/// A hosted blob that is handed to the release queue whatever happens.
struct Hosted<'a> {
    blob: HostedBlob,
    releases: &'a dyn ReleaseQueue,
}

impl Drop for Hosted<'_> {
    fn drop(&mut self) {
        self.releases.release_later(self.blob.clone());
    }
}
