//! The blocks of a file.

use domain::MediaType::Gif;

use crate::{byte_reader::ByteReader, decode_error::DecodeError, meter::Meter, work};

const SIGNATURE_LENGTH: usize = 6;
const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2C;
const TRAILER: u8 = 0x3B;

/// The extension that tells what follows about a frame.
const GRAPHIC_CONTROL: u8 = 0xF9;

/// What matters of a file.
pub(super) struct Blocks<'a> {
    screen: (u32, u32),
    pub(super) frame: Frame<'a>,
    pub(super) end: usize,
}

/// The first frame.
pub(super) struct Frame<'a> {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) size: (u32, u32),
    pub(super) is_interlaced: bool,
    /// Its own, or else that of the file.
    palette: Option<&'a [u8]>,
    transparent: Option<u8>,
    /// Bits of an index.
    pub(super) bits: u8,
    /// The blocks of compressed data, and all that follows.
    pub(super) data: &'a [u8],
    /// Bytes of the blocks of compressed data.
    pub(super) length: u64,
}

impl<'a> Blocks<'a> {
    /// Scans all blocks. The file may end after the first frame's data, also without the marks for that:
    /// whether all pixels are there is found by decoding.
    pub(super) fn walk(bytes: &'a [u8], meter: &Meter) -> Result<Self, DecodeError> {
        let mut walk = ByteReader::new(Gif, bytes);
        walk.take(SIGNATURE_LENGTH)?;
        let screen = (walk.u16_le()?.into(), walk.u16_le()?.into());
        let [flags, _background, _aspect] = walk.array()?;
        let palette = palette(&mut walk, flags)?;
        let (mut first, mut transparent) = (None, None);
        loop {
            // Between blocks there may be anything before the first frame: Pillow skips it as well.
            let kind = walk.u8();
            match kind {
                Ok(EXTENSION) => match extension(&mut walk, meter) {
                    Ok(found) => transparent = found.or(transparent),
                    Err(refusal) if first.is_none() => return Err(refusal),
                    Err(_) => break,
                },
                Ok(IMAGE) if first.is_none() => {
                    let mut frame = Frame::read(&mut walk, transparent)?;
                    frame.palette = frame.palette.or(palette);
                    frame.length = data(&mut walk, meter)?;
                    first = Some(frame);
                }
                Ok(IMAGE) => {
                    Frame::read(&mut walk, None)?;
                    skip_blocks(&mut walk, meter)?;
                }
                Ok(TRAILER) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let frame = first.ok_or(DecodeError::malformed(Gif, "it has no frame"))?;
        Ok(Self {
            screen,
            frame,
            end: walk.position(),
        })
    }

    /// The size of the picture.
    pub(super) fn canvas(&self) -> (u32, u32) {
        let frame = &self.frame;
        (
            self.screen.0.max(frame.left + frame.size.0),
            self.screen.1.max(frame.top + frame.size.1),
        )
    }
}

impl<'a> Frame<'a> {
    fn read(walk: &mut ByteReader<'a>, transparent: Option<u8>) -> Result<Self, DecodeError> {
        let [left, top] = [walk.u16_le()?, walk.u16_le()?];
        let size = (walk.u16_le()?.into(), walk.u16_le()?.into());
        let flags = walk.u8()?;
        let palette = palette(walk, flags)?;
        let bits = walk.u8()?;
        Ok(Self {
            left: left.into(),
            top: top.into(),
            size,
            is_interlaced: flags & 0x40 != 0,
            palette,
            transparent,
            bits,
            data: walk.rest(),
            length: 0,
        })
    }

    /// The colours of the indexes, with opacity. Without a palette they are shades of grey.
    pub(super) fn colours(&self) -> Vec<[u8; 4]> {
        let grey: Vec<u8>;
        let palette = if let Some(palette) = self.palette {
            palette
        } else {
            grey = (0..=u8::MAX).flat_map(|shade| [shade; 3]).collect();
            &grey
        };
        let (colours, _) = palette.as_chunks::<3>();
        let colours = colours.iter().zip(0_u8..=u8::MAX).map(|(colour, place)| {
            let [r, g, b] = *colour;
            let is_transparent = self.transparent == Some(place);
            [r, g, b, if is_transparent { 0 } else { u8::MAX }]
        });
        colours.collect()
    }
}

/// The upper bit of the flags is the presence of a palette, the lower three its length.
fn palette<'a>(walk: &mut ByteReader<'a>, flags: u8) -> Result<Option<&'a [u8]>, DecodeError> {
    if flags & 0x80 == 0 {
        return Ok(None);
    }
    walk.take(3 << ((flags & 7) + 1)).map(Some)
}

/// Skips an extension, and returns the transparent index that it gives.
fn extension(walk: &mut ByteReader, meter: &Meter) -> Result<Option<u8>, DecodeError> {
    let kind = walk.u8()?;
    let block = walk.rest();
    skip_blocks(walk, meter)?;
    Ok(match block {
        [length, flags, _, _, index, ..]
            if kind == GRAPHIC_CONTROL && *length >= 4 && flags & 1 == 1 =>
        {
            Some(*index)
        }
        _ => None,
    })
}

/// Skips the first frame's data, which may end anywhere.
fn data(walk: &mut ByteReader, meter: &Meter) -> Result<u64, DecodeError> {
    let before = walk.position();
    let length = walk.rest().len();
    match skip_blocks(walk, meter) {
        Ok(()) => Ok((walk.position() - before) as u64),
        Err(DecodeError::Truncated(_)) => {
            walk.take(walk.rest().len())?;
            Ok(length as u64)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Skips sub-blocks of at most 255 bytes up to the empty one.
fn skip_blocks(walk: &mut ByteReader, meter: &Meter) -> Result<(), DecodeError> {
    meter.charge(work::CHUNK, 1)?;
    loop {
        let length = walk.u8()?;
        if walk.take(length.into())?.is_empty() {
            return Ok(());
        }
    }
}
