//! Recognises unsupported files by their first bytes.

use crate::decode_error::DecodeError;

/// Advice for pictures of unsupported formats.
const ADVICE: &str = "convert it to JPEG";

/// The name of HEIC, which is read if the program is built so.
const HEIC: &str = "HEIC";

/// How much of a text file is examined, in bytes.
const TEXT_LENGTH: usize = 4096;

/// How many brands of a file are examined.
const MOST_BRANDS: usize = 64;

/// Pictures: offset of the signature, signature, name of the format.
const PICTURES: [(usize, &[u8], &str); 40] = [
    (0, b"\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\xFF\x0A", "JPEG XL"),
    (0, b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xFF\x4F\xFF\x51", "JPEG 2000"),
    (0, b"8BPS", "PSD"),
    (0, b"\0\0\x01\0", "ICO"),
    (0, b"\0\0\x02\0", "ICO"),
    (0, b"II*\0\x10\0\0\0CR\x02", "RAW (CR2)"),
    (8, b"IIIITwaR", "RAW (IIQ)"),
    (8, b"MMMMRawT", "RAW (IIQ)"),
    (0, b"IIRO", "RAW (ORF)"),
    (0, b"IIRS", "RAW (ORF)"),
    (0, b"MMOR", "RAW (ORF)"),
    (0, b"IIU\0", "RAW (RW2)"),
    (0, b"FUJIFILMCCD-RAW", "RAW (RAF)"),
    (0, b"\0MRM", "RAW (MRW)"),
    (0, b"FOVb", "RAW (X3F)"),
    (0, b"II\xBC", "JPEG XR"),
    (0, b"qoif", "QOI"),
    (0, b"\x76\x2F\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"DDS ", "DDS"),
    (0, b"gimp xcf ", "XCF"),
    (0, b"BPG\xFB", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"P1\n", "PBM"),
    (0, b"P2\n", "PGM"),
    (0, b"P3\n", "PPM"),
    (0, b"P4\n", "PBM"),
    (0, b"P5\n", "PGM"),
    (0, b"P6\n", "PPM"),
    (0, b"P7\n", "PAM"),
    (0, b"icns", "ICNS"),
    (0, b"II\x1A\0\0\0HEAPCCDR", "RAW (CRW)"),
    (128, b"DICM", "DICOM"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\x0A\x05\x01\x08", "PCX"),
    (0, b"\x8AMNG\r\n\x1A\n", "MNG"),
    (0, b"\x8BJNG\r\n\x1A\n", "JNG"),
];

/// Brands of ISO base media files (ISO/IEC 14496-12), in order of precedence.
const BRANDS: [(&[&[u8; 4]], &str); 3] = [
    (&[b"avif", b"avis"], "AVIF"),
    (
        &[
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1",
        ],
        HEIC,
    ),
    (&[b"crx "], "RAW (CR3)"),
];

/// Files that are not raster pictures.
const OTHERS: [(usize, &[u8], &str); 20] = [
    (0, b"%PDF-", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"\xD7\xCD\xC6\x9A", "a Windows metafile"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1F\x8B", "a gzip archive"),
    (0, b"7z\xBC\xAF", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\x1A\x45\xDF\xA3", "a Matroska or WebM video"),
    (8, b"AVI ", "an AVI video"),
    (8, b"WAVE", "a WAV recording"),
    (0, b"\0\0\x01\xBA", "an MPEG video"),
    (0, b"OggS", "an Ogg recording"),
    (0, b"ID3", "an MP3 recording"),
    (0, b"fLaC", "a FLAC recording"),
    (4, b"ftyp", "an MP4 video"),
    (4, b"moov", "a QuickTime video"),
    (4, b"mdat", "a QuickTime video"),
    (4, b"wide", "a QuickTime video"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"\x7FELF", "a program"),
];

/// The error for a picture of an unsupported format, even if it starts like a supported one.
pub(super) fn picture(bytes: &[u8]) -> Option<DecodeError> {
    let brand = brand(bytes).filter(|brand| !(cfg!(feature = "heic") && *brand == HEIC));
    let format = find(&PICTURES, bytes).or(brand)?;
    Some(unread(format))
}

/// Whether a file's brands are those of HEIC.
pub(super) fn is_heic(bytes: &[u8]) -> bool {
    brand(bytes) == Some(HEIC)
}

/// The error for HEIC in a program that does not read it.
#[cfg(not(feature = "heic"))]
pub(super) fn heic() -> DecodeError {
    unread(HEIC)
}

fn unread(format: &'static str) -> DecodeError {
    DecodeError::UnsupportedFormat {
        format,
        advice: ADVICE,
    }
}

/// A camera raw file: a TIFF container with a small preview.
pub(super) fn raw() -> DecodeError {
    unread("RAW")
}

/// The error for a file of no supported format.
pub(super) fn refusal(bytes: &[u8]) -> DecodeError {
    let other = find(&OTHERS, bytes).or_else(|| text(bytes));
    other.map_or(DecodeError::UnknownFormat, DecodeError::OtherFormat)
}

fn find(table: &[(usize, &[u8], &'static str)], bytes: &[u8]) -> Option<&'static str> {
    let begins = |(at, signature, _): &&(usize, &[u8], _)| {
        let rest = bytes.get(*at..);
        rest.is_some_and(|rest| rest.starts_with(signature))
    };
    table.iter().find(begins).map(|(.., name)| *name)
}

/// The format named by the brands in the first box.
fn brand(bytes: &[u8]) -> Option<&'static str> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let rest = rest.get(..length.saturating_sub(4)).unwrap_or(rest);
    let (brands, _) = rest.strip_prefix(b"ftyp")?.as_chunks::<4>();
    // The second entry is a version.
    let mut names = BRANDS.iter().filter(|(known, _)| {
        let mut brands = brands.iter().take(MOST_BRANDS);
        brands.any(|brand| known.contains(&brand))
    });
    names.next().map(|(_, name)| *name)
}

/// Whether a file is text, whatever its first letters say.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    text(bytes).is_some()
}

fn text(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.get(..TEXT_LENGTH).unwrap_or(bytes);
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // The last character may be cut in two.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_control = |c: char| c.is_control() && !c.is_whitespace();
    if text.trim().is_empty() || text.contains(is_control) {
        return None;
    }
    let text = text.trim_start().to_ascii_lowercase();
    let has_tag = |tag: &str| text.starts_with('<') && text.contains(tag);
    Some(if has_tag("<svg") {
        "an SVG drawing"
    } else if has_tag("<html") || has_tag("<!doctype html") {
        "an HTML page"
    } else if has_tag("<?xml") {
        "an XML document"
    } else {
        "text"
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"\0\0\0\x1Cftypmif1\0\0\0\0mif1miafavif", "AVIF")]
    #[case(b"\0\0\0\x14ftypavif\0\0\0\0mif1", "AVIF")]
    #[case(b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "RAW (CR3)")]
    #[case(b"\xFF\x0A\xFA\x7F", "JPEG XL")]
    #[case(b"\0\0\0\x0CJXL \r\n\x87\n\0\0", "JPEG XL")]
    #[case(b"\xFF\x4F\xFF\x51\0\x2F", "JPEG 2000")]
    #[case(b"8BPS\0\x01", "PSD")]
    #[case(b"\0\0\x01\0\x01\0\x10\x10", "ICO")]
    #[case(b"II*\0\x10\0\0\0CR\x02\0", "RAW (CR2)")]
    fn a_picture_of_another_format_is_named(#[case] file: &[u8], #[case] name: &str) {
        let refusal = picture(file).unwrap();
        let text = format!("{name} is not supported; convert it to JPEG");
        assert_eq!(refusal.to_string(), text);
    }

    #[test]
    fn heic_is_named_where_it_is_not_read() {
        let file = b"\0\0\0\x1Cftypheic\0\0\0\0mif1heic";
        assert!(is_heic(file));
        assert_eq!(picture(file).is_none(), cfg!(feature = "heic"));
    }

    #[rstest]
    #[case(b"%PDF-1.7", Some("a PDF document"))]
    #[case(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", Some("an MP4 video"))]
    #[case(b"<?xml version='1.0'?>\n<svg width='3'>", Some("an SVG drawing"))]
    #[case(b"\xEF\xBB\xBF <!DOCTYPE html>", Some("an HTML page"))]
    #[case(b"<?xml version='1.0'?><a/>", Some("an XML document"))]
    #[case(b"hello, w\xC3\xB6rld", Some("text"))]
    #[case(b"\x01\x02\x03", None)]
    #[case(b"\xFF\xFE\xFD", None)]
    #[case(b"", None)]
    fn other_files_are_named(#[case] file: &[u8], #[case] name: Option<&str>) {
        assert!(picture(file).is_none());
        match (refusal(file), name) {
            (DecodeError::OtherFormat(found), Some(name)) => assert_eq!(found, name),
            (DecodeError::UnknownFormat, None) => {}
            (found, _) => panic!("{found}"),
        }
    }
}
