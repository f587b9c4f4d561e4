//! BMP (Windows and OS/2 bitmaps).
//!
//! The decoder only decodes whole pictures. So it is given a few rows at a time, each time as a picture of
//! its own. Run-length encoding, which is always bottom-up, is expanded here.

mod rle;

use std::{borrow::Cow, io::Cursor};

use domain::MediaType::Bmp;
use image::{ColorType, ImageDecoder, codecs::bmp::BmpDecoder};

use self::rle::Runs;
use super::{Header, Rows, check_sides};
use crate::{
    byte_reader::ByteReader,
    decode_error::DecodeError,
    meter::Meter,
    raster::{Raster, buffer_size},
    work,
};

/// The least bytes of rows given to the decoder at a time.
const STRIP: usize = 64 * 1024;

/// Length of the first header.
const FILE_HEADER: usize = 14;
/// Length of the shortest second header, whose sides have 16 bits.
const CORE_HEADER: u32 = 12;
/// Lengths of the second header.
const HEADERS: [u32; 7] = [CORE_HEADER, INFO_HEADER, 52, 56, OS2_HEADER, 108, 124];
/// Length of the header of Windows 3.
const INFO_HEADER: u32 = 40;
/// Length of the header of OS/2 2.x: that of Windows 3, and details of printing.
const OS2_HEADER: u32 = 64;

/// Upper bound of all headers, masks and palettes.
const HEAD: usize = FILE_HEADER + 124 + 12 + 4 * 256;

// Offsets of the fields that are replaced for the decoder.
const DATA_OFFSET: usize = 10;
const HEIGHT: usize = 22;
const CORE_HEIGHT: usize = 20;

/// The layout given by the headers.
struct Layout<'a> {
    /// The headers, masks and palette, as the decoder knows them.
    head: Cow<'a, [u8]>,
    /// The pixels, to the end of the file.
    data: &'a [u8],
    size: (u32, u32),
    /// Bytes of a row.
    stride: usize,
    /// How many of these are no pixels.
    padding: u64,
    bits: u16,
    /// 1 and 2 are run-length encoding of 8 and 4 bits.
    compression: u32,
    is_core: bool,
    is_top_down: bool,
}

pub(super) fn inspect(bytes: &[u8], max_side: u32) -> Result<Header, DecodeError> {
    let layout = Layout::read(bytes)?;
    check_sides(layout.size)?;
    let decoder = open(&layout.head)?;
    let size = decoder.dimensions();
    let strip = (layout.stride.max(STRIP) as u64).saturating_mul(2);
    // Rows as stored, and decoded: at one bit a pixel, 24 times as many bytes.
    let bytes_per_pixel = u64::from(decoder.color_type().bytes_per_pixel());
    let rows = (STRIP / layout.stride.max(1)) as u64 + 1;
    let header = Header {
        decode_bytes: strip + buffer_size(size.0, 1, bytes_per_pixel).saturating_mul(rows),
        work: work::BMP_PIXEL.units(buffer_size(size.0, size.1, 1)) + layout.work_of_runs(),
        end: bytes.len(),
        ..Header::new(Bmp, size, max_side)
    };
    layout.check(&header)?;
    Ok(header)
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let layout = Layout::read(bytes)?;
    if layout.is_run_length_coded() {
        decode_runs(&layout, header, meter)
    } else {
        decode_rows(&layout, header, meter)
    }
}

fn decode_rows(layout: &Layout, header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let mut head = layout.head.to_vec();
    let mut rows = Rows::new(header, open(&layout.strip(&mut head, &[], 1))?.color_type())?;
    let height = header.height as usize;
    let at_a_time = (STRIP / layout.stride.max(1)).max(1);
    let mut pixels = Vec::new();
    for top in (0..height).step_by(at_a_time) {
        meter.check()?;
        let count = at_a_time.min(height - top);
        let first = if layout.is_top_down {
            top
        } else {
            height - top - count
        };
        let strip = layout.strip(&mut head, layout.rows(first, count), count);
        let decoder = open(&strip)?;
        pixels.resize(
            usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX),
            0,
        );
        let row = header.width as usize * usize::from(decoder.color_type().bytes_per_pixel());
        let refuse = |error| DecodeError::of_image_error(Bmp, error);
        decoder.read_image(&mut pixels).map_err(refuse)?;
        for row in pixels.chunks_exact(row.max(1)) {
            rows.row(row);
        }
    }
    rows.finish()
}

fn decode_runs(layout: &Layout, header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let decoder = open(&layout.head)?;
    let palette = decoder.get_palette().unwrap_or_default();
    let mut rows = Rows::from_bottom(header, ColorType::Rgb8)?;
    let mut pixels = vec![0; header.width as usize * 3];
    let runs = Runs::new(layout.data, layout.bits == 4, header.width as usize);
    runs.expand(header.height as usize, |places| {
        let (pixels_of_row, _) = pixels.as_chunks_mut::<3>();
        for (pixel, place) in pixels_of_row.iter_mut().zip(places) {
            *pixel = palette
                .get(usize::from(*place))
                .copied()
                .unwrap_or_default();
        }
        rows.row(&pixels);
        meter.check()
    })?;
    rows.finish()
}

fn open(bytes: &[u8]) -> Result<BmpDecoder<Cursor<&[u8]>>, DecodeError> {
    BmpDecoder::new(Cursor::new(bytes)).map_err(|error| DecodeError::of_image_error(Bmp, error))
}

/// Refuses kinds that are not read, by name.
fn check_kind(header: u32, compression: u32) -> Result<(), DecodeError> {
    let is_os2 = header == OS2_HEADER;
    let name = match compression {
        _ if !HEADERS.contains(&header) => {
            let what = format!("a header of {header} bytes");
            return Err(DecodeError::unsupported(Bmp, what));
        }
        3 if is_os2 => "Huffman coding",
        4 if is_os2 => "run-length encoding of 24 bits",
        0..=3 | 6 => return Ok(()),
        4 => "a JPEG within it",
        5 => "a PNG within it",
        11..=13 => "CMYK",
        _ => "an unknown compression",
    };
    Err(DecodeError::unsupported(Bmp, name))
}

/// Bytes of the palette, by the number of colours that follows the compression.
fn colours(walk: &mut ByteReader, is_core: bool, bits: u16) -> usize {
    if bits > 8 {
        return 0;
    }
    let all = 1 << bits;
    if is_core {
        return 3 * all;
    }
    let given = walk.take(12).and_then(|_| walk.u32_le()).unwrap_or(0);
    match usize::try_from(given) {
        Ok(given @ 1..=256) => 4 * given,
        _ => 4 * all,
    }
}

/// The headers, masks and palette. The header of OS/2 is cut to the part that the decoder knows.
fn head(bytes: &[u8], header: u32) -> Cow<'_, [u8]> {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    if header != OS2_HEADER {
        return Cow::Borrowed(head);
    }
    let known = INFO_HEADER as usize;
    let (file, rest) = head.split_at_checked(FILE_HEADER).unwrap_or_default();
    let front = rest.get(4..known).unwrap_or_default();
    let palette = rest.get(OS2_HEADER as usize..).unwrap_or_default();
    Cow::Owned([file, &INFO_HEADER.to_le_bytes(), front, palette].concat())
}

impl<'a> Layout<'a> {
    /// Parses the headers as far as they matter here; the decoder validates them.
    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut walk = ByteReader::new(Bmp, bytes);
        walk.take(FILE_HEADER - 4)?;
        let data = walk.u32_le()? as usize;
        let header = walk.u32_le()?;
        let is_core = header == CORE_HEADER;
        let (width, height) = if is_core {
            let [width, height] = [walk.u16_le()?, walk.u16_le()?];
            (width.into(), height.into())
        } else {
            (walk.u32_le()?, walk.u32_le()?.cast_signed())
        };
        let [_planes, bits] = [walk.u16_le()?, walk.u16_le()?];
        let compression = if is_core { 0 } else { walk.u32_le()? };
        let row_bits = u64::from(width) * u64::from(bits);
        let row = row_bits.div_ceil(32) * 4;
        let padding = row - row_bits.div_ceil(8);
        let colours = colours(&mut walk, is_core, bits);
        // Some writers leave the palette out of the offset.
        let headers = FILE_HEADER + header as usize;
        let data = if data == headers {
            data + colours
        } else {
            data
        };
        check_kind(header, compression)?;
        Ok(Self {
            head: head(bytes, header),
            data: bytes.get(data..).ok_or(DecodeError::Truncated(Bmp))?,
            size: (width, height.unsigned_abs()),
            stride: usize::try_from(row).unwrap_or(usize::MAX),
            padding,
            bits,
            compression,
            is_core,
            is_top_down: height < 0,
        })
    }

    fn is_run_length_coded(&self) -> bool {
        matches!(self.compression, 1 | 2)
    }

    fn work_of_runs(&self) -> u64 {
        if self.is_run_length_coded() {
            work::BMP_RUN_BYTE.units(self.data.len() as u64)
        } else {
            0
        }
    }

    /// Checks that all rows are present.
    fn check(&self, header: &Header) -> Result<(), DecodeError> {
        let needed = buffer_size(header.height, 1, self.stride as u64);
        // Some writers leave the last padding out.
        let needed = needed.saturating_sub(self.padding);
        if !self.is_run_length_coded() && (self.data.len() as u64) < needed {
            return Err(DecodeError::Truncated(Bmp));
        }
        Ok(())
    }

    /// `count` rows as stored.
    fn rows(&self, first: usize, count: usize) -> &'a [u8] {
        let rest = self.data.get(first * self.stride..).unwrap_or_default();
        rest.get(..count * self.stride).unwrap_or(rest)
    }

    /// A file of `count` rows, with the headers in `head` changed accordingly.
    fn strip(&self, head: &mut [u8], rows: &[u8], count: usize) -> Vec<u8> {
        let mut put = |at: usize, bytes: &[u8]| {
            for (to, from) in head.iter_mut().skip(at).zip(bytes) {
                *to = *from;
            }
        };
        let height = i32::try_from(count).unwrap_or(i32::MAX);
        let offset = u32::try_from(self.head.len()).unwrap_or(u32::MAX);
        put(DATA_OFFSET, &offset.to_le_bytes());
        match height.to_le_bytes() {
            [low, high, ..] if self.is_core => put(CORE_HEIGHT, &[low, high]),
            _ if self.is_top_down => put(HEIGHT, &(-height).to_le_bytes()),
            height => put(HEIGHT, &height),
        }
        let mut strip = [head, rows].concat();
        strip.resize(self.head.len() + count * self.stride, 0);
        strip
    }
}
