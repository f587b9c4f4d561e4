//! The codec: limits of processor time and memory around the work.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread,
    time::Instant,
};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    CameraData, DecodedPicture, EncodedPicture, Lease, MediaType, Picture,
    ports::{CallContext, CodecError, ImageCodec, cause},
};
use image::metadata::Orientation;
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use crate::{
    budget::WorkBudget,
    camera,
    decode_error::DecodeError,
    formats::{self, Header},
    hash,
    meter::Meter,
    profile,
    queue::{Demand, MemoryShare, QueueRules, Turn, Turns},
    raster::buffer_size,
    scale::{downscale, fit, upright, upright_size},
    settings::CodecSettings,
    work,
};

/// Work is cheap up to the work limit of a picture divided by this.
const CHEAP_PART: u64 = 10;

/// The capacity of the queue, inspections included.
const MAX_WAITING: usize = 1024;

/// Decodes and encodes pictures on threads of its own.
///
/// A picture takes two turns: one for inspection, which computes the cost of decoding, and one for
/// decoding, together with its memory. Turns are scheduled fairly between the callers' clients, and cheap
/// work does not wait for expensive work; see the module `queue`. Work stops at its limits, at its
/// deadline, and once its caller has gone or its future is dropped.
#[derive(Debug)]
pub struct PictureCodec {
    settings: CodecSettings,
    turns: Turns,
}

/// What a codec takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecUsage {
    /// Bytes of memory reserved for pixels.
    pub pixel_bytes: u64,
    /// The most that can be reserved.
    pub pixel_bytes_limit: u64,
    /// How much work waits for its turn.
    pub waiting: usize,
}

impl PictureCodec {
    /// A codec with these settings.
    pub fn new(settings: CodecSettings) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let rules = QueueRules {
            turns: if settings.jobs == 0 {
                cores
            } else {
                settings.jobs
            },
            memory: settings.pixel_bytes,
            cheap: settings.max_work / CHEAP_PART,
            overtake_limit: settings.max_work,
            waiting: MAX_WAITING,
        };
        Self {
            turns: Turns::new(rules),
            settings,
        }
    }

    /// What it takes now.
    pub fn usage(&self) -> CodecUsage {
        let (pixel_bytes, waiting) = self.turns.usage();
        CodecUsage {
            pixel_bytes,
            pixel_bytes_limit: self.turns.memory(),
            waiting,
        }
    }

    /// Detects the format of a file, and what is left of its budget.
    async fn inspect(
        &self,
        file: Bytes,
        max_side: u32,
        context: &CallContext,
    ) -> Result<(Header, WorkBudget), CodecError> {
        let demand = Demand {
            client: context.client(),
            cost: work::FILE_BYTE.units(file.len() as u64),
            bytes: 0,
        };
        let budget = WorkBudget::new(&self.settings, context.clone());
        let inspect = move |turn: &mut Turn, _| {
            let (began, meter) = (Instant::now(), budget.meter()?);
            let inspected = formats::inspect(&file, max_side, &meter);
            turn.note(meter.spent());
            Ok((inspected?, budget.after(&meter, began)))
        };
        self.in_turn(demand, context, inspect).await
    }

    /// Runs work in its turn, with its share of the memory.
    async fn in_turn<T: Send + 'static>(
        &self,
        demand: Demand,
        context: &CallContext,
        work: impl FnOnce(&mut Turn, MemoryShare) -> Result<T, DecodeError> + Send + 'static,
    ) -> Result<T, CodecError> {
        let (mut turn, share) = self.turns.take(demand, context).await?;
        let done = tokio::task::spawn_blocking(move || work(&mut turn, share)).await;
        done.map_err(|panicked| CodecError::Failed(cause(panicked)))?
            .map_err(CodecError::from)
    }

    /// Rejects what is known to be too expensive.
    fn check(&self, header: &Header, needed: u64, budget: &WorkBudget) -> Result<(), DecodeError> {
        self.check_pixels(header)?;
        let limit = self.turns.memory();
        if needed > limit {
            return Err(DecodeError::TooMuchMemory { needed, limit });
        }
        budget.check(header.work)
    }

    fn check_pixels(&self, header: &Header) -> Result<(), DecodeError> {
        let (width, height) = upright_size(header.width, header.height, header.orientation);
        if buffer_size(width, height, 1) > self.settings.max_pixels {
            return Err(DecodeError::TooManyPixels {
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
    async fn decode(
        &self,
        bytes: Bytes,
        side: NonZeroU32,
        context: &CallContext,
    ) -> Result<DecodedPicture, CodecError> {
        let max_side = side.get();
        // Work also stops when this future is dropped.
        let waiting = Arc::new(());
        let context = context.clone().while_held(&waiting);
        let (header, budget) = self.inspect(bytes.clone(), max_side, &context).await?;
        let (decoding, held) = memory(&header, max_side);
        self.check(&header, decoding, &budget)?;
        let demand = Demand {
            client: context.client(),
            cost: header.work,
            bytes: decoding,
        };
        let decode = move |turn: &mut Turn, mut share: MemoryShare| {
            let meter = budget.meter()?;
            let decoded = decode(&bytes, &header, max_side, &meter);
            turn.note(budget.spent_since(&meter));
            let mut picture = decoded?;
            share.shrink(held);
            picture.as_uploaded = is_as_shown(&header, &picture).then_some(bytes);
            let hash = hash::of(&picture);
            Ok(DecodedPicture::new(picture, Lease::new(share)).with_hash(hash))
        };
        self.in_turn(demand, &context, decode).await
    }

    async fn encode(
        &self,
        picture: Arc<DecodedPicture>,
        context: &CallContext,
    ) -> Result<EncodedPicture, CodecError> {
        let pixels = buffer_size(picture.scaled_width, picture.scaled_height, 1);
        let demand = Demand {
            client: context.client(),
            cost: work::ENCODED_PIXEL.units(pixels),
            bytes: 0,
        };
        let quality = self.settings.jpeg_quality;
        let encode = move |_: &mut Turn, _| encode(&picture, quality);
        self.in_turn(demand, context, encode).await
    }

    async fn render(
        &self,
        bytes: Bytes,
        side: NonZeroU32,
        context: &CallContext,
    ) -> Result<EncodedPicture, CodecError> {
        let mut picture = self.decode(bytes.clone(), side, context).await?;
        let pixels = buffer_size(picture.scaled_width, picture.scaled_height, 1);
        let demand = Demand {
            client: context.client(),
            cost: work::PROFILE
                .units(1)
                .saturating_add(work::RENDERED_PIXEL.units(pixels)),
            bytes: 0,
        };
        let quality = self.settings.jpeg_quality;
        let render = move |_: &mut Turn, _| {
            let width = picture.scaled_width;
            profile::to_srgb(&bytes, picture.pixels_mut(), width);
            encode_pixels(&picture, quality)
        };
        self.in_turn(demand, context, render).await
    }

    fn camera_data(&self, file: &[u8]) -> CameraData {
        camera::read(file)
    }
}

/// Memory while a copy is decoded, and of the copy, in bytes.
fn memory(header: &Header, max_side: u32) -> (u64, u64) {
    let (width, height) = fit(header.width, header.height, max_side);
    let copy = buffer_size(width, height, 3);
    // Rotation needs a second copy.
    (header.decode_bytes.saturating_add(2 * copy), copy)
}

/// Makes the copy of an inspected file.
pub(crate) fn decode(
    bytes: &[u8],
    header: &Header,
    max_side: u32,
    meter: &Meter,
) -> Result<Picture, DecodeError> {
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
    })
}

/// Whether the copy has exactly the file's pixels, neither scaled nor rotated.
fn is_as_shown(header: &Header, picture: &Picture) -> bool {
    let size = (picture.scaled_width, picture.scaled_height);
    header.orientation == Orientation::NoTransforms && size == (header.width, header.height)
}

/// The upload without its metadata, if it is a JPEG of a reasonable size.
fn bare(picture: &Picture) -> Option<Vec<u8>> {
    if picture.media_type != MediaType::Jpeg {
        return None;
    }
    let bare = formats::without_metadata(picture.as_uploaded.as_deref()?)?;
    (bare.len() <= picture.pixels.len()).then_some(bare)
}

fn encode(picture: &Picture, quality: u8) -> Result<EncodedPicture, DecodeError> {
    if let Some(bytes) = bare(picture) {
        return Ok(EncodedPicture {
            media_type: MediaType::Jpeg,
            bytes: bytes.into(),
        });
    }
    encode_pixels(picture, quality)
}

fn encode_pixels(picture: &Picture, quality: u8) -> Result<EncodedPicture, DecodeError> {
    let side = |side: u32| u16::try_from(side).map_err(|error| DecodeError::Failed(error.into()));
    let (width, height) = (side(picture.scaled_width)?, side(picture.scaled_height)?);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder
        .encode(&picture.pixels, width, height, ColorType::Rgb)
        .map_err(|error| DecodeError::Failed(error.into()))?;
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
        let codec = PictureCodec::new(CodecSettings::default());
        let context = CallContext::local();
        let demand = Demand {
            client: context.client(),
            cost: 1,
            bytes: 1,
        };
        let work = |_: &mut Turn, _| -> Result<(), DecodeError> { panic!("a decoder's bug") };
        let failed = codec.in_turn(demand, &context, work).await;
        assert!(matches!(failed, Err(CodecError::Failed(_))), "{failed:?}");
        let next = codec.in_turn(demand, &context, |_, _| Ok(())).await;
        assert!(next.is_ok(), "its turn is over");
    }
}
