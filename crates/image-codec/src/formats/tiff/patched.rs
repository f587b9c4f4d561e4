//! A file as the decoder is shown it: with another directory than its own.
//!
//! The decoder knows no palettes; it is shown their places as shades of grey. And it decodes a strip as a
//! whole; one without compression, which may be all of the picture, is shown as many short ones.

use std::io::{Read, Result, Seek, SeekFrom};

use domain::MediaType::Tiff;

use super::directory::{Entry, Kind, Numbers};
use crate::{meter::Meter, decode_error::DecodeError, source::Metered};

/// Tags of entries that are replaced.
const PHOTOMETRIC_INTERPRETATION: u64 = 262;
const STRIP_OFFSETS: u64 = 273;
const ROWS_PER_STRIP: u64 = 278;
const STRIP_BYTE_COUNTS: u64 = 279;

/// `PhotometricInterpretation` of grey where 0 is black.
const GREY: u64 = 1;

/// A file with perhaps a directory of ours behind it.
pub(super) type Patched<'a> = Metered<'a, Layers<'a>>;

/// What the decoder reads: some first bytes, the rest of the file, what follows it.
pub(super) struct Layers<'a> {
    file: &'a [u8],
    front: Vec<u8>,
    tail: Vec<u8>,
    position: u64,
}

/// Strips of equal length in place of the file's own.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    pub(super) rows: u32,
    /// Where each strip begins in the file.
    pub(super) offsets: Vec<u64>,
    /// Bytes of a strip; the last ones of a picture may have fewer.
    pub(super) length: u64,
}

/// The file as it is.
pub(super) fn plain<'a>(file: &'a [u8], meter: &'a Meter) -> Patched<'a> {
    Metered::new(Layers::new(file), meter)
}

/// The file with its first page alone, declared grey or cut into other strips.
pub(super) fn patched<'a>(
    file: &'a [u8],
    meter: &'a Meter,
    is_palette: bool,
    cut: Option<&Cut>,
) -> std::result::Result<Patched<'a>, DecodeError> {
    let numbers = Numbers::of(file);
    let mut directory = Directory {
        numbers,
        entries: numbers.entries().map(|entry| (entry, None)).collect(),
        tail: Vec::new(),
        tail_at: file.len() as u64,
    };
    if is_palette {
        directory.replace(PHOTOMETRIC_INTERPRETATION, Kind::Short, &[GREY]);
    }
    if let Some(cut) = cut {
        let lengths = vec![cut.length; cut.offsets.len()];
        directory.replace(ROWS_PER_STRIP, Kind::Long, &[cut.rows.into()]);
        directory.replace(STRIP_OFFSETS, numbers.offset_kind(), &cut.offsets);
        directory.replace(STRIP_BYTE_COUNTS, numbers.offset_kind(), &lengths);
    }
    let layers = directory.write(file);
    let layers = layers.ok_or(DecodeError::unsupported(Tiff, "its directory is unusual"))?;
    Ok(Metered::new(layers, meter))
}

/// A directory that is put together, and the values that its entries refer to.
struct Directory<'a> {
    numbers: Numbers<'a>,
    /// The entries, and the bytes of those that are new.
    entries: Vec<(Entry, Option<Vec<u8>>)>,
    tail: Vec<u8>,
    tail_at: u64,
}

impl Directory<'_> {
    fn replace(&mut self, tag: u64, kind: Kind, values: &[u64]) {
        let numbers = self.numbers;
        let mut bytes = Vec::new();
        for value in values {
            bytes.extend(numbers.bytes(*value, kind.size()));
        }
        if bytes.len() > numbers.value_size() {
            let place = self.tail_at + self.tail.len() as u64;
            self.tail.append(&mut bytes);
            bytes = numbers.bytes(place, numbers.value_size());
        }
        bytes.resize(numbers.value_size(), 0);
        let mut entry = numbers.bytes(tag, 2);
        entry.extend(numbers.bytes(kind.code(), 2));
        entry.extend(numbers.bytes(values.len() as u64, numbers.value_size()));
        entry.extend(bytes);
        self.entries.retain(|(old, _)| old.tag != tag);
        self.entries.push((Entry::new(tag), Some(entry)));
    }

    fn write(mut self, file: &[u8]) -> Option<Layers<'_>> {
        let numbers = self.numbers;
        let place = self.tail_at + self.tail.len() as u64;
        self.entries.sort_by_key(|(entry, _)| entry.tag);
        let count = self.entries.len() as u64;
        self.tail.extend(numbers.bytes(count, numbers.count_size()));
        for (entry, new) in self.entries {
            match new {
                Some(bytes) => self.tail.extend(bytes),
                None => self
                    .tail
                    .extend(numbers.raw(entry.place, numbers.entry_size())?),
            }
        }
        self.tail.extend(numbers.bytes(0, numbers.value_size()));
        let mut front = numbers.raw(0, numbers.start())?.to_vec();
        front.extend(numbers.bytes(place, numbers.value_size()));
        Some(Layers {
            front,
            tail: self.tail,
            ..Layers::new(file)
        })
    }
}

impl<'a> Layers<'a> {
    fn new(file: &'a [u8]) -> Self {
        Self {
            file,
            front: Vec::new(),
            tail: Vec::new(),
            position: 0,
        }
    }

    /// What there is from the position on, as far as it lies together.
    fn rest(&self) -> &[u8] {
        let position = usize::try_from(self.position).unwrap_or(usize::MAX);
        let of_tail = position.checked_sub(self.file.len());
        let rest = match of_tail {
            _ if position < self.front.len() => self.front.get(position..),
            None => self.file.get(position..),
            Some(position) => self.tail.get(position..),
        };
        rest.unwrap_or_default()
    }
}

impl Read for Layers<'_> {
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        let count = self.rest().read(target)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Layers<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let end = (self.file.len() + self.tail.len()) as u64;
        let position = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::End(by) => end.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
