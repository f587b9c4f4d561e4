//! JPEG (ITU-T T.81, JFIF, Exif), decoded by zune-jpeg, or [at a reduced scale](scaled) by jpeg-decoder.
//!
//! zune-jpeg, even in strict mode, fills missing data with grey when the file is truncated. So the file is
//! scanned first, which detects a missing end marker; and the decoder's input continues, after the last
//! scan's data, with [bits that start no code](source), which fail decoding if that scan has fewer pixels
//! than the header declares.

mod bare;
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
    let is_unusual = segments.is_in_parts(frame) || frame.is_oddly_sampled();
    let scale = Scale::for_copy(frame.width, frame.height, max_side);
    let scale = (is_unusual || scale != Scale::FULL).then_some(scale);
    let size = (frame.width, frame.height);
    Ok(Header {
        orientation: segments.orientation,
        decode_bytes: decode_bytes(frame, scale).saturating_add(segments.kept_bytes()),
        work: segments.work().saturating_add(frame.pixel_work(scale)),
        end: segments.data_end,
        scale,
        boxes: Boxes::NONE,
        ..Header::new(Jpeg, size, max_side)
    })
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
    Ok(Part {
        size: (frame.width, frame.height),
        memory: decode_bytes(frame, None)
            .saturating_add(output)
            .saturating_add(segments.kept_bytes()),
        work: segments.work().saturating_add(frame.pixel_work(None)),
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
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_max_scans(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(Source::new(bytes, meter), options);
    decoder.decode_headers().map_err(refuse)?;
    if let Some(scale) = header.scale {
        let components = decoder.info().map_or(0, |info| info.components);
        let transform = transform(decoder.input_colorspace(), components);
        return scaled::decode(bytes, header, scale, transform, meter);
    }
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

/// The meaning of the components. Both decoders use zune-jpeg's interpretation of the headers: they differ
/// if these contradict each other.
fn transform(space: Option<ColorSpace>, components: u8) -> ColorTransform {
    match (components, space) {
        (1, _) => ColorTransform::Grayscale,
        // zune-jpeg takes Adobe's "no transformation" for CMYK before it counts the components.
        (3, Some(ColorSpace::RGB | ColorSpace::CMYK)) => ColorTransform::RGB,
        (4, Some(ColorSpace::YCCK)) => ColorTransform::YCCK,
        (4, _) => ColorTransform::CMYK,
        _ => ColorTransform::YCbCr,
    }
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
