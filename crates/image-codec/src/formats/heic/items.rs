//! The items of a file, from the box `meta` (ISO/IEC 23008-12): pictures, tiles, metadata. Nothing is decoded.

use std::{borrow::Cow, collections::BTreeMap};

use domain::MediaType::Heic;

use super::boxes::{Boxes, Kind, number, version};
use crate::{byte_reader::ByteReader, decode_error::DecodeError, meter::Meter, work};

/// The most items, properties, parts of items, and references of a file. A photo of 200 megapixels has 800
/// tiles.
const MOST: usize = 16_384;

/// The most properties, and the most parts, of one item.
const MOST_OF_ITEM: usize = 256;

/// A part of an item's data: where it begins, and its length, in bytes.
type Extent = (u64, u64);

/// An item of a file.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// Numbers of its properties, from 1 on, in the order in which they apply.
    properties: Vec<u16>,
    /// How its data are found: in the file, or in the box `idat`.
    is_in_idat: bool,
    /// Whether there is a way that is not known here.
    is_elsewhere: bool,
    extents: Vec<Extent>,
}

/// That an item refers to others.
#[derive(Debug)]
struct Reference {
    kind: Kind,
    from: u32,
    to: Vec<u32>,
}

/// The items of a file.
#[derive(Debug)]
pub(super) struct Items<'a> {
    file: &'a [u8],
    idat: &'a [u8],
    /// The number of the item to show.
    pub(super) primary: u32,
    all: BTreeMap<u32, Item>,
    properties: Vec<(Kind, &'a [u8])>,
    references: Vec<Reference>,
}

impl<'a> Items<'a> {
    /// Reads all of a file's structure.
    pub(super) fn read(file: &'a [u8], meter: &Meter) -> Result<Self, DecodeError> {
        let meta = find_meta(file, meter)?;
        let mut items = Self {
            file,
            idat: &[],
            primary: 0,
            all: BTreeMap::new(),
            properties: Vec::new(),
            references: Vec::new(),
        };
        items.read_meta(meta, meter)?;
        Ok(items)
    }

    fn read_meta(&mut self, meta: &'a [u8], meter: &Meter) -> Result<(), DecodeError> {
        let mut walk = ByteReader::new(Heic, meta);
        let _version = version(&mut walk)?;
        let mut boxes = Boxes::new(walk.rest(), meter);
        while let Some((kind, content)) = boxes.inner()? {
            let mut walk = ByteReader::new(Heic, content);
            match &kind {
                b"pitm" => {
                    let (version, _) = version(&mut walk)?;
                    self.primary = number(&mut walk, version > 0)?;
                }
                b"iinf" => self.read_kinds(walk, meter)?,
                b"iloc" => self.read_places(walk, meter)?,
                b"iref" => self.read_references(walk, meter)?,
                b"iprp" => self.read_properties(content, meter)?,
                b"idat" => self.idat = content,
                _ => {}
            }
        }
        Ok(())
    }

    /// The item of that number, made where the file has not told of it yet.
    fn entry(&mut self, number: u32) -> Result<&mut Item, DecodeError> {
        check(self.all.len())?;
        Ok(self.all.entry(number).or_default())
    }

    fn read_kinds(&mut self, mut walk: ByteReader<'a>, meter: &Meter) -> Result<(), DecodeError> {
        let (long_count, _) = version(&mut walk)?;
        let _count = number(&mut walk, long_count > 0)?;
        let mut boxes = Boxes::new(walk.rest(), meter);
        while let Some((kind, content)) = boxes.inner()? {
            if &kind != b"infe" {
                continue;
            }
            let mut walk = ByteReader::new(Heic, content);
            let (version, _) = version(&mut walk)?;
            if version < 2 {
                continue;
            }
            let item = number(&mut walk, version > 2)?;
            let _protection = walk.u16_be()?;
            self.entry(item)?.kind = walk.array()?;
        }
        Ok(())
    }

    fn read_places(&mut self, mut walk: ByteReader, meter: &Meter) -> Result<(), DecodeError> {
        let (version, _) = version(&mut walk)?;
        if version > 2 {
            return Err(malformed("its items are in a place of an unknown kind"));
        }
        let [sizes, more_sizes] = walk.array()?;
        let index = if version > 0 { more_sizes & 15 } else { 0 };
        let count = number(&mut walk, version > 1)?;
        let mut extents = 0;
        for _ in 0..count {
            meter.charge(work::CHUNK, 1)?;
            let item = number(&mut walk, version > 1)?;
            let method = if version > 0 { walk.u16_be()? & 15 } else { 0 };
            let other_file = walk.u16_be()?;
            let base = offset(&mut walk, more_sizes >> 4)?;
            let parts = walk.u16_be()?;
            extents += usize::from(parts);
            check(extents)?;
            if usize::from(parts) > MOST_OF_ITEM {
                return Err(malformed("an item has too many parts"));
            }
            let entry = self.entry(item)?;
            entry.is_in_idat = method == 1;
            entry.is_elsewhere = method > 1 || other_file != 0;
            entry.extents.clear();
            for _ in 0..parts {
                let _index = offset(&mut walk, index)?;
                let begin = base.saturating_add(offset(&mut walk, sizes >> 4)?);
                entry.extents.push((begin, offset(&mut walk, sizes & 15)?));
            }
        }
        Ok(())
    }

    fn read_references(
        &mut self,
        mut walk: ByteReader<'a>,
        meter: &Meter,
    ) -> Result<(), DecodeError> {
        let (version, _) = version(&mut walk)?;
        let mut boxes = Boxes::new(walk.rest(), meter);
        let mut all = 0;
        while let Some((kind, content)) = boxes.inner()? {
            let mut walk = ByteReader::new(Heic, content);
            let from = number(&mut walk, version > 0)?;
            let count = walk.u16_be()?;
            all += 1 + usize::from(count);
            check(all)?;
            let to = (0..count).map(|_| number(&mut walk, version > 0));
            let to = to.collect::<Result<_, _>>()?;
            self.references.push(Reference { kind, from, to });
        }
        Ok(())
    }

    fn read_properties(&mut self, content: &'a [u8], meter: &Meter) -> Result<(), DecodeError> {
        let mut boxes = Boxes::new(content, meter);
        while let Some((kind, content)) = boxes.inner()? {
            match &kind {
                b"ipco" => {
                    let mut boxes = Boxes::new(content, meter);
                    while let Some(property) = boxes.inner()? {
                        check(self.properties.len())?;
                        self.properties.push(property);
                    }
                }
                b"ipma" => self.read_associations(ByteReader::new(Heic, content), meter)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_associations(
        &mut self,
        mut walk: ByteReader,
        meter: &Meter,
    ) -> Result<(), DecodeError> {
        let (version, flags) = version(&mut walk)?;
        let mut all = 0;
        for _ in 0..walk.u32_be()? {
            meter.charge(work::CHUNK, 1)?;
            let item = number(&mut walk, version > 0)?;
            let count = walk.u8()?;
            all += usize::from(count);
            check(all)?;
            let entry = self.entry(item)?;
            for _ in 0..count {
                let property = if flags & 1 == 1 {
                    walk.u16_be()? & 0x7FFF
                } else {
                    u16::from(walk.u8()? & 0x7F)
                };
                if entry.properties.len() == MOST_OF_ITEM {
                    return Err(malformed("an item has too many properties"));
                }
                entry.properties.push(property);
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, number: u32) -> Result<&Item, DecodeError> {
        let item = self.all.get(&number);
        item.ok_or_else(|| malformed("an item is missing"))
    }

    /// The properties of an item, in the order in which they apply: kind and content.
    pub(super) fn properties(&self, item: &Item) -> impl Iterator<Item = (Kind, &'a [u8])> {
        let known = |number: &u16| {
            let index = usize::from(*number).checked_sub(1)?;
            self.properties.get(index).copied()
        };
        item.properties.iter().filter_map(known)
    }

    /// The first property of that kind.
    pub(super) fn property(&self, item: &Item, kind: Kind) -> Option<&'a [u8]> {
        let mut all = self.properties(item);
        all.find_map(|(found, content)| (found == kind).then_some(content))
    }

    /// The items that an item refers to.
    pub(super) fn referred(&self, from: u32, kind: Kind) -> &[u32] {
        let mut all = self.references.iter();
        let found = all.find(|reference| reference.from == from && reference.kind == kind);
        found.map_or(&[], |reference| &reference.to)
    }

    /// The items that refer to an item.
    pub(super) fn referring(&self, to: u32, kind: Kind) -> impl Iterator<Item = u32> {
        let refers =
            move |reference: &&Reference| reference.kind == kind && reference.to.contains(&to);
        self.references
            .iter()
            .filter(refers)
            .map(|reference| reference.from)
    }

    /// How many bytes an item has. The file has them all.
    pub(super) fn length(&self, item: &Item) -> Result<u64, DecodeError> {
        if item.is_elsewhere {
            return Err(DecodeError::unsupported(
                Heic,
                "its data are put together from others",
            ));
        }
        let mut length = 0_u64;
        for extent in &item.extents {
            let part = self.part(item, *extent);
            let part = part.ok_or(DecodeError::Truncated(Heic))?;
            length = length.saturating_add(part.len() as u64);
        }
        if length > self.file.len() as u64 {
            return Err(malformed("its items use the same data"));
        }
        Ok(length)
    }

    /// The data of an item.
    pub(super) fn data(&self, item: &Item) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.length(item)?;
        let part = |extent: &Extent| self.part(item, *extent).unwrap_or_default();
        Ok(match item.extents.as_slice() {
            [extent] => Cow::Borrowed(part(extent)),
            extents => Cow::Owned(extents.iter().map(part).collect::<Vec<_>>().concat()),
        })
    }

    /// The data of an item that are in one piece.
    pub(super) fn whole(&self, item: &Item) -> Option<&'a [u8]> {
        match item.extents.as_slice() {
            [extent] if !item.is_elsewhere => self.part(item, *extent),
            _ => None,
        }
    }

    fn part(&self, item: &Item, (begin, length): Extent) -> Option<&'a [u8]> {
        let source = if item.is_in_idat {
            self.idat
        } else {
            self.file
        };
        let begin = usize::try_from(begin).ok()?;
        let rest = source.get(begin..)?;
        // A length of 0 means up to the end.
        match usize::try_from(length).ok()? {
            0 => Some(rest),
            length => rest.get(..length),
        }
    }
}

/// The box with the items of a file. All boxes are walked, so a file that was cut is found out.
fn find_meta<'a>(file: &'a [u8], meter: &Meter) -> Result<&'a [u8], DecodeError> {
    let mut boxes = Boxes::new(file, meter);
    let (mut meta, mut has_film) = (None, false);
    while let Some((kind, content)) = boxes.outer()? {
        match &kind {
            b"meta" if meta.is_none() => meta = Some(content),
            b"moov" => has_film = true,
            _ => {}
        }
    }
    match meta {
        Some(meta) => Ok(meta),
        None if has_film => Err(DecodeError::unsupported(
            Heic,
            "it is a sequence of pictures",
        )),
        None => Err(DecodeError::Truncated(Heic)),
    }
}

/// Reads an offset of 0, 4 or 8 bytes.
fn offset(walk: &mut ByteReader, size: u8) -> Result<u64, DecodeError> {
    match size {
        0 => Ok(0),
        4 => walk.u32_be().map(u64::from),
        8 => Ok(u64::from(walk.u32_be()?) << 32 | u64::from(walk.u32_be()?)),
        _ => Err(malformed("its items are in a place of an unknown kind")),
    }
}

fn check(count: usize) -> Result<(), DecodeError> {
    if count > MOST {
        return Err(malformed("it has too many items"));
    }
    Ok(())
}

/// The error for a file whose structure is wrong.
pub(super) fn malformed(what: &'static str) -> DecodeError {
    DecodeError::malformed(Heic, what)
}
