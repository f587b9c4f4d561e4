//! TIFF 6.0 and `BigTIFF`; the first of several pages, but all must be complete.
//!
//! Directories, strips and tiles are read here, since the field's decoders disagree on much of the format and
//! silently show other pictures: extra samples with predictors, bits in the other order, planes, tiles that
//! stick out. Each is decompressed [piece by piece](reader) by a decoder of its method.

mod chunks;
mod coding;
mod directory;
mod fax;
mod page;
mod pages;
mod pixels;
mod predict;
mod preview;
mod reader;
mod rows;
mod samples;

use domain::MediaType::Tiff;
use image::metadata::Orientation;

use self::{
    chunks::Chunks,
    directory::{Directory, Numbers},
    page::Page,
    pages::{Counter, Found},
    pixels::Pixels,
};
use super::Header;
use crate::{
    decode_error::DecodeError,
    meter::Meter,
    raster::{Raster, buffer_size},
    reduce::Reducer,
    work,
};

/// The tag of a colour profile.
const ICC_PROFILE: u64 = 34_675;

/// Memory for the offset and the length of a strip or tile.
const CHUNK_MEMORY: u64 = 64;

/// Memory for a pixel of a row being converted.
const PIXEL_MEMORY: u64 = 4;

/// Memory of buffers and tables, for any picture.
const BUFFERS: u64 = 256 * 1024;

pub(super) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    let numbers = Numbers::of(bytes);
    let directory = Directory::at(numbers, numbers.first()?)?;
    let mut counter = Counter::new(bytes, meter);
    counter.count(&directory)?;
    preview::check(numbers, &directory)?;
    let page = Page::read(numbers, &directory)?;
    let chunks = Chunks::find(bytes, &page, &directory)?.all(&page)?;
    let found = Found::look(&page, &chunks, bytes.len() as u64, meter)?;
    pages::check_others(bytes, &directory, &mut counter)?;
    let size = page.size;
    let parts = u64::from(page.grid.across) * u64::from(page.grid.width);
    let stored = buffer_size(size.1, 1, page.stored_row())
        .saturating_mul(u64::from(page.grid.across))
        .saturating_mul(page.planes() as u64);
    let samples = parts.saturating_mul(size.1.into());
    Ok(Header {
        orientation: page.orientation,
        decode_bytes: rows::memory(&page, found.chunk_memory)
            .saturating_add(u64::from(size.0) * (PIXEL_MEMORY + page.samples as u64))
            .saturating_add(found.chunks * CHUNK_MEMORY + BUFFERS),
        work: found
            .work
            .saturating_add(work::TIFF_BYTE.units(stored.saturating_add(samples)))
            .saturating_add(work::TIFF_PIXEL.units(buffer_size(size.0, size.1, 1))),
        end: bytes.len(),
        ..Header::new(Tiff, size, max_side)
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let numbers = Numbers::of(bytes);
    let directory = Directory::at(numbers, numbers.first()?)?;
    let page = Page::read(numbers, &directory)?;
    let chunks = Chunks::find(bytes, &page, &directory)?;
    let mut pixels = Pixels::new(&page);
    let size = (header.width, header.height);
    let mut reducer = Reducer::new(header.boxes, size, pixels.channels());
    rows::for_each(&page, &chunks, meter, |row| reducer.row(pixels.row(row)))?;
    reducer.finish()
}

/// The orientation in a TIFF structure, also one within another file: an integer of any size.
pub(super) fn orientation(structure: &[u8]) -> Option<Orientation> {
    first_directory(structure).map(|directory| page::orientation(&directory))
}

/// The colour profile of the first page.
pub(super) fn profile(file: &[u8]) -> Option<&[u8]> {
    first_directory(file)?.raw(ICC_PROFILE).ok()?
}

fn first_directory(structure: &[u8]) -> Option<Directory<'_>> {
    let is_tiff = matches!(
        structure,
        [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..]
    );
    let numbers = Numbers::of(structure);
    Directory::at(numbers, numbers.first().ok().filter(|_| is_tiff)?).ok()
}
