//! HEIC: pictures coded with HEVC in a HEIF file (ISO/IEC 23008-12), as phones make them.
//!
//! The container is read here, the coded pictures by `heifer-hevc-dec`. What is shown is the primary item: a coded
//! picture, or a grid of them, with its opacity. It is cropped, turned and mirrored as its properties say; EXIF
//! does not count for that. Depth maps, gain maps, and the other pictures of a burst are left alone.

mod boxes;
mod colour;
mod hevc;
mod items;
mod picture;
mod rates;
mod sequence;
mod turns;

use domain::{MediaType::Heic, ports::CallContext};
use image::ColorType;

use self::{items::Items, picture::Shown};
use super::{Header, Rows, check_sides};
use crate::{decode_error::DecodeError, meter::Meter, raster::Raster};

/// Work on the structure of a file that has been found sound, in units.
const LOOK: u64 = 100_000;

/// Reads the structure of all items, and the parameters of the coded pictures.
pub(super) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    let items = Items::read(bytes, meter)?;
    let shown = Shown::read(&items, meter)?;
    let size = shown.size();
    check_sides(size)?;
    Ok(Header {
        orientation: shown.turns.orientation(),
        decode_bytes: shown.memory(),
        work: shown.work(),
        ..Header::new(Heic, size, max_side)
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let items = Items::read(bytes, meter)?;
    let shown = Shown::read(&items, meter)?;
    if shown.size() != (header.width, header.height) {
        return Err(DecodeError::malformed(Heic, "it has two sizes"));
    }
    let mut rows = Rows::new(header, ColorType::Rgb8)?;
    shown.rows(meter, &mut |row| rows.row(row))?;
    rows.finish()
}

/// The EXIF data of the picture that a file shows.
pub(super) fn exif(file: &[u8]) -> Option<&[u8]> {
    let meter = look();
    let items = Items::read(file, &meter).ok()?;
    let mut all = items.referring(items.primary, *b"cdsc");
    let data = all.find_map(|number| {
        let item = items.get(number).ok()?;
        items.whole(item).filter(|_| &item.kind == b"Exif")
    })?;
    // Before the data stands how far on they begin.
    let (skipped, data) = data.split_first_chunk()?;
    data.get(usize::try_from(u32::from_be_bytes(*skipped)).ok()?..)
}

/// The colour profile of the picture that a file shows.
pub(super) fn profile(file: &[u8]) -> Option<&[u8]> {
    let meter = look();
    let items = Items::read(file, &meter).ok()?;
    picture::of_whole_or_first(&items, |item| colour::profile(&items, item))
}

/// The number of the primaries (ITU-T H.273) of the picture that a file shows.
pub(super) fn primaries(file: &[u8]) -> Option<u16> {
    let meter = look();
    let items = Items::read(file, &meter).ok()?;
    let found = picture::of_whole_or_first(&items, |item| colour::code_points(&items, item));
    found.map(|(primaries, _)| primaries)
}

fn look() -> Meter {
    Meter::new(LOOK, None, CallContext::local())
}
