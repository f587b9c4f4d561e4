//! The encodings of XMP.

use crate::{MAX_BYTES, XmpError};

const BOM: char = '\u{feff}';

/// How a text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8 { has_bom: bool },
    Utf16 { is_big_endian: bool, has_bom: bool },
}

/// The text of XMP, without a byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<(String, Encoding), XmpError> {
    if bytes.len() > MAX_BYTES {
        return Err(XmpError::TooLarge);
    }
    let encoding = match bytes {
        [0xFF, 0xFE, ..] | [b'<', 0, ..] => Some(false),
        [0xFE, 0xFF, ..] | [0, b'<', ..] => Some(true),
        _ => None,
    };
    let Some(is_big_endian) = encoding else {
        let text = str::from_utf8(bytes).map_err(|_| XmpError::Encoding)?;
        let (text, has_bom) = without_bom(text.to_owned());
        return Ok((text, Encoding::Utf8 { has_bom }));
    };
    let (units, []) = bytes.as_chunks::<2>() else {
        return Err(XmpError::Encoding);
    };
    let units = units.iter().map(|unit| {
        if is_big_endian {
            u16::from_be_bytes(*unit)
        } else {
            u16::from_le_bytes(*unit)
        }
    });
    let text: Result<String, _> = char::decode_utf16(units).collect();
    let (text, has_bom) = without_bom(text.map_err(|_| XmpError::Encoding)?);
    let encoding = Encoding::Utf16 {
        is_big_endian,
        has_bom,
    };
    Ok((text, encoding))
}

fn without_bom(text: String) -> (String, bool) {
    match text.strip_prefix(BOM) {
        Some(rest) => (rest.to_owned(), true),
        None => (text, false),
    }
}

/// The reverse of [`decode`].
pub(crate) fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    let bom = |has_bom: bool| if has_bom { "\u{feff}" } else { "" };
    match encoding {
        Encoding::Utf8 { has_bom } => [bom(has_bom), text].concat().into_bytes(),
        Encoding::Utf16 {
            is_big_endian,
            has_bom,
        } => {
            let units = bom(has_bom).encode_utf16().chain(text.encode_utf16());
            let bytes = units.flat_map(|unit| {
                if is_big_endian {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            });
            bytes.collect()
        }
    }
}

/// Whether the encoding that an XML declaration names can be that of the text.
pub(crate) fn is_fitting(declared: &[u8]) -> bool {
    let known: [&[u8]; 3] = [b"utf-8", b"utf-16", b"us-ascii"];
    known
        .iter()
        .any(|known| known.eq_ignore_ascii_case(declared))
}
