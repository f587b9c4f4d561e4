//! WebP (RFC 9649); of an animation the first frame.

use std::io::Cursor;

use domain::MediaType::WebP;
use image::{ImageDecoder, codecs::webp::WebPDecoder, metadata::Orientation};

use super::{Header, decode_with, exif_orientation};
use crate::{
    raster::{Raster, buffer_size},
    refusal::Refusal,
    walk::Walk,
};

/// Planes or coefficients, pixels and alpha, all at once.
const DECODE_BYTES_PER_PIXEL: u64 = 8;

/// Offset of the chunks within a frame of an animation.
const FRAME_HEADER_LENGTH: usize = 16;

/// Walks through all chunks: the decoder takes a chunk's length and a frame's size as they stand.
pub(super) fn inspect(bytes: &[u8]) -> Result<Header, Refusal> {
    let mut riff = Walk::new(WebP, bytes);
    let _signature = riff.u32_be()?;
    let length = riff.u32_le()?;
    let end = riff.position().saturating_add(length as usize);
    let body = riff.take_u32(length)?;
    let decoder = open(bytes.get(..end).unwrap_or(bytes))?;
    let canvas = decoder.dimensions();
    let mut chunks = Walk::new(WebP, body);
    let _signature = chunks.u32_be()?;
    let orientation = check_chunks(&mut chunks, canvas)?;
    Ok(Header {
        media_type: WebP,
        width: canvas.0,
        height: canvas.1,
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        decode_bytes: buffer_size(canvas.0, canvas.1, DECODE_BYTES_PER_PIXEL),
        work: 0,
        end,
        scale: None,
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Raster, Refusal> {
    decode_with(open(bytes)?, header)
}

fn open(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, Refusal> {
    WebPDecoder::new(Cursor::new(bytes)).map_err(|error| Refusal::of_image_error(WebP, error))
}

/// Checks that every chunk is all there and no frame is larger than the canvas.
fn check_chunks(walk: &mut Walk, canvas: (u32, u32)) -> Result<Option<Orientation>, Refusal> {
    let mut orientation = None;
    while !walk.rest().is_empty() {
        let kind = walk.array()?;
        let length = walk.u32_le()?;
        let body = walk.take_u32(length)?;
        if length % 2 == 1 {
            walk.take(1)?;
        }
        match &kind {
            b"VP8 " => check_size(vp8_size(body)?, canvas)?,
            b"VP8L" => check_size(vp8l_size(body)?, canvas)?,
            b"ANMF" => {
                let mut frame = Walk::new(WebP, body);
                frame.take(FRAME_HEADER_LENGTH)?;
                check_chunks(&mut frame, canvas)?;
            }
            b"EXIF" => orientation = exif_orientation(body),
            _ => {}
        }
    }
    Ok(orientation)
}

fn check_size(size: (u32, u32), canvas: (u32, u32)) -> Result<(), Refusal> {
    if size.0 > canvas.0 || size.1 > canvas.1 {
        return Err(Refusal::malformed(
            WebP,
            "a frame is larger than the canvas",
        ));
    }
    Ok(())
}

/// RFC 6386, section 9.1: three bytes of flags, three of signature, then the sizes in 14 bits each.
fn vp8_size(body: &[u8]) -> Result<(u32, u32), Refusal> {
    let mut walk = Walk::new(WebP, body);
    walk.take(6)?;
    let (width, height) = (walk.u16_le()?, walk.u16_le()?);
    Ok(((width & 0x3FFF).into(), (height & 0x3FFF).into()))
}

/// RFC 9649, section 3.4: a signature of one byte, then the sizes less one in 14 bits each.
fn vp8l_size(body: &[u8]) -> Result<(u32, u32), Refusal> {
    let mut walk = Walk::new(WebP, body);
    walk.take(1)?;
    let sizes = walk.u32_le()?;
    Ok(((sizes & 0x3FFF) + 1, ((sizes >> 14) & 0x3FFF) + 1))
}
