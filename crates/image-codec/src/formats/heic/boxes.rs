//! The boxes of ISO base media files (ISO/IEC 14496-12, section 4.2).

use domain::MediaType::Heic;

use crate::{byte_reader::ByteReader, decode_error::DecodeError, meter::Meter, work};

/// The name of a kind of box, item, property or reference.
pub(super) type Kind = [u8; 4];

/// Boxes whose end tells where a whole file ends. Cameras append data of their own behind them.
const STRUCTURE: [&Kind; 7] = [
    b"ftyp", b"meta", b"mdat", b"free", b"skip", b"moov", b"uuid",
];

/// A box: its kind, and its content, which ends early where the file does.
struct Entry<'a> {
    kind: Kind,
    content: &'a [u8],
    is_whole: bool,
}

/// Walks boxes that stand behind each other.
pub(super) struct Boxes<'a, 'm> {
    rest: &'a [u8],
    meter: &'m Meter,
}

impl<'a, 'm> Boxes<'a, 'm> {
    pub(super) fn new(bytes: &'a [u8], meter: &'m Meter) -> Self {
        Self { rest: bytes, meter }
    }

    /// The next box within another one, which must be whole.
    pub(super) fn inner(&mut self) -> Result<Option<(Kind, &'a [u8])>, DecodeError> {
        match self.entry()? {
            Some(entry) if !entry.is_whole => Err(DecodeError::Truncated(Heic)),
            entry => Ok(entry.map(|entry| (entry.kind, entry.content))),
        }
    }

    /// The next box of a file; none where something else follows the last one.
    pub(super) fn outer(&mut self) -> Result<Option<(Kind, &'a [u8])>, DecodeError> {
        match self.entry()? {
            Some(entry) if entry.is_whole => Ok(Some((entry.kind, entry.content))),
            Some(entry) if STRUCTURE.contains(&&entry.kind) => Err(DecodeError::Truncated(Heic)),
            _ => Ok(None),
        }
    }

    fn entry(&mut self) -> Result<Option<Entry<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.meter.charge(work::CHUNK, 1)?;
        let mut walk = ByteReader::new(Heic, self.rest);
        let (short, kind) = (walk.u32_be()?, walk.array()?);
        let length = match short {
            0 => self.rest.len() as u64,
            1 => u64::from(walk.u32_be()?) << 32 | u64::from(walk.u32_be()?),
            short => u64::from(short),
        };
        let begin = walk.position();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < begin {
            return Err(DecodeError::malformed(Heic, "a box has no length"));
        }
        let is_whole = length <= self.rest.len();
        let end = length.min(self.rest.len());
        let (entry, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(Some(Entry {
            kind,
            content: entry.get(begin..).unwrap_or_default(),
            is_whole,
        }))
    }
}

/// Reads a number of 16 or 32 bits.
pub(super) fn number(walk: &mut ByteReader, is_long: bool) -> Result<u32, DecodeError> {
    if is_long {
        walk.u32_be()
    } else {
        walk.u16_be().map(u32::from)
    }
}

/// Reads the version of a box, and its flags.
pub(super) fn version(walk: &mut ByteReader) -> Result<(u8, u32), DecodeError> {
    let [version, flags @ ..] = walk.array::<4>()?;
    let [high, middle, low] = flags;
    Ok((version, u32::from_be_bytes([0, high, middle, low])))
}
