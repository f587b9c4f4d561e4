//! Whether all pages of a file are there.

use domain::MediaType::Tiff;
use tiff::{
    Directory,
    decoder::Decoder,
    tags::{CompressionMethod, Tag},
};

use super::{
    Patched,
    directory::{check_count, too_many_values},
    refuse, tag,
};
use crate::{formats::jpeg, refusal::Refusal};

/// Most pages; a chain of pages that never ends is found out by it.
const MAX_PAGES: usize = 10_000;

/// By how many pixels a JPEG may exceed the chunk it is in: it consists of blocks.
const JPEG_MARGIN: u32 = 64;

/// Longest JPEG tables, in bytes. All that there can be take less than three thousand.
const MOST_TABLES: usize = 16 * 1024;

/// How many times as long as the file its JPEGs may be together: some writers keep equal ones once.
const SHARED: usize = 16;

/// Where the strips or tiles of a page are, and how long.
const CHUNKS: [[Tag; 2]; 2] = [
    [Tag::StripOffsets, Tag::StripByteCounts],
    [Tag::TileOffsets, Tag::TileByteCounts],
];

/// Checks that the pixels of every page lie within the file, and those of the first within bounds.
pub(super) fn check(decoder: &mut Decoder<Patched>, bytes: &[u8]) -> Result<(), Refusal> {
    let mut next = decoder.ifd_pointer();
    // Values take at least a byte each, and pages do not share them. So the work is bounded as well.
    let mut left = bytes.len() as u64;
    for number in 0..MAX_PAGES {
        let Some(pointer) = next else {
            return Ok(());
        };
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
        }
        let chunks = chunks(decoder, &directory, bytes)?;
        if number == 0 && tag(decoder, Tag::Compression)? == Some(JPEG) {
            let tables = tables(decoder, &directory)?;
            check_work(&chunks, bytes)?;
            check_jpegs(decoder.chunk_dimensions(), &tables, &chunks)?;
        }
        next = directory.next();
    }
    Err(Refusal::malformed(Tiff, "it has too many pages"))
}

const JPEG: u16 = CompressionMethod::ModernJPEG.to_u16();

/// The strips or tiles of a page.
fn chunks<'a>(
    decoder: &mut Decoder<Patched>,
    directory: &Directory,
    bytes: &'a [u8],
) -> Result<Vec<&'a [u8]>, Refusal> {
    let mut tags = decoder.read_directory_tags(directory);
    let mut chunks = Vec::new();
    for [offsets, lengths] in CHUNKS {
        let mut numbers = |tag| {
            let numbers = tags.find_tag_unsigned_vec::<usize>(tag).map_err(refuse)?;
            Ok(numbers.unwrap_or_default())
        };
        for (offset, length) in numbers(offsets)?.into_iter().zip(numbers(lengths)?) {
            let chunk = bytes.get(offset..offset.saturating_add(length));
            chunks.push(chunk.ok_or(Refusal::Truncated(Tiff))?);
        }
    }
    Ok(chunks)
}

/// What all JPEGs of a page begin with, in place of their first two bytes.
fn tables(decoder: &mut Decoder<Patched>, directory: &Directory) -> Result<Vec<u8>, Refusal> {
    let mut tags = decoder.read_directory_tags(directory);
    let Some(tables) = tags.find_tag(Tag::JPEGTables).map_err(refuse)? else {
        return Ok(Vec::new());
    };
    let mut tables = tables.into_u8_vec().map_err(refuse)?;
    if tables.len() > MOST_TABLES {
        return Err(Refusal::malformed(Tiff, "its JPEG tables are too long"));
    }
    // The mark of their end.
    tables.truncate(tables.len().saturating_sub(2));
    Ok(tables)
}

/// Bounds what there is to look through: parts may lie upon each other.
fn check_work(chunks: &[&[u8]], bytes: &[u8]) -> Result<(), Refusal> {
    let most = bytes.len().saturating_mul(SHARED);
    let all = chunks.iter().map(|chunk| chunk.len());
    if all.fold(0, usize::saturating_add) > most {
        return Err(Refusal::malformed(Tiff, "its parts lie upon each other"));
    }
    Ok(())
}

/// The decoder takes a JPEG's own size as it stands, whatever the page says, and wherever it stands.
fn check_jpegs(
    (width, height): (u32, u32),
    tables: &[u8],
    chunks: &[&[u8]],
) -> Result<(), Refusal> {
    for chunk in chunks {
        let size = if tables.is_empty() {
            jpeg::size(chunk)
        } else {
            let rest = chunk.get(2..).ok_or(Refusal::Truncated(Tiff))?;
            jpeg::size(&[tables, rest].concat())
        };
        let (across, down) = size.map_err(|error| Refusal::corrupt(Tiff, error))?;
        let fits = |side: u32, chunk: u32| side <= chunk.saturating_add(JPEG_MARGIN);
        if !fits(across, width) || !fits(down, height) {
            return Err(Refusal::malformed(Tiff, "a part is larger than the page"));
        }
    }
    Ok(())
}
