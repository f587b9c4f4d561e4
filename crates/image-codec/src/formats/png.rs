//! PNG (W3C recommendation, third edition); of an APNG the picture that viewers of PNG show.

use std::io::Cursor;

use domain::MediaType::Png;
use image::{codecs::png::PngDecoder, metadata::Orientation};

use super::{Header, decode_with, exif_orientation, limits};
use crate::{
    raster::{Raster, buffer_size},
    refusal::Refusal,
    walk::Walk,
};

const SIGNATURE_LENGTH: usize = 8;
const CHECKSUM_LENGTH: usize = 4;

/// The first chunk.
struct Ihdr {
    width: u32,
    height: u32,
    bit_depth: u8,
    colour_type: u8,
}

/// Walks through all chunks. The decoder would stop at the last pixel and miss a lost end.
pub(super) fn inspect(bytes: &[u8]) -> Result<Header, Refusal> {
    let mut walk = Walk::new(Png, bytes);
    walk.take(SIGNATURE_LENGTH)?;
    let (mut ihdr, mut has_transparency, mut orientation) = (None, false, None);
    loop {
        let length = walk.u32_be()?;
        let kind = walk.array()?;
        let body = walk.take_u32(length)?;
        walk.take(CHECKSUM_LENGTH)?;
        match &kind {
            b"IHDR" => ihdr = Some(Ihdr::read(body)?),
            b"tRNS" => has_transparency = true,
            b"eXIf" => orientation = exif_orientation(body),
            b"IEND" => break,
            _ => {}
        }
    }
    let ihdr = ihdr.ok_or(Refusal::malformed(Png, "it has no header"))?;
    let bytes_per_pixel = ihdr.bytes_per_pixel(has_transparency);
    Ok(Header {
        media_type: Png,
        width: ihdr.width,
        height: ihdr.height,
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        decode_bytes: buffer_size(ihdr.width, ihdr.height, bytes_per_pixel),
        work: 0,
        end: walk.position(),
        scale: None,
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Raster, Refusal> {
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits(header))
        .map_err(|error| Refusal::of_image_error(Png, error))?;
    decode_with(decoder, header)
}

impl Ihdr {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut walk = Walk::new(Png, body);
        Ok(Self {
            width: walk.u32_be()?,
            height: walk.u32_be()?,
            bit_depth: walk.u8()?,
            colour_type: walk.u8()?,
        })
    }

    /// Bytes of a decoded pixel: palettes become RGB, fewer than eight bits become eight.
    fn bytes_per_pixel(&self, has_transparency: bool) -> u64 {
        let channels = match self.colour_type {
            0 => 1,
            4 => 2,
            2 | 3 => 3,
            _ => 4,
        };
        let sample = if self.bit_depth == 16 { 2 } else { 1 };
        (channels + u64::from(has_transparency)) * sample
    }
}
