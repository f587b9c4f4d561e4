//! The entries of a file's first directory, checked before the decoder reads them.
//!
//! The decoder allocates 32 bytes for each value that an entry claims to have, up to 256 MiB, before any
//! limits can be set.

use domain::MediaType::Tiff;

use crate::{
    decode_error::DecodeError,
    formats::{SIDE_MEMORY, foreign},
};

/// Most values of an entry that the decoder reads.
const MOST_VALUES: u64 = SIDE_MEMORY / 32;

/// The entries that the decoder reads. Others, such as metadata, may be long.
const READ: [u64; 21] = [
    256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339,
    347, 530,
];

/// An entry: type, count, and location of its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) tag: u64,
    count: u64,
    pub(super) place: u64,
}

impl Entry {
    /// An entry that is not in the file.
    pub(super) fn new(tag: u64) -> Self {
        Self {
            tag,
            count: 0,
            place: 0,
        }
    }
}

/// Types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Short,
    Long,
    Long8,
}

impl Kind {
    pub(super) fn code(self) -> u64 {
        match self {
            Self::Short => 3,
            Self::Long => 4,
            Self::Long8 => 16,
        }
    }

    pub(super) fn size(self) -> usize {
        match self {
            Self::Short => 2,
            Self::Long => 4,
            Self::Long8 => 8,
        }
    }
}

/// Entries that identify a camera raw file: the DNG version, or a first page that is a small copy of the
/// content of other directories.
const DNG_VERSION: u64 = 50_706;
const NEW_SUBFILE_TYPE: u64 = 254;
const SUB_IFDS: u64 = 330;

/// Whether the first page is only the preview of a camera raw file.
fn is_raw(bytes: &[u8]) -> bool {
    let numbers = Numbers::of(bytes);
    let entry = |tag| numbers.entries().find(|entry| entry.tag == tag);
    let is_copy = entry(NEW_SUBFILE_TYPE)
        .and_then(|entry| numbers.read(entry.place + 4 + numbers.value_size() as u64, 4))
        .is_some_and(|kind| kind & 1 == 1);
    entry(DNG_VERSION).is_some() || is_copy && entry(SUB_IFDS).is_some()
}

/// Rejects a file whose first directory makes the decoder allocate a lot of memory, or is only a preview.
pub(super) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    if is_raw(bytes) {
        return Err(foreign::raw());
    }
    let mut read = Numbers::of(bytes)
        .entries()
        .filter(|entry| READ.contains(&entry.tag));
    read.try_for_each(|entry| check_count(entry.count))
}

/// Rejects an entry with that many values.
pub(super) fn check_count(values: u64) -> Result<(), DecodeError> {
    if values > MOST_VALUES {
        return Err(too_many_values());
    }
    Ok(())
}

pub(super) fn too_many_values() -> DecodeError {
    DecodeError::malformed(Tiff, "its entries have too many values")
}

/// The integers of a file, in its byte order. Classic files use four-byte offsets and 12-byte entries;
/// `BigTIFF` uses eight-byte offsets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'a> {
    bytes: &'a [u8],
    is_little_endian: bool,
    is_big: bool,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut numbers = Self {
            bytes,
            is_little_endian: bytes.first() == Some(&b'I'),
            is_big: false,
        };
        numbers.is_big = numbers.read(2, 2) == Some(43);
        numbers
    }

    /// The location of the first directory's offset.
    pub(super) fn start(self) -> usize {
        if self.is_big { 8 } else { 4 }
    }

    /// Bytes of the number of entries.
    pub(super) fn count_size(self) -> usize {
        if self.is_big { 8 } else { 2 }
    }

    pub(super) fn entry_size(self) -> usize {
        if self.is_big { 20 } else { 12 }
    }

    /// Bytes of an offset, and of the inline value of an entry.
    pub(super) fn value_size(self) -> usize {
        if self.is_big { 8 } else { 4 }
    }

    pub(super) fn offset_kind(self) -> Kind {
        if self.is_big { Kind::Long8 } else { Kind::Long }
    }

    /// The entries of the first directory that lie within the file.
    pub(super) fn entries(self) -> impl Iterator<Item = Entry> {
        let directory = self.read(self.start() as u64, self.value_size());
        let first = directory.and_then(|at| at.checked_add(self.count_size() as u64));
        let count = directory.and_then(|at| self.count(at));
        (0..count.unwrap_or_default()).map_while(move |number| {
            let place = first?.checked_add(number.checked_mul(self.entry_size() as u64)?)?;
            Some(Entry {
                tag: self.read(place, 2)?,
                count: self.read(place + 4, self.value_size())?,
                place,
            })
        })
    }

    /// How many entries a directory has.
    pub(super) fn count(self, directory: u64) -> Option<u64> {
        self.read(directory, self.count_size())
    }

    /// The bytes at an offset.
    pub(super) fn raw(self, at: u64, size: usize) -> Option<&'a [u8]> {
        let start = usize::try_from(at).ok()?;
        self.bytes.get(start..start.checked_add(size)?)
    }

    /// An integer in `size` bytes.
    pub(super) fn bytes(self, number: u64, size: usize) -> Vec<u8> {
        let mut bytes: Vec<_> = number.to_le_bytes().into_iter().take(size).collect();
        if !self.is_little_endian {
            bytes.reverse();
        }
        bytes
    }

    /// Reads an integer of at most eight bytes.
    fn read(self, at: u64, size: usize) -> Option<u64> {
        let bytes = self.raw(at, size)?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_little_endian {
            bytes.iter().rev().fold(0, push)
        } else {
            bytes.iter().fold(0, push)
        })
    }
}
