//! WebP (RFC 9649); the first frame of an animation.

mod bits;
mod container;
mod lossless;

use std::{
    borrow::Cow,
    io::{BufRead, Cursor, Read, Seek},
};

use domain::MediaType::WebP;
use image::{ImageDecoder, codecs::webp::WebPDecoder};

use self::{container::Container, lossless::Side};
use super::{Header, decode_with};
use crate::{
    byte_reader::ByteReader,
    decode_error::DecodeError,
    meter::Meter,
    raster::{Raster, buffer_size},
    source::Metered,
    work,
};

/// The flag of an animation, in the first byte of `VP8X`.
const ANIMATION: u8 = 0b10;

/// The compression bits in the first byte of `ALPH`, and their value for a lossless bitstream.
const ALPHA_COMPRESSION: (u8, u8) = (0b11, 0b01);

/// The signature and the sizes at the front of `VP8L`, in bytes.
const LOSSLESS_HEADER_LENGTH: usize = 5;

/// Length of the signatures and the length at the front of a file.
const FRONT: usize = 12;

/// Memory of the decoder's buffers and tables, for any picture.
const BUFFERS: u64 = 1024 * 1024;

/// How the pixels of a picture, or of the first frame, are stored.
#[derive(Debug, Clone, Copy, Default)]
struct Kinds {
    is_lossless: bool,
    has_alpha: bool,
    is_animated: bool,
    /// Bytes of lossy data.
    lossy_length: u64,
    /// Bytes of lossless data, including alpha.
    lossless_length: u64,
    /// The cost of lossless data, including alpha, besides the pixels.
    side: Side,
}

/// The result of scanning all chunks.
#[derive(Debug)]
struct Chunks {
    canvas: (u32, u32),
    kinds: Kinds,
    frames: u32,
    /// Whether the decoder reads frames.
    is_animation: bool,
    /// The expected size of the next image: the canvas, or a frame.
    size: (u32, u32),
}

/// Scans all chunks: the decoder trusts a chunk's length and a frame's size.
pub(super) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    let container = Container::read(bytes, meter)?;
    let file = container.file.as_ref();
    let canvas = open(Metered::new(Cursor::new(file), meter))?.dimensions();
    let mut walk = ByteReader::new(WebP, file);
    walk.take(FRONT)?;
    let mut chunks = Chunks::new(canvas);
    chunks.walk(walk, meter)?;
    let copied = match &container.file {
        Cow::Owned(file) => file.len() as u64,
        Cow::Borrowed(_) => 0,
    };
    Ok(Header {
        orientation: container.orientation,
        decode_bytes: chunks.kinds.memory(canvas).saturating_add(copied),
        work: chunks.kinds.work(canvas),
        end: container.end,
        ..Header::new(WebP, canvas, max_side)
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let container = Container::read(bytes, meter)?;
    let file = Metered::new(Cursor::new(container.file.as_ref()), meter);
    decode_with(open(file)?, header, meter)
}

fn open<R: BufRead + Seek + Read>(file: R) -> Result<WebPDecoder<R>, DecodeError> {
    WebPDecoder::new(file).map_err(|error| DecodeError::of_image_error(WebP, error))
}

impl Chunks {
    fn new(canvas: (u32, u32)) -> Self {
        Self {
            canvas,
            kinds: Kinds::default(),
            frames: 0,
            is_animation: false,
            size: canvas,
        }
    }

    /// Checks that every chunk is complete and no frame is larger than the canvas.
    ///
    /// A frame contains chunks, but no frames: there are exactly two levels.
    fn walk(&mut self, mut file: ByteReader, meter: &Meter) -> Result<(), DecodeError> {
        let mut frame = ByteReader::new(WebP, &[]);
        loop {
            meter.charge(work::CHUNK, 1)?;
            let is_in_frame = !frame.rest().is_empty();
            if !is_in_frame && file.rest().is_empty() {
                return Ok(());
            }
            let (kind, body) = chunk(if is_in_frame { &mut frame } else { &mut file })?;
            if &kind == b"ANMF" {
                if is_in_frame {
                    return Err(DecodeError::malformed(WebP, "a frame is within another"));
                }
                frame = ByteReader::new(WebP, body);
                self.begin_frame(&mut frame)?;
                continue;
            }
            if !is_in_frame {
                self.size = self.canvas;
            }
            self.check(kind, body)?;
            if !is_in_frame || self.frames < 2 {
                self.note(kind, body, meter)?;
            }
        }
    }

    /// Skips the header of a frame.
    fn begin_frame(&mut self, frame: &mut ByteReader) -> Result<(), DecodeError> {
        frame.take(6)?;
        let size = (frame.u24_le()? + 1, frame.u24_le()? + 1);
        frame.take(4)?;
        self.frames += 1;
        self.kinds.is_animated = true;
        if self.is_animation {
            self.check_size(size)?;
            self.size = size;
        }
        Ok(())
    }

    fn check(&self, kind: [u8; 4], body: &[u8]) -> Result<(), DecodeError> {
        match &kind {
            b"VP8 " => self.check_size(vp8_size(body)?),
            b"VP8L" => self.check_size(vp8l_size(body)?),
            _ => Ok(()),
        }
    }

    /// Records a chunk that the decoder may read.
    fn note(&mut self, kind: [u8; 4], body: &[u8], meter: &Meter) -> Result<(), DecodeError> {
        match &kind {
            b"VP8X" => {
                let flags = body.first().copied().unwrap_or_default();
                self.is_animation = flags & ANIMATION != 0;
            }
            b"VP8L" => {
                let stream = body.get(LOSSLESS_HEADER_LENGTH..).unwrap_or_default();
                self.note_lossless(stream, vp8l_size(body)?, meter)?;
            }
            b"ALPH" => self.note_alpha(body, meter)?,
            _ => {}
        }
        self.kinds.note(kind, body);
        Ok(())
    }

    fn note_alpha(&mut self, body: &[u8], meter: &Meter) -> Result<(), DecodeError> {
        let (mask, lossless) = ALPHA_COMPRESSION;
        match body.split_first() {
            Some((flags, stream)) if flags & mask == lossless => {
                self.note_lossless(stream, self.size, meter)
            }
            _ => Ok(()),
        }
    }

    fn note_lossless(
        &mut self,
        stream: &[u8],
        size: (u32, u32),
        meter: &Meter,
    ) -> Result<(), DecodeError> {
        let tables = lossless::inspect(stream, size, meter)?;
        let sum = &mut self.kinds.side;
        sum.memory = sum.memory.max(tables.memory);
        sum.work = sum.work.saturating_add(tables.work);
        Ok(())
    }

    fn check_size(&self, size: (u32, u32)) -> Result<(), DecodeError> {
        if size.0 > self.canvas.0 || size.1 > self.canvas.1 {
            return Err(DecodeError::malformed(
                WebP,
                "a frame is larger than the canvas",
            ));
        }
        Ok(())
    }
}

/// Skips a chunk and its padding.
fn chunk<'a>(walk: &mut ByteReader<'a>) -> Result<([u8; 4], &'a [u8]), DecodeError> {
    let kind = walk.array()?;
    let length = walk.u32_le()?;
    let body = walk.take_u32(length)?;
    if length % 2 == 1 && !walk.rest().is_empty() {
        walk.take(1)?;
    }
    Ok((kind, body))
}

impl Kinds {
    fn note(&mut self, kind: [u8; 4], body: &[u8]) {
        let length = body.len() as u64;
        match &kind {
            b"VP8L" => {
                self.is_lossless = true;
                self.lossless_length += length;
            }
            b"ALPH" => {
                self.has_alpha = true;
                self.lossless_length += length;
            }
            b"VP8 " => self.lossy_length += length,
            _ => {}
        }
    }

    /// The decoder's peak memory for a picture of that size: its output, and the buffers beside it.
    fn memory(self, (width, height): (u32, u32)) -> u64 {
        let of = |bytes| buffer_size(width, height, bytes);
        // Whole macroblocks, of one luminance plane and two chrominance planes of a quarter.
        let planes = buffer_size(width.next_multiple_of(16), height.next_multiple_of(16), 3) / 2;
        let rows = u64::from(width) * 64;
        let lossless = of(4) + self.side.memory;
        let lossy = if self.has_alpha {
            planes + of(4) + of(1) + lossless
        } else {
            planes + of(3)
        };
        let still = if self.is_lossless {
            // The pixels, and a second copy if alpha is dropped.
            lossy.max(lossless + of(3))
        } else {
            lossy
        };
        // The canvas, and the composed frame.
        let animated = if self.is_animated { of(4) + of(4) } else { 0 };
        still + animated + rows + BUFFERS
    }

    fn work(self, (width, height): (u32, u32)) -> u64 {
        let pixels = buffer_size(width, height, 1);
        let lossy = if self.lossy_length == 0 {
            0
        } else {
            work::WEBP_LOSSY_PIXEL.units(pixels)
        };
        let lossless = if self.is_lossless || self.has_alpha {
            work::WEBP_LOSSLESS_PIXEL.units(pixels)
        } else {
            0
        };
        let animated = if self.is_animated {
            work::WEBP_CANVAS_PIXEL.units(pixels)
        } else {
            0
        };
        lossy
            + lossless
            + animated
            + work::WEBP_LOSSY_BYTE.units(self.lossy_length)
            + work::WEBP_LOSSLESS_BYTE.units(self.lossless_length)
            + self.side.work
    }
}

/// RFC 6386, section 9.1: three bytes of flags, three of signature, then the sizes in 14 bits each.
fn vp8_size(body: &[u8]) -> Result<(u32, u32), DecodeError> {
    let mut walk = ByteReader::new(WebP, body);
    walk.take(6)?;
    let (width, height) = (walk.u16_le()?, walk.u16_le()?);
    Ok(((width & 0x3FFF).into(), (height & 0x3FFF).into()))
}

/// RFC 9649, section 3.4: a signature of one byte, then the sizes less one in 14 bits each.
fn vp8l_size(body: &[u8]) -> Result<(u32, u32), DecodeError> {
    let mut walk = ByteReader::new(WebP, body);
    walk.take(1)?;
    let sizes = walk.u32_le()?;
    Ok(((sizes & 0x3FFF) + 1, ((sizes >> 14) & 0x3FFF) + 1))
}
