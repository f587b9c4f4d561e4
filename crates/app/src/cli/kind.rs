//! File types by their first bytes, and files that are skipped.

use thiserror::Error;

/// How many bytes [`Kind::sniff`] needs.
pub(super) const PREFIX: usize = 32;

/// Why a file in a folder is skipped, which is not a failure.
#[derive(Debug, Error)]
pub(super) enum LeftOut {
    #[error("{0} pictures are not supported; convert it to JPEG")]
    Unread(&'static str),
    #[error("it is not a picture")]
    NoPicture,
    #[error("it is not a regular file")]
    NoFile,
    #[error("a symbolic link leads back to a folder around it")]
    Loop,
    #[error("it is the folder of this store's originals")]
    Originals,
    #[error("it is excluded")]
    Excluded,
}

/// The type of a file. Whether an image is intact is for the codec to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image of a supported format.
    Picture,
    /// An image of an unsupported format.
    Unread(&'static str),
    /// Not an image.
    Other,
}

/// Read if the program is built so.
const HEIC: &str = "HEIC";

/// Magic numbers of supported formats.
const READ: [&[u8]; 8] = [
    b"\xFF\xD8\xFF",
    b"\x89PNG\r\n\x1A\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"II+\0",
    b"MM\0*",
    b"MM\0+",
];

/// Magic numbers of unsupported image formats.
const UNREAD: [(&str, &[u8]); 10] = [
    ("JPEG XL", b"\xFF\x0A"),
    ("JPEG XL", b"\0\0\0\x0CJXL \r\n\x87\n"),
    ("JPEG 2000", b"\0\0\0\x0CjP  \r\n\x87\n"),
    ("JPEG 2000", b"\xFF\x4F\xFF\x51"),
    ("JPEG XR", b"II\xBC"),
    ("PSD", b"8BPS"),
    ("ICO", b"\0\0\x01\0"),
    ("OpenEXR", b"\x76\x2F\x31\x01"),
    ("QOI", b"qoif"),
    ("DDS", b"DDS "),
];

impl Kind {
    /// Detects the type from the first bytes of a file.
    pub(super) fn sniff(prefix: &[u8]) -> Self {
        let begins = |magic: &&[u8]| prefix.starts_with(magic);
        if READ.iter().any(begins) || is_webp(prefix) || is_bmp(prefix) {
            return Self::Picture;
        }
        let unread = UNREAD.iter().find(|(_, magic)| begins(magic));
        let unread = unread.map(|(name, _)| *name).or_else(|| of_brands(prefix));
        match unread {
            Some(HEIC) if cfg!(feature = "heic") => Self::Picture,
            Some(name) => Self::Unread(name),
            None => Self::Other,
        }
    }
}

fn is_webp(prefix: &[u8]) -> bool {
    prefix.starts_with(b"RIFF") && prefix.get(8..12) == Some(b"WEBP")
}

/// `BM` alone also begins texts; the length of the second header must be a small number.
fn is_bmp(prefix: &[u8]) -> bool {
    prefix.starts_with(b"BM") && prefix.get(15..18) == Some(&[0; 3])
}

/// Images in ISO base media containers, by the brands in the `ftyp` box.
fn of_brands(prefix: &[u8]) -> Option<&'static str> {
    let brands = prefix
        .strip_prefix(b"\0\0\0")
        .and_then(|rest| rest.get(1..))?;
    let (brands, _) = brands.strip_prefix(b"ftyp")?.as_chunks::<4>();
    brands.iter().find_map(|brand| match brand {
        b"avif" | b"avis" => Some("AVIF"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some(HEIC),
        b"crx " => Some("CR3"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"\xFF\xD8\xFF\xE0\0\x10JFIF\0", Kind::Picture)]
    #[case(b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", Kind::Picture)]
    #[case(b"RIFF\x24\0\0\0WEBPVP8 ", Kind::Picture)]
    #[case(b"GIF89a\x01\0", Kind::Picture)]
    #[case(b"BM\x3A\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Kind::Picture)]
    #[case(b"II*\0\x08\0\0\0", Kind::Picture)]
    #[case(b"MM\0*\0\0\0\x08", Kind::Picture)]
    #[case(b"\0\0\0\x1Cftypavif\0\0\0\0avifmif1", Kind::Unread("AVIF"))]
    #[case(b"\xFF\x0A\xFA\x1F", Kind::Unread("JPEG XL"))]
    #[case(b"8BPS\0\x01", Kind::Unread("PSD"))]
    #[case(b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", Kind::Other)]
    #[case(b"RIFF\x24\0\0\0WAVEfmt ", Kind::Other)]
    #[case(b"BMW is a maker of cars", Kind::Other)]
    #[case(b"%PDF-1.7", Kind::Other)]
    #[case(b"\xFF\xD8", Kind::Other)]
    #[case(b"", Kind::Other)]
    fn kinds(#[case] prefix: &[u8], #[case] expected: Kind) {
        assert_eq!(Kind::sniff(prefix), expected);
    }

    #[rstest]
    #[case(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")]
    #[case(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic")]
    fn heic_is_a_picture_where_it_is_read(#[case] prefix: &[u8]) {
        let expected = if cfg!(feature = "heic") {
            Kind::Picture
        } else {
            Kind::Unread("HEIC")
        };
        assert_eq!(Kind::sniff(prefix), expected);
    }
}
