//! JPEG (ITU-T T.81, JFIF, Exif), decoded by zune-jpeg, or [at a reduced scale](scaled) by jpeg-decoder.
//!
//! zune-jpeg, even in strict mode, fills missing data with grey when the file is truncated. So the decoder's
//! input continues, after the last scan's data, with [bits that start no code](source), which fail decoding if
//! that scan has fewer pixels than the header declares.

mod bare;
mod clean;
mod scale;
mod scaled;
mod segments;
mod source;

use domain::MediaType::Jpeg;
use jpeg_decoder::ColorTransform;
use zune_core::{colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

pub(super) use self::bare::bare;
pub(crate) use self::scale::Scale;
use self::{
    segments::{Frame, Segments},
    source::Source,
};
use super::Header;
use crate::{
    decode_error::DecodeError,
    meter::Meter,
    raster::{Channels, Raster, buffer_size},
    reduce::Boxes,
};

/// Longest side that the format can express.
const MAX_SIDE: usize = 65_535;

/// Rows of blocks in a decoder's buffers, as coefficients and as pixels of 16 bits.
const ROWS_BUFFERED: u64 = 8;

/// Memory of a decoder's tables, for any picture.
const BUFFERS: u64 = 256 * 1024;

pub(super) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    let segments = Segments::walk(bytes, meter)?;
    let frame = segments.frame()?;
    let is_unusual =
        segments.is_in_parts(frame) || frame.is_oddly_sampled() || segments.is_misread(frame);
    let scale = Scale::for_copy(frame.width, frame.height, max_side);
    let scale = (is_unusual || scale != Scale::FULL).then_some(scale);
    let size = (frame.width, frame.height);
    let plan = Plan {
        transform: segments.transform(frame),
        is_irregular: segments.is_irregular,
        has_no_end: segments.has_no_end,
    };
    let work = segments.work().saturating_add(frame.pixel_work(scale));
    let decoded = scale.unwrap_or(Scale::FULL);
    let (width, height) = (decoded.pixels(size.0), decoded.pixels(size.1));
    let (times, kept) = if plan.has_no_end {
        (2, buffer_size(width, height, 3))
    } else {
        (1, 0)
    };
    Ok(Header {
        orientation: segments.orientation(),
        decode_bytes: decode_bytes(frame, scale)
            .saturating_add(segments.kept_bytes())
            .saturating_add(segments.cleaned_bytes())
            .saturating_add(kept),
        work: work.saturating_mul(times),
        end: segments.data_end,
        scale,
        jpeg: plan,
        boxes: Boxes::NONE,
        ..Header::new(Jpeg, size, max_side)
    })
}

/// How to decode a file, besides the scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    transform: ColorTransform,
    /// Whether a cleaned copy is decoded.
    is_irregular: bool,
    /// Whether the end marker is missing, so that only decoding tells that all pixels are there.
    has_no_end: bool,
}

impl Plan {
    /// Of a file of another format.
    pub(super) const NONE: Self = Self {
        transform: ColorTransform::None,
        is_irregular: false,
        has_no_end: false,
    };
}

/// Memory for decoding, output included, in bytes.
fn decode_bytes(frame: &Frame, scale: Option<Scale>) -> u64 {
    if let Some(scale) = scale {
        return scaled::decode_bytes(frame, scale);
    }
    let bytes_per_pixel = if frame.components() == 1 { 1 } else { 3 };
    let output = buffer_size(frame.width, frame.height, bytes_per_pixel);
    output
        .saturating_add(frame.coefficient_bytes())
        .saturating_add(frame.samples_of_row() * ROWS_BUFFERED)
        .saturating_add(BUFFERS)
}

/// A complete JPEG within a file of another format, decoded at full size.
pub(super) struct Part {
    pub(super) size: (u32, u32),
    /// Memory for decoding, in bytes.
    pub(super) memory: u64,
    pub(super) work: u64,
}

pub(super) fn part(bytes: &[u8], meter: &Meter) -> Result<Part, DecodeError> {
    let segments = Segments::walk(bytes, meter)?;
    let frame = segments.frame()?;
    let output = buffer_size(frame.width, frame.height, frame.components() as u64);
    let work = segments.work().saturating_add(frame.pixel_work(None));
    let times = if segments.has_no_end { 2 } else { 1 };
    Ok(Part {
        size: (frame.width, frame.height),
        memory: decode_bytes(frame, None)
            .saturating_add(output.saturating_mul(times))
            .saturating_add(segments.kept_bytes())
            .saturating_add(segments.cleaned_bytes()),
        work: work.saturating_mul(times),
    })
}

/// The size of a picture whose frame header is among shared tables.
pub(super) fn size_among_tables(
    tables: &[u8],
    meter: &Meter,
) -> Result<Option<(u32, u32)>, DecodeError> {
    let segments = Segments::walk_tables(tables, meter)?;
    let frame = segments.any_frame();
    Ok(frame.map(|frame| (frame.width, frame.height)))
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let plan = header.jpeg;
    let clean;
    let bytes = if plan.is_irregular {
        clean = clean::cleaned(bytes, plan.transform);
        clean.as_slice()
    } else {
        bytes
    };
    if plan.has_no_end {
        decode_without_end(bytes, meter, |source| decode_once(source, header))
    } else {
        decode_once(Source::new(bytes, meter), header)
    }
}

/// Decodes data without an end marker. They may be cut in such a way that any bits continue them; so they are
/// decoded with two kinds of bits after their end, on which a whole picture does not depend.
fn decode_without_end<'a, T: PartialEq>(
    bytes: &'a [u8],
    meter: &'a Meter,
    decode: impl Fn(Source<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let decoded = decode(Source::new(bytes, meter));
    let decoded = decoded.map_err(|refusal| match refusal {
        DecodeError::Corrupt { .. } => DecodeError::Truncated(Jpeg),
        refusal => refusal,
    })?;
    let other = decode(Source::new(bytes, meter).with_zeros());
    meter.check()?;
    if other.is_ok_and(|other| other == decoded) {
        return Ok(decoded);
    }
    Err(DecodeError::Truncated(Jpeg))
}

fn decode_once(source: Source, header: &Header) -> Result<Raster, DecodeError> {
    if let Some(scale) = header.scale {
        return scaled::decode(source, header, scale);
    }
    let options = options();
    let mut decoder = JpegDecoder::new_with_options(source, options);
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

fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_max_scans(usize::MAX)
}

/// The components of a part, as they are stored.
pub(super) struct Samples {
    pub(super) size: (u32, u32),
    pub(super) components: usize,
    pub(super) data: Vec<u8>,
}

/// Decodes a part of a file of another format. Tables shared by all parts replace its first two bytes.
pub(super) fn decode_part(
    tables: &[u8],
    part: &[u8],
    meter: &Meter,
) -> Result<Samples, DecodeError> {
    // Without their end marker.
    let tables = tables.get(..tables.len().saturating_sub(2));
    let whole = match tables.filter(|tables| !tables.is_empty()) {
        Some(tables) => [tables, part.get(2..).unwrap_or_default()].concat(),
        None => part.to_vec(),
    };
    let segments = Segments::walk(&whole, meter)?;
    let frame = segments.frame()?;
    let (size, components) = ((frame.width, frame.height), frame.components());
    let data = whole.get(..segments.data_end).unwrap_or(&whole);
    let is_unusual = segments.is_in_parts(frame) || frame.is_oddly_sampled();
    let clean;
    let data = if segments.is_irregular {
        clean = clean::cleaned(data, ColorTransform::None);
        clean.as_slice()
    } else {
        data
    };
    let samples = if segments.has_no_end {
        decode_without_end(data, meter, |source| decode_samples(source, is_unusual))?
    } else {
        decode_samples(Source::new(data, meter), is_unusual)?
    };
    if samples.len() as u64 != buffer_size(size.0, size.1, components as u64) {
        return Err(DecodeError::malformed(Jpeg, "it has two sizes"));
    }
    Ok(Samples {
        size,
        components,
        data: samples,
    })
}

/// The components at full size, as they are stored.
fn decode_samples(source: Source, is_unusual: bool) -> Result<Vec<u8>, DecodeError> {
    if is_unusual {
        return scaled::decode_samples(source);
    }
    let mut decoder = JpegDecoder::new_with_options(source, options());
    decoder.decode_headers().map_err(refuse)?;
    let space = decoder.input_colorspace().unwrap_or(ColorSpace::YCbCr);
    decoder.set_options(options().jpeg_set_out_colorspace(space));
    decoder.decode().map_err(refuse)
}

fn refuse(error: DecodeErrors) -> DecodeError {
    match error {
        DecodeErrors::ExhaustedData => DecodeError::Truncated(Jpeg),
        DecodeErrors::Unsupported(_) => DecodeError::UnsupportedKind {
            media_type: Jpeg,
            source: error.into(),
        },
        error => DecodeError::corrupt(Jpeg, error),
    }
}
