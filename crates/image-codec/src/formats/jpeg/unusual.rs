//! JPEG files that zune-jpeg 0.5 decodes without an error to a wrong picture.
//!
//! They are rare: sequential ones with each component in a scan of its own, and those of which
//! another component than the first has the most samples. jpeg-decoder does them right.

use std::io::Read;

use domain::MediaType::Jpeg;
use jpeg_decoder::{Decoder, Error, PixelFormat};

use super::source::SENTINEL;
use crate::{
    flatten::{printed, reduce},
    formats::Header,
    raster::{Channels, Raster},
    refusal::Refusal,
};

/// Four components, decoded apart and then together.
pub(super) const BYTES_PER_PIXEL: u64 = 8;

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Raster, Refusal> {
    let mut decoder = Decoder::new(bytes.chain(&SENTINEL[..]));
    let limit = usize::try_from(header.decode_bytes).unwrap_or(usize::MAX);
    decoder.set_max_decoding_buffer_size(limit);
    let mut pixels = decoder.decode().map_err(refuse)?;
    let channels = match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::L8) => Channels::Grey,
        Some(PixelFormat::RGB24) => Channels::Rgb,
        Some(PixelFormat::CMYK32) => {
            reduce(&mut pixels, header.width, |[c, m, y, k]: [u8; 4]| {
                [c, m, y].map(|ink| printed(ink, k))
            });
            Channels::Rgb
        }
        _ => return Err(Refusal::unsupported(Jpeg, "more than 8 bits a sample")),
    };
    Ok(Raster {
        width: header.width,
        height: header.height,
        channels,
        pixels,
    })
}

fn refuse(error: Error) -> Refusal {
    match error {
        Error::Io(error) => Refusal::of_io_error(Jpeg, error),
        Error::Unsupported(_) => Refusal::UnsupportedKind {
            media_type: Jpeg,
            source: error.into(),
        },
        error => Refusal::corrupt(Jpeg, error),
    }
}
