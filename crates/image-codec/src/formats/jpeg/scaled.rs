//! JPEG files decoded by jpeg-decoder: at a reduced scale, and unusual ones.
//!
//! zune-jpeg 0.5 always decodes all pixels. And it silently decodes some rare files to a wrong picture:
//! sequential ones with each component in a scan of its own, and those in which a component other than the
//! first has the most samples.

use domain::MediaType::Jpeg;
use jpeg_decoder::{ColorTransform, Decoder, Error, PixelFormat};

use super::{BUFFERS, ROWS_BUFFERED, scale::Scale, segments::Frame, source::Source};
use crate::{
    decode_error::DecodeError,
    flatten::{printed, reduce},
    formats::Header,
    raster::{Channels, Raster, buffer_size},
};

/// Memory for decoding, in bytes: separate and interleaved components, and a row of blocks.
pub(super) fn decode_bytes(frame: &Frame, scale: Scale) -> u64 {
    let (width, height) = (scale.pixels(frame.width), scale.pixels(frame.height));
    let together = buffer_size(width, height, frame.components() as u64);
    let apart = scale.samples(frame.samples());
    together
        .saturating_add(apart)
        .saturating_add(frame.samples_of_row() * ROWS_BUFFERED)
        .saturating_add(BUFFERS)
        .saturating_add(frame.coefficient_bytes())
}

/// Decodes the components at full size, as they are stored.
pub(super) fn decode_samples(source: Source) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(source);
    decoder.set_color_transform(ColorTransform::None);
    decoder.decode().map_err(refuse)
}

/// Decodes at a scale.
pub(super) fn decode(source: Source, header: &Header, scale: Scale) -> Result<Raster, DecodeError> {
    let mut decoder = Decoder::new(source);
    let limit = usize::try_from(header.decode_bytes).unwrap_or(usize::MAX);
    decoder.set_max_decoding_buffer_size(limit);
    decoder.set_color_transform(header.jpeg.transform);
    let (width, height) = set_scale(&mut decoder, header, scale)?;
    let mut pixels = decoder.decode().map_err(refuse)?;
    let channels = match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::L8) => Channels::Grey,
        Some(PixelFormat::RGB24) => Channels::Rgb,
        Some(PixelFormat::CMYK32) => {
            reduce(&mut pixels, width, |[c, m, y, k]: [u8; 4]| {
                [c, m, y].map(|ink| printed(ink, k))
            });
            Channels::Rgb
        }
        _ => return Err(DecodeError::unsupported(Jpeg, "more than 8 bits a sample")),
    };
    Ok(Raster {
        width,
        height,
        channels,
        pixels,
    })
}

/// Requests the scale by the size of the longest side, and checks that the decoder chose it.
fn set_scale(
    decoder: &mut Decoder<Source>,
    header: &Header,
    scale: Scale,
) -> Result<(u32, u32), DecodeError> {
    let (width, height) = (scale.pixels(header.width), scale.pixels(header.height));
    if scale == Scale::FULL {
        return Ok((width, height));
    }
    // The decoder stops at one side that is reached: the shorter one never is.
    let longest = width.max(height);
    let request = |pixels: u32| match u16::try_from(pixels) {
        Ok(pixels) if u32::from(pixels) == longest => pixels,
        _ => u16::MAX,
    };
    let taken = decoder.scale(request(width), request(height));
    let taken = taken.map_err(refuse)?;
    if (u32::from(taken.0), u32::from(taken.1)) != (width, height) {
        return Err(DecodeError::malformed(Jpeg, "it has two sizes"));
    }
    Ok((width, height))
}

fn refuse(error: Error) -> DecodeError {
    match error {
        Error::Io(error) => DecodeError::of_io_error(Jpeg, error),
        Error::Unsupported(_) => DecodeError::UnsupportedKind {
            media_type: Jpeg,
            source: error.into(),
        },
        error => DecodeError::corrupt(Jpeg, error),
    }
}
