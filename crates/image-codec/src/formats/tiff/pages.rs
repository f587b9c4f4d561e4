//! Checks that all pages of a file are complete, and computes the cost of the first.

use std::collections::BTreeSet;

use domain::MediaType::Tiff;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::{
    chunks::{Chunks, PLACES},
    coding::Coding,
    directory::{Directory, Numbers, too_many_values},
    page::Page,
    preview,
};
use crate::{decode_error::DecodeError, formats::jpeg, meter::Meter, work};

/// Most pages.
const MAX_PAGES: usize = 10_000;

/// Longest JPEG tables, in bytes. A full set takes less than three thousand.
const MOST_TABLES: usize = 16 * 1024;

/// How many pixels a JPEG may exceed its strip or tile by: the last strip may be as high as the others.
const JPEG_MARGIN: u32 = 64;

/// How many times the file's length its JPEGs may have in total: some writers share equal ones.
const SHARED: u64 = 16;

/// Deflated data are scanned for their blocks if they might cost more than this, in units.
const SUSPICIOUS: u64 = 250_000;

/// The cost of decoding the first page, besides its pixels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) chunks: u64,
    /// Memory for decompressing one of them, in bytes.
    pub(super) chunk_memory: u64,
    /// Units of work for their data.
    pub(super) work: u64,
}

/// Counts the values of pages before they are read.
pub(super) struct Counter<'a> {
    meter: &'a Meter,
    left: u64,
}

impl<'a> Counter<'a> {
    /// Each value takes at least a byte, and pages do not share values. So the work is bounded as well.
    pub(super) fn new(bytes: &[u8], meter: &'a Meter) -> Self {
        let left = bytes.len() as u64;
        Self { meter, left }
    }

    pub(super) fn count(&mut self, directory: &Directory) -> Result<(), DecodeError> {
        self.meter.charge(work::TIFF_PAGE, 1)?;
        self.meter.charge(work::TIFF_ENTRY, directory.entries)?;
        for entry in PLACES.iter().filter_map(|tag| directory.entry(*tag)) {
            let left = self.left.checked_sub(entry.count);
            self.left = left.ok_or_else(too_many_values)?;
            self.meter.charge(work::TIFF_VALUE, entry.count)?;
        }
        Ok(())
    }
}

/// Checks that the pixels of every page after the first lie within the file. Pages may lead back to an
/// earlier one.
pub(super) fn check_others(
    bytes: &[u8],
    first: &Directory,
    counter: &mut Counter,
) -> Result<(), DecodeError> {
    let numbers = Numbers::of(bytes);
    let mut seen = BTreeSet::from([numbers.first()?]);
    let mut next = first.next();
    while let Some(at) = next.filter(|at| seen.insert(*at)) {
        if seen.len() > MAX_PAGES {
            return Err(DecodeError::malformed(Tiff, "it has too many pages"));
        }
        let directory = Directory::at(numbers, at)?;
        counter.count(&directory)?;
        preview::check_other(&directory)?;
        Chunks::check(bytes, &directory)?;
        next = directory.next();
    }
    Ok(())
}

impl Found {
    /// The cost of a page.
    pub(super) fn look(
        page: &Page,
        chunks: &[&[u8]],
        length: u64,
        meter: &Meter,
    ) -> Result<Self, DecodeError> {
        let lengths = chunks.iter().map(|chunk| chunk.len() as u64);
        let longest = lengths.clone().max().unwrap_or_default();
        let all = lengths.fold(0, u64::saturating_add);
        let count = chunks.len() as u64;
        // Data whose bits are turned around are copied.
        let is_copied = page.is_bit_reversed && page.coding != Coding::None;
        let mut found = Self {
            chunks: count,
            chunk_memory: if is_copied { longest } else { 0 },
            work: work::TIFF_CHUNK.units(count),
        };
        found.work += match page.coding {
            Coding::None => 0,
            Coding::Lzw => work::LZW_READER.units(count) + work::LZW_BYTE.units(all),
            Coding::Deflate => work::DEFLATE_READER.units(count) + deflated(chunks, all, meter)?,
            Coding::Jpeg => {
                let tables = page.jpeg_tables.unwrap_or_default();
                if tables.len() > MOST_TABLES {
                    return Err(DecodeError::malformed(Tiff, "its JPEG tables are too long"));
                }
                if all > length.saturating_mul(SHARED) {
                    return Err(DecodeError::malformed(
                        Tiff,
                        "its parts lie upon each other",
                    ));
                }
                check_jpegs(page, chunks, &mut found, meter)?;
                work::JPEG_READER.units(count)
                    + work::JPEG_TABLE_BYTE.units(count.saturating_mul(tables.len() as u64))
            }
            Coding::Fax(_) => work::FAX_BYTE.units(all),
            Coding::PackBits => work::PACKED_BYTE.units(all),
        };
        Ok(found)
    }
}

/// The work of inflating all chunks. If it may be a lot, their blocks are counted.
fn deflated(chunks: &[&[u8]], all: u64, meter: &Meter) -> Result<u64, DecodeError> {
    let at_worst = work::DEFLATE_BYTE_AT_WORST.units(all);
    if at_worst <= SUSPICIOUS {
        return Ok(at_worst);
    }
    let mut room = vec![0; 64 * 1024];
    let mut calls = 0;
    for chunk in chunks {
        calls += blocks(chunk, &mut room, meter)?;
    }
    Ok(work::TIFF_DEFLATE_BLOCK.units(calls) + work::DEFLATE_BYTE.units(all))
}

/// The number of blocks, with long ones counted several times. Invalid data have as many as are found.
fn blocks(chunk: &[u8], room: &mut [u8], meter: &Meter) -> Result<u64, DecodeError> {
    let mut inflate = Inflate::new(true, 15);
    let mut calls = 0;
    loop {
        let position = usize::try_from(inflate.total_in()).unwrap_or(usize::MAX);
        let rest = chunk.get(position..).unwrap_or_default();
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(rest, room, InflateFlush::Block);
        let consumed = inflate.total_in() - before.0;
        meter.charge(work::DEFLATE_BLOCK, 1)?;
        meter.charge(work::DEFLATE_BYTE, consumed)?;
        meter.charge(work::INFLATED_BYTE, inflate.total_out() - before.1)?;
        calls += 1;
        let stands_still = before == (inflate.total_in(), inflate.total_out());
        if stands_still || !matches!(status, Ok(Status::Ok | Status::BufError)) {
            return Ok(calls);
        }
    }
}

/// A JPEG has a size of its own, whatever the page says, and wherever it is: the tables are put before each
/// part.
fn check_jpegs(
    page: &Page,
    chunks: &[&[u8]],
    found: &mut Found,
    meter: &Meter,
) -> Result<(), DecodeError> {
    let grid = (page.grid.width, page.grid.rows);
    let tables = page.jpeg_tables.unwrap_or_default();
    if let Some(size) = jpeg::size_among_tables(tables, meter)? {
        check_jpeg(grid, size)?;
    }
    for chunk in chunks {
        meter.charge(work::FILE_BYTE, chunk.len() as u64)?;
        let part = jpeg::part(chunk, meter);
        let part = part.map_err(|refusal| match refusal {
            refusal @ (DecodeError::TooComplex { .. }
            | DecodeError::TimedOut
            | DecodeError::Cancelled) => refusal,
            refusal => DecodeError::corrupt(Tiff, refusal),
        })?;
        check_jpeg(grid, part.size)?;
        let memory = part.memory.saturating_add(chunk.len() as u64);
        found.chunk_memory = found.chunk_memory.max(memory);
        found.work = found.work.saturating_add(part.work);
    }
    Ok(())
}

fn check_jpeg((width, height): (u32, u32), (across, down): (u32, u32)) -> Result<(), DecodeError> {
    let fits = |side: u32, chunk: u32| side <= chunk.saturating_add(JPEG_MARGIN);
    if !fits(across, width) || !fits(down, height) {
        return Err(DecodeError::malformed(
            Tiff,
            "a part is larger than the page",
        ));
    }
    Ok(())
}
