//! The codec: bounds on processor and memory around the work.

use std::{num::NonZeroUsize, sync::Arc, thread};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    EncodedPicture, Lease, MediaType, Picture,
    ports::{CodecError, ImageCodec, Interest, cause},
};
use image::metadata::Orientation;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    budget::Budget,
    formats::{self, Header},
    meter::Meter,
    raster::buffer_size,
    refusal::Refusal,
    scale::{downscale, fit, upright, upright_size},
};

/// Longest side of the copy when nothing is sent downscaled: enough for a tagger that looks at the
/// pixels itself, little to hold in memory.
const SIDE_WHEN_NOTHING_IS_SENT: u32 = 512;

/// How a [`PictureCodec`] works.
#[derive(Debug, Clone, Copy)]
pub struct CodecSettings {
    /// Longest side of the downscaled copy in pixels, at most 65535. 0 means that originals are sent as they are;
    /// the copy, which is only looked at then, has 512.
    pub max_side: u32,
    /// Most pixels of an original, width times height.
    pub max_pixels: u64,
    /// Memory for the pixels of all pictures being decoded or still held, in bytes. Who finds none
    /// left waits in turn; a picture that needs more than all of it is decoded alone.
    pub pixel_budget_bytes: u64,
    /// How many pictures are worked on at a time; 0 means as many as there are processor cores.
    pub jobs: usize,
    /// Quality of encoded copies, from 1 to 100.
    pub jpeg_quality: u8,
}

impl Default for CodecSettings {
    fn default() -> Self {
        Self {
            max_side: 1024,
            max_pixels: 100_000_000,
            pixel_budget_bytes: 256 * 1024 * 1024,
            jobs: 0,
            jpeg_quality: 85,
        }
    }
}

/// Decodes and encodes pictures on threads of their own.
///
/// Work that was begun goes on when nobody waits for it any more, and takes up its place until it
/// ends. A decode waits first for its share of the memory, then for its turn; an encode only for its
/// turn. So pictures that are held can always be encoded and dropped, and nothing waits in a circle.
#[derive(Debug)]
pub struct PictureCodec {
    settings: CodecSettings,
    turns: Arc<Semaphore>,
    budget: Budget,
}

impl PictureCodec {
    /// A codec with those settings.
    pub fn new(settings: CodecSettings) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let jobs = if settings.jobs == 0 {
            cores
        } else {
            settings.jobs
        };
        Self {
            turns: Arc::new(Semaphore::new(jobs.min(Semaphore::MAX_PERMITS))),
            budget: Budget::new(settings.pixel_budget_bytes),
            settings,
        }
    }

    fn copy_side(&self) -> u32 {
        match self.settings.max_side {
            0 => SIDE_WHEN_NOTHING_IS_SENT,
            side => side,
        }
    }

    /// Does work in its turn.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, CodecError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|closed| CodecError::Failed(cause(closed)))?;
        off_thread(Some(turn), work).await
    }

    /// Memory that a picture takes while it is decoded, and after, in bytes.
    fn costs(&self, header: &Header) -> (u64, u64) {
        let (width, height) = fit(header.width, header.height, self.copy_side());
        let copy = buffer_size(width, height, 3);
        // Resizing keeps rows of the copy's width and the decoded height; turning makes a copy.
        let rows = buffer_size(width, header.decoded_size().1, 3);
        (header.decode_bytes.saturating_add(rows + 2 * copy), copy)
    }

    fn check_pixels(&self, header: &Header) -> Result<(), Refusal> {
        let (width, height) = upright_size(header.width, header.height, header.orientation);
        if buffer_size(width, height, 1) > self.settings.max_pixels {
            return Err(Refusal::TooManyPixels {
                width,
                height,
                limit: self.settings.max_pixels,
            });
        }
        Ok(())
    }
}

#[async_trait]
impl ImageCodec for PictureCodec {
    async fn decode(&self, bytes: Bytes) -> Result<Picture, CodecError> {
        let (file, max_side) = (bytes.clone(), self.copy_side());
        // Walking through a file is short work; it does not wait for long ones.
        let meter = Meter::new(u64::MAX, None, Interest::lasting());
        let inspecting = meter.clone();
        let inspect = move || formats::inspect(&file, max_side, &inspecting);
        let header = off_thread(None, inspect).await?;
        self.check_pixels(&header)?;
        let (decoding, held) = self.costs(&header);
        let mut share = self.budget.take(decoding).await?;
        self.in_turn(move || {
            let mut picture = decode(&bytes, &header, max_side, &meter)?;
            share.shrink(held);
            picture.lease = Lease::new(share);
            picture.as_uploaded = is_as_shown(&header, &picture).then_some(bytes);
            Ok(picture)
        })
        .await
    }

    async fn encode(&self, picture: Arc<Picture>) -> Result<EncodedPicture, CodecError> {
        let quality = self.settings.jpeg_quality;
        self.in_turn(move || encode(&picture, quality)).await
    }
}

/// Does work on a thread that may block. A panic in it becomes an error.
async fn off_thread<T: Send + 'static>(
    turn: Option<OwnedSemaphorePermit>,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, CodecError> {
    let work = move || {
        let _turn = turn;
        work()
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panicked| CodecError::Failed(cause(panicked)))?
        .map_err(CodecError::from)
}

/// Makes the copy of a file that has been inspected.
pub(crate) fn decode(
    bytes: &[u8],
    header: &Header,
    max_side: u32,
    meter: &Meter,
) -> Result<Picture, Refusal> {
    let raster = formats::decode(bytes, header, meter)?;
    let size = fit(header.width, header.height, max_side);
    let copy = downscale(raster, size, header.decoded_extent())?;
    let copy = upright(copy, header.orientation)?;
    let (width, height) = upright_size(header.width, header.height, header.orientation);
    Ok(Picture {
        media_type: header.media_type,
        width,
        height,
        scaled_width: copy.width(),
        scaled_height: copy.height(),
        pixels: copy.into_raw(),
        as_uploaded: None,
        lease: Lease::default(),
    })
}

/// Whether the copy has the very pixels of the file, neither scaled nor turned.
fn is_as_shown(header: &Header, picture: &Picture) -> bool {
    let size = (picture.scaled_width, picture.scaled_height);
    header.orientation == Orientation::NoTransforms && size == (header.width, header.height)
}

/// The upload without its metadata, where that is a JPEG of a reasonable size.
fn bare(picture: &Picture) -> Option<Vec<u8>> {
    if picture.media_type != MediaType::Jpeg {
        return None;
    }
    let bare = formats::without_metadata(picture.as_uploaded.as_deref()?)?;
    (bare.len() <= picture.pixels.len()).then_some(bare)
}

fn encode(picture: &Picture, quality: u8) -> Result<EncodedPicture, Refusal> {
    if let Some(bytes) = bare(picture) {
        return Ok(EncodedPicture {
            media_type: MediaType::Jpeg,
            bytes: bytes.into(),
        });
    }
    let side = |side: u32| u16::try_from(side).map_err(|error| Refusal::Failed(error.into()));
    let (width, height) = (side(picture.scaled_width)?, side(picture.scaled_height)?);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(&picture.pixels, width, height, ColorType::Rgb)
        .map_err(|error| Refusal::Failed(error.into()))?;
    Ok(EncodedPicture {
        media_type: MediaType::Jpeg,
        bytes: file.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        let work = || -> Result<(), Refusal> { panic!("a decoder's bug") };
        let codec = PictureCodec::new(CodecSettings::default());
        let failed = codec.in_turn(work).await;
        assert!(matches!(failed, Err(CodecError::Failed(_))), "{failed:?}");
        assert!(codec.in_turn(|| Ok(())).await.is_ok(), "its turn is over");
    }
}
