//! The stored rows of a page: strips, or rows of tiles, interleaved or in one plane for each channel.

use domain::MediaType::Tiff;
use tiff::{
    decoder::{ChunkType, Decoder},
    tags::{CompressionMethod, PlanarConfiguration, Tag},
};

use super::{
    patched::{Cut, Patched},
    refuse, tag,
};
use crate::decode_error::DecodeError;

/// Longer uncompressed strips are split, if possible.
const STRIP: u64 = 1024 * 1024;

/// Decodes a page band by band.
pub(super) struct Bands {
    height: u32,
    /// Rows of a band; the last one may have fewer.
    rows: u32,
    /// Tiles side by side.
    across: u32,
    /// Bytes of a row of a plane.
    row: usize,
    planes: u32,
    /// Bytes of a sample, the unit in which planes are interleaved.
    sample: usize,
    /// The planes of a band, one after the other.
    pixels: Vec<u8>,
    tile: Vec<u8>,
    tile_length: u64,
    rows_read: usize,
}

impl Bands {
    pub(super) fn new(decoder: &mut Decoder<Patched>) -> Result<Self, DecodeError> {
        let (width, height) = decoder.dimensions().map_err(refuse)?;
        let layout = decoder.image_buffer_layout().map_err(refuse)?;
        let (tile_width, rows) = decoder.chunk_dimensions();
        let bits = decoder.colortype().map_err(refuse)?.bit_depth();
        let planes = u32::try_from(layout.planes).unwrap_or(u32::MAX);
        if planes > 1 && !bits.is_multiple_of(8) {
            return Err(DecodeError::unsupported(Tiff, "planes of parts of bytes"));
        }
        let is_tiled = decoder.get_chunk_type() == ChunkType::Tile;
        let across = width.div_ceil(tile_width.max(1)).max(1);
        let rows = rows.clamp(1, height.max(1));
        let mut bands = Self {
            height,
            rows,
            across,
            row: layout.row_stride.map_or(0, usize::from),
            planes,
            sample: usize::from(bits).div_ceil(8),
            pixels: Vec::new(),
            tile: Vec::new(),
            tile_length: 0,
            rows_read: 0,
        };
        if is_tiled {
            let first = decoder.image_chunk_buffer_layout(0).map_err(refuse)?;
            let padded = (first.complete_len as u64).saturating_mul(2);
            bands.tile_length = padded.max(bands.row as u64);
        }
        Ok(bands)
    }

    pub(super) fn count(&self) -> u64 {
        self.height.div_ceil(self.rows).into()
    }

    /// Bytes of the pixels of a band.
    pub(super) fn bytes(&self) -> u64 {
        let plane = (self.row as u64).saturating_mul(self.rows.into());
        plane.saturating_mul(self.planes.into())
    }

    /// Peak memory, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let interleaved = if self.planes > 1 {
            self.row as u64 * u64::from(self.planes)
        } else {
            0
        };
        self.bytes()
            .saturating_add(self.tile_length)
            .saturating_add(interleaved)
    }

    pub(super) fn read(
        &mut self,
        decoder: &mut Decoder<Patched>,
        band: u64,
    ) -> Result<(), DecodeError> {
        let band = u32::try_from(band).unwrap_or(u32::MAX);
        let above = band.saturating_mul(self.rows);
        let rows = self.rows.min(self.height.saturating_sub(above));
        self.rows_read = rows as usize;
        let plane_length = self.row * self.rows_read;
        self.pixels.resize(plane_length * self.planes as usize, 0);
        let chunks_of_plane = self.across * self.height.div_ceil(self.rows);
        for plane in 0..self.planes {
            let first = plane * chunks_of_plane + band * self.across;
            self.read_plane(decoder, plane as usize * plane_length, first)?;
        }
        Ok(())
    }

    fn read_plane(
        &mut self,
        decoder: &mut Decoder<Patched>,
        start: usize,
        first: u32,
    ) -> Result<(), DecodeError> {
        let length = self.row * self.rows_read;
        let plane = self
            .pixels
            .get_mut(start..start + length)
            .unwrap_or_default();
        if self.across == 1 && self.tile_length == 0 {
            return decoder.read_chunk_bytes(first, plane).map_err(refuse);
        }
        let mut left = 0;
        for chunk in first..first + self.across {
            let layout = decoder.image_chunk_buffer_layout(chunk).map_err(refuse)?;
            self.tile.resize(layout.complete_len, 0);
            decoder
                .read_chunk_bytes(chunk, &mut self.tile)
                .map_err(refuse)?;
            let stride = layout.row_stride.map_or(1, usize::from);
            let rows = plane.chunks_exact_mut(self.row.max(1));
            for (target, row) in rows.zip(self.tile.chunks_exact(stride)) {
                let target = target.get_mut(left..).unwrap_or_default();
                for (to, from) in target.iter_mut().zip(row) {
                    *to = *from;
                }
            }
            left += stride;
        }
        Ok(())
    }

    /// Yields each row of the band, interleaved.
    pub(super) fn for_each_row(&self, mut take: impl FnMut(&[u8])) {
        let plane_length = self.row * self.rows_read;
        let mut together = vec![
            0;
            if self.planes > 1 {
                self.row * self.planes as usize
            } else {
                0
            }
        ];
        for number in 0..self.rows_read {
            let row = |plane: usize| {
                let start = plane * plane_length + number * self.row;
                self.pixels.get(start..start + self.row).unwrap_or_default()
            };
            if self.planes == 1 {
                take(row(0));
                continue;
            }
            for plane in 0..self.planes as usize {
                self.interleave(row(plane), plane, &mut together);
            }
            take(&together);
        }
    }

    /// Copies the samples of a plane into their pixels.
    fn interleave(&self, row: &[u8], plane: usize, pixels: &mut [u8]) {
        let (size, start) = (self.sample, plane * self.sample);
        let pixels = pixels.chunks_exact_mut((size * self.planes as usize).max(1));
        for (pixel, sample) in pixels.zip(row.chunks_exact(size.max(1))) {
            let target = pixel.get_mut(start..start + size).unwrap_or_default();
            target.copy_from_slice(sample);
        }
    }
}

/// How to split uncompressed strips.
pub(super) fn cut(decoder: &mut Decoder<Patched>) -> Result<Option<Cut>, DecodeError> {
    let compression = tag(decoder, Tag::Compression)?;
    let is_plain = compression.is_none_or(|method| method == CompressionMethod::None.to_u16());
    if !is_plain || decoder.get_chunk_type() == ChunkType::Tile {
        return Ok(None);
    }
    let (_, height) = decoder.dimensions().map_err(refuse)?;
    let rows = decoder.chunk_dimensions().1.clamp(1, height.max(1));
    let row = stored_row(decoder)?;
    if row.saturating_mul(rows.into()) <= STRIP {
        return Ok(None);
    }
    let most = u32::try_from(STRIP / row.max(1)).unwrap_or(u32::MAX);
    let Some(short) = rows_of_cut(rows, height, most) else {
        return Ok(None);
    };
    let offsets = decoder.find_tag_unsigned_vec::<u64>(Tag::StripOffsets);
    let strips = offsets.map_err(refuse)?.unwrap_or_default();
    let strips_of_plane = height.div_ceil(rows) as usize;
    let mut offsets = Vec::new();
    for (number, offset) in strips.into_iter().enumerate() {
        let above = u32::try_from(number % strips_of_plane).unwrap_or(u32::MAX) * rows;
        let rows = rows.min(height.saturating_sub(above));
        for first in (0..rows).step_by(short as usize) {
            offsets.push(offset.saturating_add(u64::from(first).saturating_mul(row)));
        }
    }
    Ok(Some(Cut {
        rows: short,
        offsets,
        length: u64::from(short).saturating_mul(row),
    }))
}

/// How many rows the new strips have: at most `most`, and such that each of the file's strips, if there are
/// several, is split evenly.
fn rows_of_cut(rows: u32, height: u32, most: u32) -> Option<u32> {
    let most = most.clamp(1, rows);
    if rows >= height {
        return (most < rows).then_some(most);
    }
    let divides = |short: &u32| rows.is_multiple_of(*short);
    (1..=most).rev().find(divides).filter(|short| *short < rows)
}

/// Bytes of a stored row of a strip.
fn stored_row(decoder: &mut Decoder<Patched>) -> Result<u64, DecodeError> {
    let (width, _) = decoder.dimensions().map_err(refuse)?;
    let bits = decoder.find_tag_unsigned_vec::<u16>(Tag::BitsPerSample);
    let bits = bits.map_err(refuse)?.and_then(|bits| bits.first().copied());
    let planar = tag(decoder, Tag::PlanarConfiguration)?;
    let samples = match planar {
        Some(planar) if planar == PlanarConfiguration::Planar.to_u16() => 1,
        _ => tag(decoder, Tag::SamplesPerPixel)?.unwrap_or(1),
    };
    let bits_of_pixel = u64::from(bits.unwrap_or(1)) * u64::from(samples);
    Ok(u64::from(width).saturating_mul(bits_of_pixel).div_ceil(8))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case((1000, 1000, 300), Some(300))]
    #[case((1000, 1000, 0), Some(1))]
    #[case((1000, 1000, 1000), None)]
    #[case((100, 1000, 30), Some(25))]
    #[case((101, 1000, 30), Some(1))]
    #[case((1, 1000, 30), None)]
    fn strips_are_cut_evenly(
        #[case] (rows, height, most): (u32, u32, u32),
        #[case] expected: Option<u32>,
    ) {
        assert_eq!(rows_of_cut(rows, height, most), expected);
    }
}
