//! JPEG (ITU-T T.81, JFIF, Exif), decoded by zune-jpeg, the [unusual] ones by jpeg-decoder.
//!
//! zune-jpeg alone, even in its strict mode, fills up with grey what is missing when the file ends
//! early. So the file is walked through first, which finds one without its end mark; and what the
//! decoder reads goes on, after the last scan's data, with [bits that no code begins with](source),
//! which it stumbles over when that scan has fewer pixels than the header promised.

mod bare;
mod segments;
mod source;
mod unusual;

use domain::MediaType::Jpeg;
use zune_core::{colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

pub(super) use self::bare::bare;
use self::{segments::Segments, source::Source};
use super::Header;
use crate::{
    raster::{Channels, Raster, buffer_size},
    refusal::Refusal,
};

/// Longest side that the format can express.
const MAX_SIDE: usize = 65_535;

pub(super) fn inspect(bytes: &[u8]) -> Result<Header, Refusal> {
    let segments = Segments::walk(bytes)?;
    let frame = segments.frame()?;
    let is_unusual = segments.is_in_parts(frame) || frame.is_oddly_sampled();
    let bytes_per_pixel = match (is_unusual, frame.is_grey()) {
        (true, _) => unusual::BYTES_PER_PIXEL,
        (false, true) => 1,
        (false, false) => 3,
    };
    let output = buffer_size(frame.width, frame.height, bytes_per_pixel);
    Ok(Header {
        media_type: Jpeg,
        width: frame.width,
        height: frame.height,
        orientation: segments.orientation,
        decode_bytes: output.saturating_add(segments.coefficient_bytes(frame)),
        end: segments.data_end,
        is_unusual,
    })
}

/// The size of a JPEG that is all there, within a file of another format.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), Refusal> {
    let segments = Segments::walk(bytes)?;
    segments.frame().map(|frame| (frame.width, frame.height))
}

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Raster, Refusal> {
    if header.is_unusual {
        return unusual::decode(bytes, header);
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE);
    let mut decoder = JpegDecoder::new_with_options(Source::new(bytes), options);
    decoder.decode_headers().map_err(refuse)?;
    let (channels, space) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (Channels::Grey, ColorSpace::Luma),
        _ => (Channels::Rgb, ColorSpace::RGB),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let size = decoder.output_buffer_size().unwrap_or_default();
    let mut pixels = vec![0; size];
    decoder.decode_into(&mut pixels).map_err(refuse)?;
    Ok(Raster {
        width: header.width,
        height: header.height,
        channels,
        pixels,
    })
}

fn refuse(error: DecodeErrors) -> Refusal {
    match error {
        DecodeErrors::ExhaustedData => Refusal::Truncated(Jpeg),
        DecodeErrors::Unsupported(_) => Refusal::UnsupportedKind {
            media_type: Jpeg,
            source: error.into(),
        },
        error => Refusal::corrupt(Jpeg, error),
    }
}
