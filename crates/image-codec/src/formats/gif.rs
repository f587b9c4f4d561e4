//! GIF (87a, 89a); of an animation the first frame.

use std::io::Cursor;

use domain::MediaType::Gif;
use image::{codecs::gif::GifDecoder, metadata::Orientation};

use super::{Header, SIDE_MEMORY, decode_with};
use crate::{
    raster::{Raster, buffer_size},
    refusal::Refusal,
    walk::Walk,
};

const SIGNATURE_LENGTH: usize = 6;
const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2C;
const TRAILER: u8 = 0x3B;

/// Walks through all blocks. The decoder stops after the first frame.
pub(super) fn inspect(bytes: &[u8]) -> Result<Header, Refusal> {
    let mut walk = Walk::new(Gif, bytes);
    walk.take(SIGNATURE_LENGTH)?;
    let (width, height) = (walk.u16_le()?.into(), walk.u16_le()?.into());
    let [flags, _background, _aspect] = walk.array()?;
    skip_palette(&mut walk, flags)?;
    let mut first_frame = None;
    loop {
        match walk.u8()? {
            EXTENSION => {
                walk.u8()?;
                skip_blocks(&mut walk)?;
            }
            IMAGE => {
                let size = skip_image(&mut walk)?;
                first_frame.get_or_insert(size);
            }
            TRAILER => break,
            _ => return Err(Refusal::malformed(Gif, "a block of an unknown kind")),
        }
    }
    let frame = first_frame.ok_or(Refusal::malformed(Gif, "it has no frame"))?;
    let (shown, decoded) = (
        buffer_size(width, height, 4),
        buffer_size(frame.0, frame.1, 4),
    );
    // Frames may stick out a little; the pixels of the whole one are decoded, and nobody counts them.
    if decoded > shown.saturating_add(SIDE_MEMORY) {
        return Err(Refusal::malformed(
            Gif,
            "a frame is larger than the picture",
        ));
    }
    Ok(Header {
        media_type: Gif,
        width,
        height,
        orientation: Orientation::NoTransforms,
        decode_bytes: shown + decoded,
        work: 0,
        end: walk.position(),
        scale: None,
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Raster, Refusal> {
    let decoder =
        GifDecoder::new(Cursor::new(bytes)).map_err(|error| Refusal::of_image_error(Gif, error))?;
    decode_with(decoder, header)
}

/// Passes an image and says its size.
fn skip_image(walk: &mut Walk) -> Result<(u32, u32), Refusal> {
    let [_left, _top] = [walk.u16_le()?, walk.u16_le()?];
    let size = (walk.u16_le()?.into(), walk.u16_le()?.into());
    let flags = walk.u8()?;
    skip_palette(walk, flags)?;
    let _code_size = walk.u8()?;
    skip_blocks(walk)?;
    Ok(size)
}

/// The upper bit says that there is a palette, the lower three how long it is.
fn skip_palette(walk: &mut Walk, flags: u8) -> Result<(), Refusal> {
    if flags & 0x80 != 0 {
        walk.take(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

/// Passes blocks of at most 255 bytes up to the empty one.
fn skip_blocks(walk: &mut Walk) -> Result<(), Refusal> {
    loop {
        let length = walk.u8()?;
        if walk.take(length.into())?.is_empty() {
            return Ok(());
        }
    }
}
