//! Methods of compression.

use super::fax::Scheme;

/// A method that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    None,
    Fax(Scheme),
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
}

/// `T4Options`: rows may be coded by those above them.
const TWO_DIMENSIONAL: u64 = 1;

impl Coding {
    /// A method by its number in the file; `None` if it is not read.
    pub(super) fn new(method: u64, t4_options: u64) -> Option<Self> {
        Some(match method {
            1 => Self::None,
            2 => Self::Fax(Scheme::Runs),
            3 if t4_options & TWO_DIMENSIONAL == 0 => Self::Fax(Scheme::Group3),
            3 => Self::Fax(Scheme::Group3Mixed),
            4 => Self::Fax(Scheme::Group4),
            5 => Self::Lzw,
            7 => Self::Jpeg,
            8 | 32_946 => Self::Deflate,
            32_773 => Self::PackBits,
            _ => return None,
        })
    }

    /// Whether samples may be stored as differences. With other methods the entry means nothing.
    pub(super) fn has_predictor(self) -> bool {
        matches!(self, Self::Lzw | Self::Deflate)
    }

    /// The name of any method.
    pub(super) fn name(method: u64) -> String {
        let name = match method {
            1 => "none",
            2 => "CCITT RLE",
            3 => "CCITT Group 3",
            4 => "CCITT Group 4",
            5 => "LZW",
            6 => "old-style JPEG",
            7 => "JPEG",
            8 | 32_946 => "Deflate",
            9 | 10 | 34_661 => "JBIG",
            32_766 => "NeXT",
            32_767 => "Sony ARW",
            32_769 | 32_770 => "packed RAW",
            32_771 => "CCITT RLE in words",
            32_773 => "PackBits",
            32_809 => "ThunderScan",
            33_003 | 33_004 | 33_005 | 34_712 => "JPEG 2000",
            34_676 | 34_677 => "SGI Log",
            34_713 => "Nikon NEF",
            34_887 => "LERC",
            34_892 => "lossy JPEG of DNG",
            34_925 => "LZMA",
            34_934 => "PNG",
            34_933 | 48_124 => "JPEG XR",
            50_000 => "Zstandard",
            50_001 => "WebP",
            50_002 | 52_546 => "JPEG XL",
            65_535 => "Pentax PEF",
            other => return format!("of the unknown kind {other}"),
        };
        name.to_owned()
    }
}
