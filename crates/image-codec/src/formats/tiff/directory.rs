//! The entries of a file's first directory, before the decoder sees them.
//!
//! The decoder takes 32 bytes of memory for each value of an entry, as many as the entry claims to have,
//! up to 256 MiB, and that before it can be told any limits.

use domain::MediaType::Tiff;

use crate::{formats::SIDE_MEMORY, refusal::Refusal};

/// Most values of an entry that the decoder reads.
const MOST_VALUES: u64 = SIDE_MEMORY / 32;

/// The entries that the decoder reads. What others hold, such as metadata, may be long.
const READ: [u64; 21] = [
    256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339,
    347, 530,
];

/// An entry: what it holds, of what kind, how many, and where they are or where it says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) tag: u64,
    pub(super) kind: u64,
    count: u64,
    pub(super) value: u64,
}

/// Refuses a file whose first directory makes the decoder take a lot of memory.
pub(super) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    let mut read = entries(bytes).filter(|entry| READ.contains(&entry.tag));
    read.try_for_each(|entry| check_count(entry.count))
}

/// Refuses an entry with so many values.
pub(super) fn check_count(values: u64) -> Result<(), Refusal> {
    if values > MOST_VALUES {
        return Err(too_many_values());
    }
    Ok(())
}

pub(super) fn too_many_values() -> Refusal {
    Refusal::malformed(Tiff, "its entries have too many values")
}

/// The entries of the first directory, as many as lie in the file.
pub(super) fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> {
    let numbers = Numbers {
        bytes,
        is_little_endian: is_little_endian(bytes),
    };
    // Classic files count in four bytes, entries are 12 long; BigTIFF counts in eight.
    let is_big = numbers.read(2, 2) == Some(43);
    let (start, count_size, entry_size, size) = if is_big { (8, 8, 20, 8) } else { (4, 2, 12, 4) };
    let directory = numbers.read(start, size);
    let first = directory.and_then(|at| at.checked_add(count_size));
    let count = directory.and_then(|at| numbers.read(at, count_size));
    (0..count.unwrap_or_default()).map_while(move |number| {
        let place = first?.checked_add(number.checked_mul(entry_size)?)?;
        Some(Entry {
            tag: numbers.read(place, 2)?,
            kind: numbers.read(place + 2, 2)?,
            count: numbers.read(place + 4, size)?,
            value: place + 4 + size,
        })
    })
}

/// Whether the lowest byte of a number comes first.
pub(super) fn is_little_endian(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'I')
}

struct Numbers<'a> {
    bytes: &'a [u8],
    is_little_endian: bool,
}

impl Numbers<'_> {
    /// Reads a number of that many bytes, eight at most.
    fn read(&self, at: u64, size: u64) -> Option<u64> {
        let (start, size) = (usize::try_from(at).ok()?, usize::try_from(size).ok()?);
        let bytes = self.bytes.get(start..start.checked_add(size)?)?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_little_endian {
            bytes.iter().rev().fold(0, push)
        } else {
            bytes.iter().fold(0, push)
        })
    }
}
