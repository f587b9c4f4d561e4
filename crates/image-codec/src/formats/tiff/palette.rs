//! Pictures whose samples are places in a palette.
//!
//! The decoder knows no palettes. It is shown the file as if the samples were shades of grey, which
//! gives the bare numbers.

use std::io::{Cursor, Read, Result, Seek, SeekFrom};

use domain::MediaType::Tiff;

use super::directory;
use crate::refusal::Refusal;

/// `PhotometricInterpretation` of a palette (TIFF 6.0, section 5).
pub(super) const PALETTE: u16 = 3;

/// `PhotometricInterpretation` of grey where 0 is black.
const GREY: u8 = 1;

const PHOTOMETRIC_INTERPRETATION: u64 = 262;
const SHORT: u64 = 3;

/// A file, with one byte of it perhaps replaced.
pub(super) struct Patched<'a> {
    file: Cursor<&'a [u8]>,
    patch: Option<(u64, u8)>,
}

impl<'a> Patched<'a> {
    pub(super) fn plain(bytes: &'a [u8]) -> Self {
        Self {
            file: Cursor::new(bytes),
            patch: None,
        }
    }

    /// The file with its first page declared grey.
    pub(super) fn palette_as_grey(bytes: &'a [u8]) -> std::result::Result<Self, Refusal> {
        let place = place_of_interpretation(bytes);
        let place = place.ok_or(Refusal::unsupported(Tiff, "an unusual palette"))?;
        Ok(Self {
            file: Cursor::new(bytes),
            patch: Some((place, GREY)),
        })
    }
}

impl Read for Patched<'_> {
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        let start = self.file.position();
        let count = self.file.read(target)?;
        if let Some((place, byte)) = self.patch
            && let Some(offset) = place.checked_sub(start)
            && let Ok(offset) = usize::try_from(offset)
            && let Some(target) = target
                .get_mut(..count)
                .and_then(|read| read.get_mut(offset))
        {
            *target = byte;
        }
        Ok(count)
    }
}

impl Seek for Patched<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.file.seek(to)
    }
}

/// Where the byte is that says how the samples of the first page are to be understood.
fn place_of_interpretation(bytes: &[u8]) -> Option<u64> {
    let mut entries = directory::entries(bytes);
    let entry = entries.find(|entry| entry.tag == PHOTOMETRIC_INTERPRETATION)?;
    let low_byte = entry.value + u64::from(!directory::is_little_endian(bytes));
    (entry.kind == SHORT).then_some(low_byte)
}
