//! Examines pictures: type, size, colour.

use std::io::Cursor;

use image::{ImageFormat, ImageReader};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// The mean colour of a picture, 0–255 for each of red, green, blue.
pub(crate) type Colour = [u8; 3];

/// Media type by the first bytes; `None` if it is not a picture.
pub(crate) fn media_type(bytes: &[u8]) -> Option<&'static str> {
    image::guess_format(bytes)
        .ok()
        .map(|format| format.to_mime_type())
}

/// Width and height in pixels; `None` if the header cannot be read.
pub(crate) fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .ok()?;
    reader.into_dimensions().ok()
}

/// Decodes the picture completely; `None` if it is invalid, damaged or truncated.
pub(crate) fn mean_colour(bytes: &[u8]) -> Option<Colour> {
    let format = image::guess_format(bytes).ok()?;
    if format == ImageFormat::Jpeg {
        return jpeg_pixels(bytes).map(|pixels| mean(&pixels));
    }
    let picture = image::load_from_memory_with_format(bytes, format).ok()?;
    Some(mean(picture.to_rgb8().as_raw()))
}

/// The general decoder fills missing data of a truncated JPEG with grey; this one rejects it.
fn jpeg_pixels(bytes: &[u8]) -> Option<Vec<u8>> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
        .decode()
        .ok()
}

fn mean(pixels: &[u8]) -> Colour {
    let mut sums = [0_u64; 3];
    for pixel in pixels.chunks_exact(3) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(*value);
        }
    }
    let count = (pixels.len() / 3).max(1) as u64;
    sums.map(|sum| u8::try_from(sum / count).unwrap_or(u8::MAX))
}
