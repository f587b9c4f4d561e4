//! HEIC, in a program that is built without it.

use super::{Header, foreign};
use crate::{decode_error::DecodeError, meter::Meter, raster::Raster};

/// Refuses the file.
pub(super) fn inspect(_: &[u8], _: u32, _: &Meter) -> Result<Header, DecodeError> {
    Err(foreign::heic())
}

/// Refuses the file.
pub(super) fn decode(_: &[u8], _: &Header, _: &Meter) -> Result<Raster, DecodeError> {
    Err(foreign::heic())
}

/// Nothing is read.
pub(super) fn exif(_: &[u8]) -> Option<&[u8]> {
    None
}

/// Nothing is read.
pub(super) fn profile(_: &[u8]) -> Option<&[u8]> {
    None
}

/// Nothing is read.
pub(super) fn primaries(_: &[u8]) -> Option<u16> {
    None
}
