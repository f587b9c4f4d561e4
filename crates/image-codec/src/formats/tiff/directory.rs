//! The directories of a file: entries and their integers, read within bounds.

use domain::MediaType::Tiff;

use crate::{decode_error::DecodeError, formats::SIDE_MEMORY};

/// Most values of an entry that are read.
const MOST_VALUES: u64 = SIDE_MEMORY / 32;

/// An entry: its type, the number of its values, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    kind: u64,
    pub(super) count: u64,
    place: u64,
}

/// The integers of a file, in its byte order. Classic files use four-byte offsets and 12-byte entries;
/// `BigTIFF` uses eight-byte offsets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'a> {
    bytes: &'a [u8],
    pub(super) is_little_endian: bool,
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
    fn start(self) -> u64 {
        if self.is_big { 8 } else { 4 }
    }

    /// Bytes of the number of entries.
    fn count_size(self) -> usize {
        if self.is_big { 8 } else { 2 }
    }

    fn entry_size(self) -> u64 {
        if self.is_big { 20 } else { 12 }
    }

    /// Bytes of an offset, and of the inline value of an entry.
    fn value_size(self) -> usize {
        if self.is_big { 8 } else { 4 }
    }

    /// The location of the first directory.
    pub(super) fn first(self) -> Result<u64, DecodeError> {
        let first = self.read(self.start(), self.value_size());
        first.ok_or(DecodeError::Truncated(Tiff))
    }

    /// The bytes at an offset.
    fn raw(self, at: u64, size: usize) -> Option<&'a [u8]> {
        let start = usize::try_from(at).ok()?;
        self.bytes.get(start..start.checked_add(size)?)
    }

    /// Reads an integer of at most eight bytes.
    fn read(self, at: u64, size: usize) -> Option<u64> {
        Some(self.number(self.raw(at, size)?))
    }

    fn number(self, bytes: &[u8]) -> u64 {
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.is_little_endian {
            bytes.iter().rev().fold(0, push)
        } else {
            bytes.iter().fold(0, push)
        }
    }
}

/// A directory: a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directory<'a> {
    numbers: Numbers<'a>,
    first_entry: u64,
    pub(super) entries: u64,
}

impl<'a> Directory<'a> {
    /// The directory at an offset. All its entries must lie within the file.
    pub(super) fn at(numbers: Numbers<'a>, at: u64) -> Result<Self, DecodeError> {
        let truncated = || DecodeError::Truncated(Tiff);
        let entries = numbers.read(at, numbers.count_size());
        let entries = entries.ok_or_else(truncated)?;
        let length = entries.checked_mul(numbers.entry_size());
        let length = length.and_then(|length| usize::try_from(length).ok());
        let first_entry = at + numbers.count_size() as u64;
        let whole = length.and_then(|length| numbers.raw(first_entry, length));
        whole.ok_or_else(truncated)?;
        Ok(Self {
            numbers,
            first_entry,
            entries,
        })
    }

    /// The offset of the next directory, if any.
    pub(super) fn next(&self) -> Option<u64> {
        let end = self.first_entry + self.entries * self.numbers.entry_size();
        let next = self.numbers.read(end, self.numbers.value_size());
        next.filter(|next| *next != 0)
    }

    /// An entry. Of several with the same tag the first counts.
    pub(super) fn entry(&self, tag: u64) -> Option<Entry> {
        let numbers = self.numbers;
        (0..self.entries).find_map(|number| {
            let place = self.first_entry + number * numbers.entry_size();
            if numbers.read(place, 2)? != tag {
                return None;
            }
            Some(Entry {
                kind: numbers.read(place + 2, 2)?,
                count: numbers.read(place + 4, numbers.value_size())?,
                place,
            })
        })
    }

    /// The only or first value of an entry.
    pub(super) fn value(&self, tag: u64) -> Result<Option<u64>, DecodeError> {
        Ok(self.values(tag)?.and_then(|values| values.first().copied()))
    }

    /// The integers of an entry.
    pub(super) fn values(&self, tag: u64) -> Result<Option<Vec<u64>>, DecodeError> {
        let Some(entry) = self.entry(tag) else {
            return Ok(None);
        };
        check_count(entry.count)?;
        let size = match entry.kind {
            1 | 7 => 1,
            3 => 2,
            4 | 13 => 4,
            16 | 18 => 8,
            _ => {
                return Err(DecodeError::malformed(
                    Tiff,
                    "an entry has values of the wrong type",
                ));
            }
        };
        let bytes = self.bytes(entry, size)?;
        let values = bytes.chunks_exact(size);
        Ok(Some(
            values.map(|value| self.numbers.number(value)).collect(),
        ))
    }

    /// The bytes of an entry.
    pub(super) fn raw(&self, tag: u64) -> Result<Option<&'a [u8]>, DecodeError> {
        let entry = self.entry(tag);
        entry.map(|entry| self.bytes(entry, 1)).transpose()
    }

    /// The quotients of an entry.
    pub(super) fn rationals(&self, tag: u64) -> Result<Option<Vec<(u64, u64)>>, DecodeError> {
        let entry = self.entry(tag).filter(|entry| entry.kind == 5);
        let Some(entry) = entry else {
            return Ok(None);
        };
        check_count(entry.count)?;
        let (pairs, _) = self.bytes(entry, 8)?.as_chunks::<8>();
        let number = |half: &[u8]| self.numbers.number(half);
        let pairs = pairs
            .iter()
            .map(|[a, b, c, d, e, f, g, h]| (number(&[*a, *b, *c, *d]), number(&[*e, *f, *g, *h])));
        Ok(Some(pairs.collect()))
    }

    /// The bytes of an entry whose values have that size: in the entry if they fit, else elsewhere.
    fn bytes(&self, entry: Entry, size: usize) -> Result<&'a [u8], DecodeError> {
        let truncated = || DecodeError::Truncated(Tiff);
        let numbers = self.numbers;
        let length = usize::try_from(entry.count).ok();
        let length = length.and_then(|count| count.checked_mul(size));
        let length = length.ok_or_else(truncated)?;
        let inline = entry.place + 4 + numbers.value_size() as u64;
        let at = if length <= numbers.value_size() {
            Some(inline)
        } else {
            numbers.read(inline, numbers.value_size())
        };
        at.and_then(|at| numbers.raw(at, length))
            .ok_or_else(truncated)
    }
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
