//! The in-memory [`ImageCodec`].

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;

use domain::{
    CameraData, ContentDigest, DecodedPicture, EncodedPicture, MediaType, PerceptualHash, Picture,
    ports::{CallContext, CodecError, ImageCodec},
};

/// The prefix of every fake picture, followed by its size, a colon and arbitrary bytes. Sniffing detects a
/// TIFF.
const MAGIC: &str = "II*\0";

/// The hash of a fake picture: that of its content, whatever its size. A content such as `car~3` has the hash of `car`
/// but for three bits; `blank` has none.
fn hash(picture: &[u8]) -> Option<PerceptualHash> {
    let text = String::from_utf8_lossy(picture);
    let (_, content) = text.split_once(':')?;
    let (content, differing) = content.split_once('~').unwrap_or((content, "0"));
    let differing: u32 = differing.parse().unwrap_or_default();
    let digest = ContentDigest::of(content.as_bytes());
    let first = digest.as_bytes().first_chunk().copied();
    let flipped = u64::MAX.checked_shr(64 - differing.min(64)).unwrap_or(0);
    (content != "blank").then(|| PerceptualHash(first.map_or(0, u64::from_be_bytes) ^ flipped))
}

/// A codec that decodes bytes such as `II*\0640x480:anything` as a JPEG of 640 x 480 black pixels, and
/// nothing else. It counts its calls.
#[derive(Debug)]
pub struct FakeImageCodec {
    max_pixels: u64,
    camera: CameraData,
    decodes: Mutex<Vec<NonZeroU32>>,
    encodes: AtomicUsize,
}

impl Default for FakeImageCodec {
    /// Allows originals of up to 100 million pixels.
    fn default() -> Self {
        Self::new(100_000_000)
    }
}

impl FakeImageCodec {
    /// A codec that decodes originals of at most that many pixels.
    pub fn new(max_pixels: u64) -> Self {
        Self {
            max_pixels,
            camera: CameraData::default(),
            decodes: Mutex::default(),
            encodes: AtomicUsize::new(0),
        }
    }

    /// The same codec, for which that camera took every picture.
    #[must_use]
    pub fn with_camera(self, camera: CameraData) -> Self {
        Self { camera, ..self }
    }

    /// The bytes of a picture that this codec decodes. Other content makes another picture.
    pub fn picture(width: u32, height: u32, content: &str) -> Bytes {
        format!("{MAGIC}{width}x{height}:{content}").into()
    }

    /// How many decodes were requested, failed ones included.
    pub fn decodes(&self) -> usize {
        self.sides().len()
    }

    /// The sides of the decodes requested, in order.
    pub fn sides(&self) -> Vec<NonZeroU32> {
        let sides = self.decodes.lock();
        sides.expect("no test panicked holding the codec").clone()
    }

    /// How many encodes were requested.
    pub fn encodes(&self) -> usize {
        self.encodes.load(Ordering::SeqCst)
    }
}

/// The size of a copy whose longest side is at most `side`.
fn scaled(width: u32, height: u32, side: NonZeroU32) -> (u32, u32) {
    let (longest, side) = (u64::from(width.max(height)), u64::from(side.get()));
    let scale = |length: u32| {
        let scaled = u64::from(length) * side.min(longest) / longest;
        u32::try_from(scaled).expect("no larger than it was").max(1)
    };
    (scale(width), scale(height))
}

#[async_trait]
impl ImageCodec for FakeImageCodec {
    async fn decode(
        &self,
        bytes: Bytes,
        side: NonZeroU32,
        _: &CallContext,
    ) -> Result<DecodedPicture, CodecError> {
        let decodes = self.decodes.lock();
        decodes
            .expect("no test panicked holding the codec")
            .push(side);
        let (width, height) = size(&bytes).ok_or_else(|| CodecError::NotAnImage {
            reason: "not a fake picture".to_owned(),
        })?;
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(CodecError::TooManyPixels {
                width,
                height,
                limit: self.max_pixels,
            });
        }
        let (scaled_width, scaled_height) = scaled(width, height, side);
        let picture = Picture {
            media_type: MediaType::Jpeg,
            width,
            height,
            scaled_width,
            scaled_height,
            pixels: vec![0; scaled_width as usize * scaled_height as usize * 3],
            as_uploaded: None,
        };
        Ok(DecodedPicture::from(picture).with_hash(hash(&bytes)))
    }

    async fn encode(
        &self,
        picture: Arc<DecodedPicture>,
        _: &CallContext,
    ) -> Result<EncodedPicture, CodecError> {
        self.encodes.fetch_add(1, Ordering::SeqCst);
        Ok(EncodedPicture {
            media_type: MediaType::Jpeg,
            bytes: Self::picture(picture.scaled_width, picture.scaled_height, "copy"),
        })
    }

    async fn render(
        &self,
        bytes: Bytes,
        side: NonZeroU32,
        context: &CallContext,
    ) -> Result<EncodedPicture, CodecError> {
        let picture = self.decode(bytes, side, context).await?;
        self.encode(Arc::new(picture), context).await
    }

    fn camera_data(&self, _: &[u8]) -> CameraData {
        self.camera.clone()
    }
}

/// The size named in the bytes of a fake picture.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let rest = bytes.strip_prefix(MAGIC.as_bytes())?;
    let end = rest.iter().position(|&byte| byte == b':')?;
    let (width, height) = std::str::from_utf8(&rest[..end]).ok()?.split_once('x')?;
    let side = |text: &str| text.parse().ok().filter(|&side| side > 0);
    Some((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::image_codec::{Sample, Samples, suite};

    #[tokio::test]
    async fn keeps_the_contract() {
        let sample = |width, height| Sample {
            bytes: FakeImageCodec::picture(width, height, ""),
            media_type: MediaType::Jpeg,
            width,
            height,
        };
        let samples = Samples {
            side: NonZeroU32::new(16).unwrap(),
            whole: vec![sample(640, 480), sample(1, 10_000), sample(1, 1)],
            broken: vec!["II*\x00640x48".into(), "II*\x000x1:".into()],
            oversized: vec![FakeImageCodec::picture(100_000, 100_000, "")],
        };
        suite(&FakeImageCodec::default(), &samples).await;
    }
}
