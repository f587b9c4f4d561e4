//! A file reduced to what makes the picture.
//!
//! The decoder refuses files whose flags promise chunks that are not there, and chunks whose names it does not
//! know, while libwebp and browsers go by the chunks. So it is given only the chunks of the picture or of the
//! first frame, with flags that tell of them.

use std::borrow::Cow;

use domain::MediaType::WebP;
use image::metadata::Orientation;

use super::{chunk, vp8_size, vp8l_size};
use crate::{
    byte_reader::ByteReader, decode_error::DecodeError, formats::exif_orientation, meter::Meter,
    work,
};

/// Flags of `VP8X`.
const ALPHA: u8 = 0x10;
const ANIMATION: u8 = 0x02;

/// A white background, and a single round.
const ANIM: [u8; 6] = [0xFF, 0xFF, 0xFF, 0xFF, 1, 0];

/// Length of `RIFF`, the length, and `WEBP`.
const FRONT: usize = 12;

/// A file for the decoder, and what else is in the given one.
pub(super) struct Container<'a> {
    pub(super) file: Cow<'a, [u8]>,
    pub(super) orientation: Orientation,
    /// The end of the given file.
    pub(super) end: usize,
}

/// The chunks of the given file that matter.
#[derive(Default)]
struct Parts<'a> {
    canvas: Option<(u32, u32)>,
    alpha: Option<&'a [u8]>,
    picture: Option<([u8; 4], &'a [u8])>,
    frame: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
}

impl<'a> Container<'a> {
    pub(super) fn read(bytes: &'a [u8], meter: &Meter) -> Result<Self, DecodeError> {
        let mut riff = ByteReader::new(WebP, bytes);
        let _signature = riff.u32_be()?;
        let length = riff.u32_le()?;
        let body = riff.take_u32(length)?;
        let end = riff.position();
        let mut walk = ByteReader::new(WebP, body);
        let _signature = walk.u32_be()?;
        if !walk.rest().starts_with(b"VP8X") {
            return Ok(Self {
                file: Cow::Borrowed(bytes.get(..end).unwrap_or(bytes)),
                orientation: Orientation::NoTransforms,
                end,
            });
        }
        let parts = Parts::read(walk, meter)?;
        let orientation = parts.exif.and_then(exif_orientation);
        Ok(Self {
            file: Cow::Owned(parts.write()?),
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
            end,
        })
    }
}

impl<'a> Parts<'a> {
    fn read(mut walk: ByteReader<'a>, meter: &Meter) -> Result<Self, DecodeError> {
        let mut parts = Self::default();
        while !walk.rest().is_empty() {
            meter.charge(work::CHUNK, 1)?;
            let (kind, body) = match chunk(&mut walk) {
                Ok(chunk) => chunk,
                // What follows the picture does not matter.
                Err(_) if parts.picture.is_some() => break,
                Err(refusal) => return Err(refusal),
            };
            match &kind {
                b"VP8X" if parts.canvas.is_none() => {
                    let mut walk = ByteReader::new(WebP, body);
                    walk.take(4)?;
                    parts.canvas = Some((walk.u24_le()? + 1, walk.u24_le()? + 1));
                }
                b"ALPH" if parts.picture.is_none() && parts.alpha.is_none() => {
                    parts.alpha = Some(body);
                }
                b"VP8 " | b"VP8L" if parts.picture.is_none() => parts.picture = Some((kind, body)),
                b"ANMF" if parts.frame.is_none() => parts.frame = Some(body),
                b"EXIF" if parts.exif.is_none() => parts.exif = Some(body),
                _ => {}
            }
        }
        Ok(parts)
    }

    fn write(&self) -> Result<Vec<u8>, DecodeError> {
        let canvas = self.canvas.unwrap_or_default();
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        if let Some((kind, body)) = self.picture {
            let is_lossy = &kind == b"VP8 ";
            let size = if is_lossy {
                vp8_size(body)?
            } else {
                vp8l_size(body)?
            };
            if size != canvas {
                return Err(DecodeError::malformed(WebP, "it has two sizes"));
            }
            if let Some(alpha) = self.alpha.filter(|_| is_lossy) {
                put(&mut file, *b"VP8X", &vp8x(ALPHA, canvas));
                put(&mut file, *b"ALPH", alpha);
            }
            put(&mut file, kind, body);
        } else if let Some(frame) = self.frame {
            put(&mut file, *b"VP8X", &vp8x(ALPHA | ANIMATION, canvas));
            put(&mut file, *b"ANIM", &ANIM);
            put(&mut file, *b"ANMF", frame);
        } else {
            return Err(DecodeError::malformed(WebP, "it has no picture"));
        }
        let length = u32::try_from(file.len() - FRONT + 4);
        let length = length.map_err(|_| DecodeError::malformed(WebP, "it is too long"))?;
        for (to, from) in file.iter_mut().skip(4).zip(length.to_le_bytes()) {
            *to = from;
        }
        Ok(file)
    }
}

/// The body of `VP8X`: flags, and the sides less one.
fn vp8x(flags: u8, (width, height): (u32, u32)) -> [u8; 10] {
    let side = |side: u32| u64::from(side.saturating_sub(1));
    let sides = (side(width) | side(height) << 24).to_le_bytes();
    let mut body = [flags, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (to, from) in body.iter_mut().skip(4).zip(sides) {
        *to = from;
    }
    body
}

/// Appends a chunk and its padding.
fn put(file: &mut Vec<u8>, kind: [u8; 4], body: &[u8]) {
    file.extend(kind);
    file.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    file.extend(body);
    if body.len() % 2 == 1 {
        file.push(0);
    }
}
