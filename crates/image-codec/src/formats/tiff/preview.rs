//! Recognises files whose first page is only the preview of something else: cameras' raw pictures above all.

use domain::MediaType::Tiff;

use super::directory::{Directory, Numbers};
use crate::{decode_error::DecodeError, formats::foreign};

const NEW_SUBFILE_TYPE: u64 = 254;
const SUBFILE_TYPE: u64 = 255;
const IMAGE_WIDTH: u64 = 256;
const IMAGE_LENGTH: u64 = 257;
const PHOTOMETRIC_INTERPRETATION: u64 = 262;
const SUB_IFDS: u64 = 330;
const DNG_VERSION: u64 = 50_706;

/// What the sensor of a camera saw: a mosaic, or colours of its own.
const RAW: [u64; 2] = [32_803, 34_892];

/// The old kind of a page that is a small copy.
const REDUCED: u64 = 2;

/// How many directories within the first one are looked at.
const MOST_INNER: usize = 64;

/// A first page that says to be a small copy, with sides below this, is nothing but a thumbnail.
const THUMBNAIL: u64 = 512;

/// Rejects a file whose first page is only a preview.
pub(super) fn check(numbers: Numbers, first: &Directory) -> Result<(), DecodeError> {
    let is_copy = first.value(NEW_SUBFILE_TYPE)?.unwrap_or_default() & 1 == 1
        || first.value(SUBFILE_TYPE)? == Some(REDUCED);
    let inner = first.values(SUB_IFDS).ok().flatten();
    let inner = inner.unwrap_or_default().into_iter().take(MOST_INNER);
    let inner: Vec<_> = inner
        .filter_map(|at| Directory::at(numbers, at).ok())
        .collect();
    let is_raw = first.entry(DNG_VERSION).is_some()
        || is_copy && first.entry(SUB_IFDS).is_some()
        || inner.iter().any(is_sensor);
    if is_raw {
        return Err(foreign::raw());
    }
    let pixels = sides(first);
    let is_small = pixels.0.max(pixels.1) < THUMBNAIL;
    let is_larger = |inner: &Directory| {
        let (width, height) = sides(inner);
        width > pixels.0 && height > pixels.1
    };
    if is_small && (is_copy || inner.iter().any(is_larger)) {
        let what = "its first page is only a thumbnail";
        return Err(DecodeError::unsupported(Tiff, what));
    }
    Ok(())
}

/// Rejects a file in which a page after the first is what a sensor saw.
pub(super) fn check_other(page: &Directory) -> Result<(), DecodeError> {
    if is_sensor(page) {
        return Err(foreign::raw());
    }
    Ok(())
}

fn is_sensor(page: &Directory) -> bool {
    let photometric = page.value(PHOTOMETRIC_INTERPRETATION).ok().flatten();
    photometric.is_some_and(|photometric| RAW.contains(&photometric))
}

fn sides(page: &Directory) -> (u64, u64) {
    let side = |tag| page.value(tag).ok().flatten().unwrap_or_default();
    (side(IMAGE_WIDTH), side(IMAGE_LENGTH))
}
