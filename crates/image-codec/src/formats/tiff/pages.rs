//! Checks that all pages of a file are complete, and computes the cost of the first.

use domain::MediaType::Tiff;
use tiff::{
    Directory,
    decoder::Decoder,
    tags::{CompressionMethod, Tag},
};
use zlib_rs::{Inflate, InflateFlush, Status};

use super::{
    Patched,
    directory::{Numbers, check_count, too_many_values},
    refuse, tag,
};
use crate::{decode_error::DecodeError, formats::jpeg, meter::Meter, work};

/// Most pages; also detects cycles of pages.
const MAX_PAGES: usize = 10_000;

/// How many pixels a JPEG may exceed its strip or tile by: it consists of blocks.
const JPEG_MARGIN: u32 = 64;

/// Longest JPEG tables, in bytes. A full set takes less than three thousand.
const MOST_TABLES: usize = 16 * 1024;

/// How many times the file's length its JPEGs may have in total: some writers share equal ones.
const SHARED: u64 = 16;

/// Deflated data are scanned for their blocks if they might cost more than this, in units.
const SUSPICIOUS: u64 = 250_000;

/// Offsets and lengths of the strips or tiles of a page.
const CHUNKS: [[Tag; 2]; 2] = [
    [Tag::StripOffsets, Tag::StripByteCounts],
    [Tag::TileOffsets, Tag::TileByteCounts],
];

/// The cost of decoding the first page, besides its pixels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) chunks: u64,
    /// The decoder's memory for one of them, in bytes.
    pub(super) chunk_memory: u64,
    /// Units of work for their data.
    pub(super) work: u64,
}

/// Checks that the pixels of every page lie within the file, and those of the first within limits.
pub(super) fn check(
    decoder: &mut Decoder<Patched>,
    bytes: &[u8],
    meter: &Meter,
) -> Result<Found, DecodeError> {
    let numbers = Numbers::of(bytes);
    let mut found = Found::default();
    let mut next = decoder.ifd_pointer();
    // Each value takes at least a byte, and pages do not share values. So the work is bounded as well.
    let mut left = bytes.len() as u64;
    for number in 0..MAX_PAGES {
        let Some(pointer) = next else {
            return Ok(found);
        };
        let entries = numbers.count(pointer.0).unwrap_or_default();
        meter.charge(work::TIFF_PAGE, 1)?;
        meter.charge(work::TIFF_ENTRY, entries.min(bytes.len() as u64))?;
        let directory = decoder.read_directory(pointer).map_err(refuse)?;
        for entry in CHUNKS
            .as_flattened()
            .iter()
            .filter_map(|tag| directory.get(*tag))
        {
            check_count(entry.count())?;
            left = left
                .checked_sub(entry.count())
                .ok_or_else(too_many_values)?;
            meter.charge(work::TIFF_VALUE, entry.count())?;
        }
        let chunks = chunks(decoder, &directory, bytes)?;
        if number == 0 {
            let length = bytes.len() as u64;
            found = Found::look(decoder, &directory, &chunks, length, meter)?;
        }
        next = directory.next();
    }
    Err(DecodeError::malformed(Tiff, "it has too many pages"))
}

impl Found {
    fn look(
        decoder: &mut Decoder<Patched>,
        directory: &Directory,
        chunks: &[&[u8]],
        length: u64,
        meter: &Meter,
    ) -> Result<Self, DecodeError> {
        let lengths = chunks.iter().map(|chunk| chunk.len() as u64);
        let longest = lengths.clone().max().unwrap_or_default();
        let all = lengths.fold(0, u64::saturating_add);
        let count = chunks.len() as u64;
        let mut found = Self {
            chunks: count,
            chunk_memory: longest,
            work: work::TIFF_CHUNK.units(count),
        };
        let compression = tag(decoder, Tag::Compression)?.unwrap_or(1);
        found.work += match CompressionMethod::from_u16_exhaustive(compression) {
            CompressionMethod::None => 0,
            CompressionMethod::LZW => work::LZW_READER.units(count) + work::LZW_BYTE.units(all),
            CompressionMethod::Deflate | CompressionMethod::OldDeflate => {
                work::DEFLATE_READER.units(count) + deflated(chunks, all, meter)?
            }
            CompressionMethod::ModernJPEG => {
                let tables = tables(decoder, directory)?;
                if all > length.saturating_mul(SHARED) {
                    return Err(DecodeError::malformed(
                        Tiff,
                        "its parts lie upon each other",
                    ));
                }
                check_jpegs(
                    decoder.chunk_dimensions(),
                    &tables,
                    chunks,
                    &mut found,
                    meter,
                )?;
                work::JPEG_READER.units(count)
                    + work::JPEG_TABLE_BYTE.units(count.saturating_mul(tables.len() as u64))
            }
            CompressionMethod::Fax4 => work::FAX_BYTE.units(all),
            _ => work::PACKED_BYTE.units(all),
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

/// The strips or tiles of a page.
fn chunks<'a>(
    decoder: &mut Decoder<Patched>,
    directory: &Directory,
    bytes: &'a [u8],
) -> Result<Vec<&'a [u8]>, DecodeError> {
    let mut tags = decoder.read_directory_tags(directory);
    let mut chunks = Vec::new();
    for [offsets, lengths] in CHUNKS {
        let mut numbers = |tag| {
            let numbers = tags.find_tag_unsigned_vec::<usize>(tag).map_err(refuse)?;
            Ok(numbers.unwrap_or_default())
        };
        for (offset, length) in numbers(offsets)?.into_iter().zip(numbers(lengths)?) {
            let chunk = bytes.get(offset..offset.saturating_add(length));
            chunks.push(chunk.ok_or(DecodeError::Truncated(Tiff))?);
        }
    }
    Ok(chunks)
}

/// The shared start of all JPEGs of a page, which replaces their first two bytes.
fn tables(decoder: &mut Decoder<Patched>, directory: &Directory) -> Result<Vec<u8>, DecodeError> {
    let mut tags = decoder.read_directory_tags(directory);
    let Some(tables) = tags.find_tag(Tag::JPEGTables).map_err(refuse)? else {
        return Ok(Vec::new());
    };
    let mut tables = tables.into_u8_vec().map_err(refuse)?;
    if tables.len() > MOST_TABLES {
        return Err(DecodeError::malformed(Tiff, "its JPEG tables are too long"));
    }
    // The end marker.
    tables.truncate(tables.len().saturating_sub(2));
    Ok(tables)
}

/// The decoder trusts a JPEG's own size, whatever the page says, and wherever it is: the tables are put
/// before each part.
fn check_jpegs(
    page: (u32, u32),
    tables: &[u8],
    chunks: &[&[u8]],
    found: &mut Found,
    meter: &Meter,
) -> Result<(), DecodeError> {
    if let Some(size) = jpeg::size_among_tables(tables, meter)? {
        check_jpeg(page, size)?;
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
        check_jpeg(page, part.size)?;
        found.chunk_memory = found
            .chunk_memory
            .max(part.memory.saturating_add(chunk.len() as u64));
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
