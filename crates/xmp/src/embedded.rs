//! Keywords in JPEG files: in XMP, in the part of it that did not fit in one segment, and in IPTC-IIM.

use std::collections::BTreeMap;

use crate::{
    Keywords, MAX_BYTES, MAX_ITEMS, XmpError, encoding::decode, keywords::keywords, parse::parse,
};

/// The most segments that are looked at.
const MOST_SEGMENTS: usize = 4096;

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENSION: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";

/// The number of the resource of Photoshop that is IPTC-IIM.
const IPTC: u16 = 0x0404;

/// What a picture file has in itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embedded {
    /// The keywords that could be read.
    pub keywords: Keywords,
    /// Why its XMP could not be read.
    pub error: Option<XmpError>,
}

/// The keywords in a JPEG file. Of any other file there are none.
pub fn embedded(file: &[u8]) -> Embedded {
    let mut embedded = Embedded::default();
    if !file.starts_with(&[0xFF, 0xD8]) {
        return embedded;
    }
    let (mut extensions, mut photoshop) = (Extensions::default(), Vec::new());
    for (marker, body) in segments(file) {
        if marker == 0xE1 {
            if let Some(packet) = body.strip_prefix(XMP) {
                embedded.add(packet);
            } else if let Some(part) = body.strip_prefix(EXTENSION) {
                extensions.add(part);
            }
        } else if marker == 0xED
            && let Some(resources) = body.strip_prefix(PHOTOSHOP)
            && photoshop.len() + resources.len() <= MAX_BYTES
        {
            photoshop.extend_from_slice(resources);
        }
    }
    for packet in extensions.packets() {
        embedded.add(&packet);
    }
    let names = resources(&photoshop)
        .filter(|(number, _)| *number == IPTC)
        .flat_map(|(_, data)| iptc(data));
    embedded.keywords.join(Keywords {
        names: names.take(MAX_ITEMS).collect(),
        written: Vec::new(),
    });
    embedded
}

impl Embedded {
    /// Adds the keywords of a packet of XMP. Behind it there may be room for its growth.
    fn add(&mut self, packet: &[u8]) {
        let padding = packet.iter().rev().take_while(|byte| **byte == 0).count();
        let packet = packet.get(..packet.len() - padding).unwrap_or_default();
        let parsed = decode(packet).and_then(|(text, _)| parse(&text));
        match parsed {
            Ok(document) => self.keywords.join(keywords(&document)),
            Err(error) => self.error = Some(error),
        }
    }
}

/// Packets in parts, by their identifiers.
#[derive(Default)]
struct Extensions<'f> {
    parts: BTreeMap<&'f [u8], BTreeMap<u32, &'f [u8]>>,
    length: usize,
}

impl<'f> Extensions<'f> {
    /// A part: the identifier of the packet, its length, the place of the part, the part.
    fn add(&mut self, segment: &'f [u8]) {
        let Some((identifier, rest)) = segment.split_at_checked(32) else {
            return;
        };
        let Some((_, rest)) = rest.split_first_chunk::<4>() else {
            return;
        };
        let Some((place, content)) = rest.split_first_chunk::<4>() else {
            return;
        };
        self.length += content.len();
        if self.length <= MAX_BYTES {
            let packet = self.parts.entry(identifier).or_default();
            packet.insert(u32::from_be_bytes(*place), content);
        }
    }

    /// The packets of which all parts are there. Others are cut off, and found to be so.
    fn packets(self) -> impl Iterator<Item = Vec<u8>> {
        let packets = self.parts.into_values().map(BTreeMap::into_values);
        packets.map(|contents| contents.flatten().copied().collect())
    }
}

/// The segments before the first scan: marker and body.
fn segments(file: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = file.get(2..).unwrap_or_default();
    let segments = std::iter::from_fn(move || {
        let after = rest.strip_prefix(&[0xFF])?;
        // Any number of 0xFF may stand before a marker.
        let padding = after.iter().take_while(|byte| **byte == 0xFF).count();
        let (marker, after) = after.get(padding..)?.split_first()?;
        if matches!(marker, 0x00 | 0x01 | 0xD0..=0xDA) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        let body = after.get(2..length)?;
        rest = after.get(length..)?;
        Some((*marker, body))
    });
    segments.take(MOST_SEGMENTS)
}

/// The resources of Photoshop: number and data.
fn resources(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let after = rest.strip_prefix(b"8BIM")?;
        let (number, after) = after.split_first_chunk()?;
        // The name, with its length before it, and the data have even lengths.
        let name = usize::from(*after.first()?) + 1;
        let after = after.get(name + name % 2..)?;
        let (length, after) = after.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let data = after.get(..length)?;
        rest = after.get(length + length % 2..).unwrap_or_default();
        Some((u16::from_be_bytes(*number), data))
    })
}

/// The keywords of IPTC-IIM. Many programs write UTF-8 without saying so.
fn iptc(data: &[u8]) -> Vec<String> {
    let keywords = datasets(data).filter(|(record, dataset, _)| (*record, *dataset) == (2, 25));
    let names = keywords.map(|(_, _, value)| match str::from_utf8(value) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    });
    names
        .filter(|name: &String| !name.is_empty())
        .take(MAX_ITEMS)
        .collect()
}

/// The datasets: record, number, value. Ends at one that is longer than 32 KiB.
fn datasets(mut rest: &[u8]) -> impl Iterator<Item = (u8, u8, &[u8])> {
    std::iter::from_fn(move || {
        let after = rest.strip_prefix(&[0x1C])?;
        let ([record, number], after) = after.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let value = after.get(..length).filter(|_| length < 0x8000)?;
        rest = after.get(length..)?;
        Some((*record, *number, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let length = u16::try_from(body.len() + 2).unwrap();
        [&[0xFF, marker][..], &length.to_be_bytes(), &body].concat()
    }

    fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
        [&[0xFF, 0xD8][..], &segments.concat(), &[0xFF, 0xDA]].concat()
    }

    fn dataset(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[0x1C, 2, number][..], &length, value].concat()
    }

    fn resource(number: u16, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        let padding = &[0][..data.len() % 2];
        let number = number.to_be_bytes();
        [&b"8BIM"[..], &number, &[0, 0], &length, data, padding].concat()
    }

    fn packet(subject: &str) -> String {
        format!(
            "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
             <rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject><rdf:Bag>\
             <rdf:li>{subject}</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF>"
        )
    }

    /// XMP, a packet in two parts of which the second comes first, and IPTC that two segments share.
    fn everything() -> Vec<u8> {
        let iptc = [
            dataset(5, b"title"),
            dataset(25, "niño".as_bytes()),
            dataset(25, b"caf\xe9"),
            dataset(25, b"sea"),
        ];
        let photoshop = [resource(1, b"odd"), resource(IPTC, &iptc.concat())].concat();
        let (first, second) = photoshop.split_at(20);
        let long = packet("extended");
        let (head, tail) = long.as_bytes().split_at(100);
        let length = u32::try_from(long.len()).unwrap().to_be_bytes();
        let identifier = [b'A'; 32];
        let part = |place: u32, part: &[u8]| {
            let place = place.to_be_bytes();
            segment(0xE1, &[EXTENSION, &identifier, &length, &place, part])
        };
        jpeg(&[
            segment(0xE0, &[b"JFIF\0"]),
            segment(0xE1, &[b"Exif\0\0", b"II*\0"]),
            segment(0xE1, &[XMP, packet("sea").as_bytes(), &[0, 0]]),
            part(100, tail),
            part(0, head),
            segment(0xED, &[PHOTOSHOP, first]),
            segment(0xED, &[PHOTOSHOP, second]),
        ])
    }

    #[test]
    fn every_place_of_keywords_is_read() {
        let found = embedded(&everything());
        assert_eq!(found.error, None);
        assert_eq!(found.keywords.names, ["sea", "extended", "niño", "café"]);
    }

    #[test]
    fn a_part_of_a_file_has_a_part_of_its_keywords() {
        let file = everything();
        let all = embedded(&file).keywords.names;
        for end in 0..file.len() {
            for name in embedded(&file[..end]).keywords.names {
                assert!(all.contains(&name), "{name} of {end} bytes");
            }
        }
    }

    #[test]
    fn xmp_that_cannot_be_read_is_told_and_the_rest_is_read() {
        let iptc = resource(IPTC, &dataset(25, b"sea"));
        let file = jpeg(&[
            segment(0xE1, &[XMP, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]),
            segment(0xED, &[PHOTOSHOP, &iptc]),
        ]);
        let found = embedded(&file);
        assert_eq!(found.error, Some(XmpError::DocumentType));
        assert_eq!(found.keywords.names, ["sea"]);
        assert_eq!(embedded(b"\x89PNG"), Embedded::default());
    }
}
