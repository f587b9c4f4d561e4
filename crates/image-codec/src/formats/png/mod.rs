//! PNG (W3C recommendation, third edition); the default image of an APNG.
//!
//! The decoder is given neither the file nor its compressed data, but [only what makes the pixels](source),
//! and decodes row by row.

mod source;

use domain::MediaType::Png;
use image::{ColorType, metadata::Orientation};
use png::{BitDepth, Decoder, DecodingError, Limits, Reader, Transformations};

use self::source::Source;
use super::{Header, Rows, SIDE_MEMORY, exif_orientation};
use crate::{
    byte_reader::ByteReader,
    decode_error::DecodeError,
    meter::Meter,
    raster::{Raster, buffer_size},
    work,
};

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1A\n";

/// Rows in the decoder's own buffers, at most.
const ROWS_BUFFERED: u64 = 8;

/// Memory of the decoder's buffers and tables, for any picture.
const BUFFERS: u64 = 512 * 1024;

/// The chunks that matter for the pixels.
struct Chunks<'a> {
    ihdr: Ihdr,
    /// IHDR, PLTE and tRNS, as in the file.
    head: Vec<&'a [u8]>,
    has_transparency: bool,
    orientation: Orientation,
    /// Everything from the first IDAT chunk on.
    data: ByteReader<'a>,
    end: usize,
}

/// The first chunk.
#[derive(Debug, Clone, Copy)]
struct Ihdr {
    width: u32,
    height: u32,
    bit_depth: u8,
    colour_type: u8,
    is_interlaced: bool,
}

/// A chunk: its type, its content, and all its bytes.
struct Chunk<'a> {
    kind: [u8; 4],
    body: &'a [u8],
    whole: &'a [u8],
    is_intact: bool,
}

pub(super) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    let chunks = Chunks::walk(bytes, meter)?;
    let ihdr = chunks.ihdr;
    let size = (ihdr.width, ihdr.height);
    let bytes_per_pixel = ihdr.bytes_per_pixel(chunks.has_transparency);
    let row = buffer_size(ihdr.width, 1, bytes_per_pixel);
    let whole = if ihdr.is_interlaced {
        buffer_size(ihdr.width, ihdr.height, bytes_per_pixel)
    } else {
        0
    };
    Ok(Header {
        orientation: chunks.orientation,
        decode_bytes: whole + row * ROWS_BUFFERED + BUFFERS,
        work: work::PNG_BYTE.units(ihdr.data_length())
            + work::PNG_PIXEL.units(buffer_size(ihdr.width, ihdr.height, 1)),
        end: chunks.end,
        ..Header::new(Png, size, max_side)
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let chunks = Chunks::walk(bytes, meter)?;
    let source = Source::new(&chunks.head, chunks.data, chunks.ihdr.data_length(), meter);
    let limit = header.decode_bytes.saturating_add(SIDE_MEMORY);
    let bytes = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(source, Limits { bytes });
    decoder.ignore_checksums(true);
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(refuse)?;
    if reader.info().size() != (header.width, header.height) {
        return Err(DecodeError::malformed(Png, "it has two sizes"));
    }
    if reader.info().interlaced {
        decode_whole(&mut reader, header)
    } else {
        decode_rows(&mut reader, header)
    }
}

fn decode_rows(reader: &mut Reader<Source>, header: &Header) -> Result<Raster, DecodeError> {
    let (mut rows, is_wide) = rows(reader, header)?;
    let length = reader.output_line_size(header.width).unwrap_or_default();
    let mut row = vec![0; length];
    for _ in 0..header.height {
        reader.read_row(&mut row).map_err(refuse)?;
        if is_wide {
            to_native(&mut row);
        }
        rows.row(&row);
    }
    rows.finish()
}

fn decode_whole(reader: &mut Reader<Source>, header: &Header) -> Result<Raster, DecodeError> {
    let (mut rows, is_wide) = rows(reader, header)?;
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
    reader.next_frame(&mut pixels).map_err(refuse)?;
    let length = reader.output_line_size(header.width).unwrap_or_default();
    for row in pixels.chunks_exact_mut(length.max(1)) {
        if is_wide {
            to_native(row);
        }
        rows.row(row);
    }
    rows.finish()
}

/// The receiver of the rows, and whether their samples have 16 bits.
fn rows(reader: &Reader<Source>, header: &Header) -> Result<(Rows, bool), DecodeError> {
    let (color, depth) = reader.output_color_type();
    let is_wide = depth == BitDepth::Sixteen;
    let color = match (color, is_wide) {
        (png::ColorType::Grayscale, false) => ColorType::L8,
        (png::ColorType::Grayscale, true) => ColorType::L16,
        (png::ColorType::GrayscaleAlpha, false) => ColorType::La8,
        (png::ColorType::GrayscaleAlpha, true) => ColorType::La16,
        (png::ColorType::Rgb, false) => ColorType::Rgb8,
        (png::ColorType::Rgb, true) => ColorType::Rgb16,
        (png::ColorType::Rgba, false) => ColorType::Rgba8,
        (png::ColorType::Rgba, true) => ColorType::Rgba16,
        (png::ColorType::Indexed, _) => {
            return Err(DecodeError::Failed("a palette is left".into()));
        }
    };
    Ok((Rows::new(header, color)?, is_wide))
}

/// Samples of 16 bits are big-endian.
fn to_native(row: &mut [u8]) {
    for sample in row.as_chunks_mut().0 {
        *sample = u16::from_be_bytes(*sample).to_ne_bytes();
    }
}

fn refuse(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) => DecodeError::of_io_error(Png, error),
        error => DecodeError::corrupt(Png, error),
    }
}

impl<'a> Chunks<'a> {
    /// Scans all chunks. The decoder would stop at the last pixel and miss a truncated end.
    fn walk(bytes: &'a [u8], meter: &Meter) -> Result<Self, DecodeError> {
        let mut walk = ByteReader::new(Png, bytes);
        walk.take(SIGNATURE.len())?;
        let first = Chunk::take(&mut walk)?;
        let mut chunks = Self {
            ihdr: Ihdr::read(&first)?,
            head: vec![first.whole],
            has_transparency: false,
            orientation: Orientation::NoTransforms,
            data: ByteReader::new(Png, &[]),
            end: 0,
        };
        loop {
            meter.charge(work::CHUNK, 1)?;
            let before = walk.clone();
            let chunk = match Chunk::take(&mut walk) {
                Err(_) if chunks.data.rest().is_empty() && has_data(&chunks, &before) => {
                    chunks.data = before;
                    chunks.end = bytes.len();
                    return chunks.checked();
                }
                // Without an end all pixels may be there: that is found by decoding.
                Err(_) if has_data(&chunks, &before) => {
                    chunks.end = bytes.len();
                    return chunks.checked();
                }
                chunk => chunk?,
            };
            if &chunk.kind == b"IEND" {
                chunks.end = walk.position();
                return chunks.checked();
            }
            chunks.note(&chunk, before)?;
        }
    }

    fn note(&mut self, chunk: &Chunk<'a>, at: ByteReader<'a>) -> Result<(), DecodeError> {
        let is_before_data = self.data.rest().is_empty();
        match &chunk.kind {
            b"IDAT" if is_before_data => self.data = at,
            b"PLTE" if is_before_data && self.head.len() == 1 => self.head.push(chunk.whole),
            b"tRNS" if is_before_data && chunk.is_intact && !self.has_transparency => {
                self.has_transparency = true;
                self.head.push(chunk.whole);
            }
            b"eXIf" => {
                let orientation = exif_orientation(chunk.body);
                self.orientation = orientation.unwrap_or(Orientation::NoTransforms);
            }
            b"IHDR" => return Err(DecodeError::malformed(Png, "it has two headers")),
            _ => {}
        }
        if chunk.is_critical() && !chunk.is_intact {
            return Err(DecodeError::malformed(Png, "a checksum is wrong"));
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, DecodeError> {
        if self.data.rest().is_empty() {
            return Err(DecodeError::malformed(Png, "it has no pixels"));
        }
        Ok(self)
    }
}

/// Whether data come before this chunk, or begin with it.
fn has_data<'a>(chunks: &Chunks<'a>, chunk: &ByteReader<'a>) -> bool {
    !chunks.data.rest().is_empty() || Chunk::take_cut(&mut chunk.clone()).is_some()
}

impl<'a> Chunk<'a> {
    /// Data that the file ends within.
    fn take_cut(walk: &mut ByteReader<'a>) -> Option<&'a [u8]> {
        let length = usize::try_from(walk.u32_be().ok()?).ok()?;
        let kind: [u8; 4] = walk.array().ok()?;
        let rest = walk.rest();
        (&kind == b"IDAT").then(|| rest.get(..length).unwrap_or(rest))
    }

    fn take(walk: &mut ByteReader<'a>) -> Result<Self, DecodeError> {
        let all = walk.rest();
        let length = walk.u32_be()?;
        let kind = walk.array()?;
        let body = walk.take_u32(length)?;
        let checksum = walk.u32_be()?;
        let checked = all.get(4..body.len() + 8).unwrap_or_default();
        Ok(Self {
            kind,
            body,
            whole: all.get(..body.len() + 12).unwrap_or_default(),
            is_intact: zlib_rs::crc32::crc32(0, checked) == checksum,
        })
    }

    /// Critical chunks have an upper-case first letter.
    fn is_critical(&self) -> bool {
        self.kind.first().is_some_and(u8::is_ascii_uppercase)
    }
}

impl Ihdr {
    fn read(chunk: &Chunk) -> Result<Self, DecodeError> {
        if &chunk.kind != b"IHDR" {
            return Err(DecodeError::malformed(Png, "it has no header"));
        }
        let mut walk = ByteReader::new(Png, chunk.body);
        let (width, height) = (walk.u32_be()?, walk.u32_be()?);
        let [bit_depth, colour_type, _compression, _filter, interlacing] = walk.array()?;
        Ok(Self {
            width,
            height,
            bit_depth,
            colour_type,
            is_interlaced: interlacing == 1,
        })
    }

    /// Samples of a stored pixel.
    fn samples(self) -> u64 {
        match self.colour_type {
            0 | 3 => 1,
            4 => 2,
            2 => 3,
            _ => 4,
        }
    }

    /// Bytes of a decoded pixel: palettes become RGB, fewer than eight bits become eight.
    fn bytes_per_pixel(self, has_transparency: bool) -> u64 {
        let channels = if self.colour_type == 3 {
            3
        } else {
            self.samples()
        };
        let sample = if self.bit_depth == 16 { 2 } else { 1 };
        (channels + u64::from(has_transparency)) * sample
    }

    /// Bytes of all rows before compression, each with its filter byte.
    fn data_length(self) -> u64 {
        if !self.is_interlaced {
            return self.pass_length(self.width.into(), self.height.into());
        }
        let passes = PASSES.iter().map(|[left, top, across, down]| {
            let width = u64::from(self.width)
                .saturating_sub(*left)
                .div_ceil(*across);
            let height = u64::from(self.height).saturating_sub(*top).div_ceil(*down);
            self.pass_length(width, height)
        });
        passes.sum()
    }

    fn pass_length(self, width: u64, height: u64) -> u64 {
        if width == 0 {
            return 0;
        }
        let bits = width * self.samples() * u64::from(self.bit_depth);
        height.saturating_mul(1 + bits.div_ceil(8))
    }
}

/// The first pixel of each pass of an interlaced picture, and the distances to the next ones.
const PASSES: [[u64; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];
