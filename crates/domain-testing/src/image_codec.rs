//! The in-memory [`ImageCodec`].

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;

use domain::{
    EncodedPicture, Lease, MediaType, Picture,
    ports::{CallContext, CodecError, ImageCodec},
};

/// What every fake picture begins with; its size and a colon follow, then whatever one likes.
/// Sniffing finds a picture in it.
const MAGIC: &str = "II*\0";

/// A codec that takes bytes such as `II*\0640x480:anything` as a JPEG of 640 x 480 black pixels, and
/// nothing else as a picture. It counts what it is asked for.
#[derive(Debug)]
pub struct FakeImageCodec {
    max_side: u32,
    max_pixels: u64,
    decodes: AtomicUsize,
    encodes: AtomicUsize,
}

impl Default for FakeImageCodec {
    /// Copies of 16 pixels at most on a side, originals of 100 million pixels at most.
    fn default() -> Self {
        Self::new(16, 100_000_000)
    }
}

impl FakeImageCodec {
    /// A codec with those limits: longest side of the copy, pixels of the original.
    pub fn new(max_side: u32, max_pixels: u64) -> Self {
        Self {
            max_side,
            max_pixels,
            decodes: AtomicUsize::new(0),
            encodes: AtomicUsize::new(0),
        }
    }

    /// The bytes of a picture that this codec decodes. Another content makes another picture.
    pub fn picture(width: u32, height: u32, content: &str) -> Bytes {
        format!("{MAGIC}{width}x{height}:{content}").into()
    }

    /// How many decodes were asked for, those that failed included.
    pub fn decodes(&self) -> usize {
        self.decodes.load(Ordering::SeqCst)
    }

    /// How many encodes were asked for.
    pub fn encodes(&self) -> usize {
        self.encodes.load(Ordering::SeqCst)
    }

    fn scaled(&self, width: u32, height: u32) -> (u32, u32) {
        let longest = u64::from(width.max(height));
        let scale = |side: u32| {
            if longest <= u64::from(self.max_side) {
                return side;
            }
            let scaled = u64::from(side) * u64::from(self.max_side) / longest;
            u32::try_from(scaled).expect("smaller than it was").max(1)
        };
        (scale(width), scale(height))
    }
}

#[async_trait]
impl ImageCodec for FakeImageCodec {
    async fn decode(&self, bytes: Bytes, _: &CallContext) -> Result<Picture, CodecError> {
        self.decodes.fetch_add(1, Ordering::SeqCst);
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
        let (scaled_width, scaled_height) = self.scaled(width, height);
        Ok(Picture {
            media_type: MediaType::Jpeg,
            width,
            height,
            scaled_width,
            scaled_height,
            pixels: vec![0; scaled_width as usize * scaled_height as usize * 3],
            as_uploaded: None,
            lease: Lease::default(),
        })
    }

    async fn encode(
        &self,
        picture: Arc<Picture>,
        _: &CallContext,
    ) -> Result<EncodedPicture, CodecError> {
        self.encodes.fetch_add(1, Ordering::SeqCst);
        Ok(EncodedPicture {
            media_type: MediaType::Jpeg,
            bytes: Self::picture(picture.scaled_width, picture.scaled_height, "copy"),
        })
    }
}

/// The size that the bytes of a fake picture name.
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
            max_side: 16,
            whole: vec![sample(640, 480), sample(1, 10_000), sample(1, 1)],
            broken: vec!["II*\x00640x48".into(), "II*\x000x1:".into()],
            oversized: vec![FakeImageCodec::picture(100_000, 100_000, "")],
        };
        suite(&FakeImageCodec::default(), &samples).await;
    }
}
