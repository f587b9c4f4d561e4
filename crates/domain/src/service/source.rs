//! The picture source of a file.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::lock::Mutex;

use crate::{
    ContentDigest, DecodedPicture, EncodedPicture, ImageFacts, PerceptualHash,
    ports::{
        BlobHost, CallContext, CodecError, HostedBlob, ImageCodec, PictureSource, ReleaseQueue,
        UpstreamError, cause,
    },
};

/// Longest side of the copy that is decoded if no other is needed, to verify that the file is a picture.
/// Small, so that it takes little memory, and large JPEGs can be decoded at a reduced scale.
const PROBE_SIDE: NonZeroU32 = NonZeroU32::MIN.saturating_add(511);

/// The ports of a source.
#[derive(Clone)]
pub(super) struct SourcePorts {
    pub(super) codec: Arc<dyn ImageCodec>,
    pub(super) host: Option<Arc<dyn BlobHost>>,
    pub(super) releases: Arc<dyn ReleaseQueue>,
}

/// The picture file of one call. Blobs that it hosted are queued for release on drop.
pub(super) struct FileSource {
    ports: SourcePorts,
    digest: ContentDigest,
    file: Bytes,
    context: CallContext,
    made: Mutex<Made>,
}

/// What is known of a picture once it has been decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoded {
    pub(super) facts: ImageFacts,
    /// `None` if the picture has too little structure for one.
    pub(super) hash: Option<PerceptualHash>,
}

/// The forms made so far.
#[derive(Default)]
struct Made {
    decoded: Option<Decoded>,
    pixels: HashMap<NonZeroU32, Arc<DecodedPicture>>,
    files: HashMap<u32, EncodedPicture>,
    hosted: HashMap<u32, HostedBlob>,
}

impl FileSource {
    pub(super) fn new(
        ports: SourcePorts,
        digest: ContentDigest,
        file: Bytes,
        context: CallContext,
    ) -> Self {
        Self {
            ports,
            digest,
            file,
            context,
            made: Mutex::default(),
        }
    }

    /// The facts of the picture, and its hash; decodes it unless that was done before.
    pub(super) async fn decoded(&self) -> Result<Decoded, CodecError> {
        self.decoded_of(&mut *self.made.lock().await).await
    }

    async fn decoded_of(&self, made: &mut Made) -> Result<Decoded, CodecError> {
        if made.decoded.is_none() {
            self.decode(made, PROBE_SIDE).await?;
        }
        made.decoded
            .ok_or_else(|| CodecError::Failed(cause("no facts")))
    }

    /// Decodes a copy of that size, unless it exists. The new pixels are not cached.
    async fn decode(
        &self,
        made: &mut Made,
        side: NonZeroU32,
    ) -> Result<Arc<DecodedPicture>, CodecError> {
        if let Some(pixels) = made.pixels.get(&side) {
            return Ok(Arc::clone(pixels));
        }
        let file = self.file.clone();
        let picture = self.ports.codec.decode(file, side, &self.context).await?;
        made.decoded = Some(Decoded {
            facts: ImageFacts {
                media_type: picture.media_type,
                width: picture.width,
                height: picture.height,
                byte_size: self.file.len() as u64,
            },
            hash: picture.hash(),
        });
        Ok(Arc::new(picture))
    }

    /// Encodes a copy of that size, unless it exists. Neither the file nor its pixels are cached: pixels
    /// are the most memory that a picture takes.
    async fn encode(&self, made: &mut Made, side: u32) -> Result<EncodedPicture, CodecError> {
        if let Some(file) = made.files.get(&side) {
            return Ok(file.clone());
        }
        let Some(side) = NonZeroU32::new(side) else {
            return Ok(EncodedPicture {
                media_type: self.decoded_of(made).await?.facts.media_type,
                bytes: self.file.clone(),
            });
        };
        let picture = self.decode(made, side).await?;
        self.ports.codec.encode(picture, &self.context).await
    }
}

#[async_trait]
impl PictureSource for FileSource {
    async fn pixels(&self, side: NonZeroU32) -> Result<Arc<DecodedPicture>, UpstreamError> {
        let mut made = self.made.lock().await;
        let picture = self.decode(&mut made, side).await?;
        made.pixels.insert(side, Arc::clone(&picture));
        Ok(picture)
    }

    async fn jpeg(&self, side: u32) -> Result<EncodedPicture, UpstreamError> {
        let mut made = self.made.lock().await;
        let file = self.encode(&mut made, side).await?;
        made.files.insert(side, file.clone());
        Ok(file)
    }

    async fn public_url(&self, side: u32) -> Result<String, UpstreamError> {
        let mut made = self.made.lock().await;
        if let Some(blob) = made.hosted.get(&side) {
            return Ok(blob.url.clone());
        }
        let file = self.encode(&mut made, side).await?;
        let Some(host) = &self.ports.host else {
            let why = "the provider wants a URL, and no blob host is set";
            return Err(UpstreamError::Refused(cause(why)));
        };
        let name = self.digest.to_string();
        let blob = host.host(&file, &name, &self.context).await?;
        let url = blob.url.clone();
        made.hosted.insert(side, blob);
        Ok(url)
    }
}

impl Drop for FileSource {
    fn drop(&mut self) {
        for (_, blob) in self.made.get_mut().hosted.drain() {
            self.ports.releases.release_later(blob);
        }
    }
}
