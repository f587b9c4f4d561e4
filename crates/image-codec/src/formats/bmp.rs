//! BMP (Windows and OS/2 bitmaps).

use std::io::Cursor;

use domain::MediaType::Bmp;
use image::{ImageDecoder, codecs::bmp::BmpDecoder, metadata::Orientation};

use super::{Header, decode_with};
use crate::{raster::Raster, refusal::Refusal};

pub(super) fn inspect(bytes: &[u8]) -> Result<Header, Refusal> {
    let decoder = open(bytes)?;
    let (width, height) = decoder.dimensions();
    Ok(Header {
        media_type: Bmp,
        width,
        height,
        orientation: Orientation::NoTransforms,
        decode_bytes: decoder.total_bytes(),
        work: 0,
        end: bytes.len(),
        scale: None,
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Raster, Refusal> {
    decode_with(open(bytes)?, header)
}

fn open(bytes: &[u8]) -> Result<BmpDecoder<Cursor<&[u8]>>, Refusal> {
    BmpDecoder::new(Cursor::new(bytes)).map_err(|error| Refusal::of_image_error(Bmp, error))
}
