//! A file with a replaced directory, as the decoder sees it.
//!
//! The decoder does not support palettes; it is given the indexes as shades of grey. And it decodes each
//! strip as a whole; an uncompressed one, which may be the whole picture, is presented as many short ones.

use std::io::{Read, Result, Seek, SeekFrom};

use domain::MediaType::Tiff;

use super::directory::{Entry, Kind, Numbers};
use crate::{decode_error::DecodeError, meter::Meter, source::Metered};

/// Tags of replaced entries.
const PHOTOMETRIC_INTERPRETATION: u64 = 262;
const STRIP_OFFSETS: u64 = 273;
const ROWS_PER_STRIP: u64 = 278;
const STRIP_BYTE_COUNTS: u64 = 279;

/// `PhotometricInterpretation` of grey with 0 as black.
const GREY: u64 = 1;

/// A file, possibly followed by our directory.
pub(super) type Patched<'a> = Metered<'a, Layers<'a>>;

/// The decoder's input: replaced first bytes, the rest of the file, appended bytes.
pub(super) struct Layers<'a> {
    file: &'a [u8],
    front: Vec<u8>,
    tail: Vec<u8>,
    position: u64,
}

/// Strips of equal length that replace the file's own.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    pub(super) rows: u32,
    /// The offset of each strip.
    pub(super) offsets: Vec<u64>,
    /// Bytes of a strip; the last one may have fewer.
    pub(super) length: u64,
}

/// The unmodified file.
pub(super) fn plain<'a>(file: &'a [u8], meter: &'a Meter) -> Patched<'a> {
    Metered::new(Layers::new(file), meter)
}

/// The file with its first page alone, declared as grey or with other strips.
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

/// A new directory, and the values that its entries refer to.
struct Directory<'a> {
    numbers: Numbers<'a>,
    /// The entries, and the bytes of the new ones.
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

    /// The contiguous bytes from the position on.
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
