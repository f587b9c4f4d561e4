//! The rows of a page: of strips or tiles, interleaved or in a plane for each sample.

use super::{chunks::Chunks, page::Page, predict, reader::Reader, samples};
use crate::{decode_error::DecodeError, meter::Meter};

/// Buffers for a stored row.
#[derive(Default)]
struct Buffers {
    stored: Vec<u8>,
    spare: Vec<u8>,
    unpacked: Vec<u8>,
}

impl Buffers {
    /// Reads a stored row, and unpacks its first pixels.
    fn read(
        &mut self,
        page: &Page,
        reader: &mut Reader,
        pixels: usize,
    ) -> Result<&[u8], DecodeError> {
        let length = usize::try_from(page.stored_row()).unwrap_or(usize::MAX);
        self.stored.resize(length, 0);
        reader.fill(&mut self.stored)?;
        predict::undo(&mut self.stored, page, &mut self.spare);
        self.unpacked.clear();
        let count = pixels * page.samples_of_plane();
        samples::unpack(&self.stored, page.bits, count, &mut self.unpacked);
        Ok(&self.unpacked)
    }
}

/// Peak memory besides the compressed data, in bytes. `chunk` is that of a part being decompressed.
pub(super) fn memory(page: &Page, chunk: u64) -> u64 {
    let row = unpacked_row(page) as u64;
    let rows = if page.grid.across == 1 {
        1
    } else {
        u64::from(page.grid.rows.min(page.size.1))
    };
    let readers = if page.grid.across == 1 {
        page.planes() as u64
    } else {
        1
    };
    let band = row.saturating_mul(rows + 3);
    let stored = page.stored_row().saturating_mul(3);
    let readers = chunk
        .saturating_add(super::reader::MEMORY)
        .saturating_mul(readers);
    band.saturating_add(stored).saturating_add(readers)
}

/// Bytes of a row of unpacked pixels.
fn unpacked_row(page: &Page) -> usize {
    page.size.0 as usize * page.samples * page.sample_size()
}

/// Yields all rows, each as its unpacked and interleaved samples.
pub(super) fn for_each(
    page: &Page<'_>,
    chunks: &Chunks,
    meter: &Meter,
    mut take: impl FnMut(&[u8]),
) -> Result<(), DecodeError> {
    let mut buffers = Buffers::default();
    for down in 0..page.grid.down {
        meter.check()?;
        if page.grid.across == 1 {
            one_across(page, chunks, meter, down, &mut buffers, &mut take)?;
        } else {
            many_across(page, chunks, meter, down, &mut buffers, &mut take)?;
        }
    }
    Ok(())
}

/// Rows of a strip, which need not be in memory as a whole.
fn one_across(
    page: &Page<'_>,
    chunks: &Chunks,
    meter: &Meter,
    down: u32,
    buffers: &mut Buffers,
    take: &mut impl FnMut(&[u8]),
) -> Result<(), DecodeError> {
    let readers = (0..page.planes()).map(|plane| {
        let chunk = chunks.get(page, plane, down, 0)?;
        Reader::new(page, chunk, meter)
    });
    let mut readers = readers.collect::<Result<Vec<_>, _>>()?;
    let (width, size) = (page.size.0 as usize, page.sample_size());
    let mut row = vec![0; unpacked_row(page)];
    for _ in 0..page.rows_of(down) {
        if let [reader] = readers.as_mut_slice() {
            take(buffers.read(page, reader, width)?);
            continue;
        }
        for (plane, reader) in readers.iter_mut().enumerate() {
            let samples = buffers.read(page, reader, width)?;
            samples::interleave(samples, size, plane * size, page.samples * size, &mut row);
        }
        take(&row);
    }
    Ok(())
}

/// Rows of tiles side by side.
fn many_across(
    page: &Page<'_>,
    chunks: &Chunks,
    meter: &Meter,
    down: u32,
    buffers: &mut Buffers,
    take: &mut impl FnMut(&[u8]),
) -> Result<(), DecodeError> {
    let rows = page.rows_of(down) as usize;
    let (size, length) = (page.sample_size(), unpacked_row(page));
    let pixel = page.samples * size;
    let mut band = vec![0; rows * length];
    for plane in 0..page.planes() {
        for across in 0..page.grid.across {
            meter.check()?;
            let chunk = chunks.get(page, plane, down, across)?;
            let mut reader = Reader::new(page, chunk, meter)?;
            let left = across.saturating_mul(page.grid.width);
            let width = page.grid.width.min(page.size.0.saturating_sub(left)) as usize;
            let (from, to) = (left as usize * pixel, (left as usize + width) * pixel);
            for row in band.chunks_exact_mut(length.max(1)) {
                let target = row.get_mut(from..to).unwrap_or_default();
                let samples = buffers.read(page, &mut reader, width)?;
                if page.is_planar {
                    samples::interleave(samples, size, plane * size, pixel, target);
                } else {
                    target.copy_from_slice(samples);
                }
            }
        }
    }
    for row in band.chunks_exact(length.max(1)) {
        take(row);
    }
    Ok(())
}
