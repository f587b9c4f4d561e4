//! Where the strips or tiles of a page are in the file.

use domain::MediaType::Tiff;

use super::{coding::Coding, directory::Directory, page::Page};
use crate::decode_error::DecodeError;

const STRIP_OFFSETS: u64 = 273;
const STRIP_BYTE_COUNTS: u64 = 279;
const TILE_OFFSETS: u64 = 324;
const TILE_BYTE_COUNTS: u64 = 325;

/// The entries with the places of strips or tiles.
pub(super) const PLACES: [u64; 4] = [
    STRIP_OFFSETS,
    STRIP_BYTE_COUNTS,
    TILE_OFFSETS,
    TILE_BYTE_COUNTS,
];

/// The strips or tiles of a page.
pub(super) struct Chunks<'a> {
    file: &'a [u8],
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    /// The offsets in ascending order, if lengths are missing.
    ascending: Vec<u64>,
}

impl<'a> Chunks<'a> {
    /// Finds all that the page needs.
    pub(super) fn find(
        file: &'a [u8],
        page: &Page,
        directory: &Directory,
    ) -> Result<Self, DecodeError> {
        let mut chunks = Self::of(file, directory)?;
        if (chunks.offsets.len() as u64) < page.chunks() {
            return Err(DecodeError::malformed(
                Tiff,
                "parts of the page are missing",
            ));
        }
        if chunks.lengths.len() < chunks.offsets.len() || chunks.lengths.contains(&0) {
            chunks.ascending = chunks.offsets.clone();
            chunks.ascending.sort_unstable();
        }
        Ok(chunks)
    }

    fn of(file: &'a [u8], directory: &Directory) -> Result<Self, DecodeError> {
        // Some writers use the entries of strips for tiles.
        let either = |one, other| {
            let found = directory.values(one)?;
            Ok::<_, DecodeError>(match found {
                Some(found) => found,
                None => directory.values(other)?.unwrap_or_default(),
            })
        };
        Ok(Self {
            file,
            offsets: either(TILE_OFFSETS, STRIP_OFFSETS)?,
            lengths: either(TILE_BYTE_COUNTS, STRIP_BYTE_COUNTS)?,
            ascending: Vec::new(),
        })
    }

    /// Checks that all parts of a later page lie within the file.
    pub(super) fn check(file: &'a [u8], directory: &Directory) -> Result<(), DecodeError> {
        let chunks = Self::of(file, directory)?;
        let lengths = chunks.lengths.iter().chain(std::iter::repeat(&0));
        for (offset, length) in chunks.offsets.iter().zip(lengths) {
            if offset.saturating_add(*length) > file.len() as u64 {
                return Err(DecodeError::Truncated(Tiff));
            }
        }
        Ok(())
    }

    /// A strip or tile: at most that much of the file. Whether it holds all its pixels is found by decoding.
    pub(super) fn get(
        &self,
        page: &Page,
        plane: usize,
        down: u32,
        across: u32,
    ) -> Result<&'a [u8], DecodeError> {
        let of_plane = page.grid.across as usize * page.grid.down as usize;
        let number = plane * of_plane + down as usize * page.grid.across as usize + across as usize;
        self.chunk(page, number, down)
    }

    fn chunk(&self, page: &Page, number: usize, down: u32) -> Result<&'a [u8], DecodeError> {
        let truncated = || DecodeError::Truncated(Tiff);
        let offset = self.offsets.get(number).copied().unwrap_or_default();
        let start = usize::try_from(offset).ok();
        let rest = start.and_then(|start| self.file.get(start..));
        let rest = rest.ok_or_else(truncated)?;
        if page.coding == Coding::None {
            // Its length is known, whatever the file says.
            let length = page.stored_row().saturating_mul(page.rows_of(down).into());
            let length = usize::try_from(length).ok();
            return length
                .and_then(|length| rest.get(..length))
                .ok_or_else(truncated);
        }
        let given = self.lengths.get(number).copied().unwrap_or_default();
        let length = if given == 0 {
            // Up to the next one.
            let next = self.ascending.partition_point(|other| *other <= offset);
            self.ascending
                .get(next)
                .map_or(u64::MAX, |next| next - offset)
        } else {
            given
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(rest.get(..length).unwrap_or(rest))
    }

    /// All that the page needs.
    pub(super) fn all(&self, page: &Page) -> Result<Vec<&'a [u8]>, DecodeError> {
        let mut all = Vec::new();
        for plane in 0..page.planes() {
            for down in 0..page.grid.down {
                for across in 0..page.grid.across {
                    all.push(self.get(page, plane, down, across)?);
                }
            }
        }
        Ok(all)
    }
}
