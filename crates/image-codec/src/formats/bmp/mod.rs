//! BMP (Windows and OS/2 bitmaps).
//!
//! The decoder only decodes whole pictures. So it is given a few rows at a time, each time as a picture of
//! its own. Run-length encoding, which is always bottom-up, is expanded here.

mod rle;

use std::io::Cursor;

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
const HEADERS: [u32; 6] = [CORE_HEADER, 40, 52, 56, 108, 124];

/// Upper bound of all headers, masks and palettes.
const HEAD: usize = FILE_HEADER + 124 + 12 + 4 * 256;

// Offsets of the fields that are replaced for the decoder.
const DATA_OFFSET: usize = 10;
const HEIGHT: usize = 22;
const CORE_HEIGHT: usize = 20;

/// The layout given by the headers.
struct Layout<'a> {
    /// The headers, masks and palette.
    head: &'a [u8],
    /// The pixels, to the end of the file.
    data: &'a [u8],
    size: (u32, u32),
    /// Bytes of a row.
    stride: usize,
    bits: u16,
    /// 1 and 2 are run-length encoding of 8 and 4 bits.
    compression: u32,
    is_core: bool,
    /// Whether the headers have a known length.
    is_known: bool,
    is_top_down: bool,
}

pub(super) fn inspect(bytes: &[u8], max_side: u32) -> Result<Header, DecodeError> {
    let layout = Layout::read(bytes)?;
    if layout.is_known {
        check_sides(layout.size)?;
    }
    let decoder = open(bytes)?;
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
        decode_runs(bytes, &layout, header, meter)
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

fn decode_runs(
    bytes: &[u8],
    layout: &Layout,
    header: &Header,
    meter: &Meter,
) -> Result<Raster, DecodeError> {
    let decoder = open(bytes)?;
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
        let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
        Ok(Self {
            head: bytes.get(..HEAD).unwrap_or(bytes),
            data: bytes.get(data..).ok_or(DecodeError::Truncated(Bmp))?,
            size: (width, height.unsigned_abs()),
            stride: usize::try_from(row).unwrap_or(usize::MAX),
            bits,
            compression,
            is_core,
            is_known: HEADERS.contains(&header),
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
