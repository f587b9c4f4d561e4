//! What the parts of the work on a picture cost.
//!
//! A unit of work is about a microsecond of one core of an EPYC processor of 2 GHz and more. It is
//! never measured while a picture is decoded: what the work is made of (bytes, blocks, codes, pixels,
//! tables) is counted, and each kind counts as much as here. So the verdict on a file is the same on
//! every machine and at every load.
//!
//! Each rate is what the dearest input of its kind costs, as `examples/cost.rs` measures it, rounded up.

/// Most work of a picture, in units, unless the settings say otherwise.
pub const DEFAULT_WORK: u64 = 2_000_000;

/// What one of many things costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    picoseconds: u64,
}

impl Rate {
    pub(crate) const fn picoseconds_each(picoseconds: u64) -> Self {
        Self { picoseconds }
    }

    pub(crate) const fn nanoseconds(nanoseconds: u64) -> Self {
        Self::picoseconds_each(nanoseconds * 1000)
    }

    /// What so many cost together.
    pub(crate) fn picoseconds(self, count: u64) -> u64 {
        self.picoseconds.saturating_mul(count)
    }

    /// The same in units, rounded up.
    pub(crate) fn units(self, count: u64) -> u64 {
        self.picoseconds(count).div_ceil(1_000_000)
    }
}

// Any file.
/// A byte of a file, walked through.
pub(crate) const FILE_BYTE: Rate = Rate::nanoseconds(2);
/// A chunk, a segment or a block of a file, passed.
pub(crate) const CHUNK: Rate = Rate::nanoseconds(100);
/// A pixel that the last filter takes.
pub(crate) const FILTER_PIXEL: Rate = Rate::nanoseconds(8);
/// A pixel of the copy, encoded.
pub(crate) const ENCODED_PIXEL: Rate = Rate::nanoseconds(20);

// PNG.
pub(crate) const PNG_BYTE: Rate = Rate::picoseconds_each(1500);
pub(crate) const PNG_PIXEL: Rate = Rate::picoseconds_each(1500);

// Deflate, in PNG and TIFF.
pub(crate) const DEFLATE_BLOCK: Rate = Rate::nanoseconds(4000);
pub(crate) const DEFLATE_BYTE: Rate = Rate::nanoseconds(15);
pub(crate) const DEFLATE_BYTE_AT_WORST: Rate = Rate::nanoseconds(700);
pub(crate) const DEFLATE_READER: Rate = Rate::nanoseconds(10_000);
pub(crate) const INFLATED_BYTE: Rate = Rate::picoseconds_each(500);

// WebP.
pub(crate) const WEBP_LOSSY_PIXEL: Rate = Rate::nanoseconds(15);
pub(crate) const WEBP_LOSSLESS_PIXEL: Rate = Rate::nanoseconds(15);
pub(crate) const WEBP_CANVAS_PIXEL: Rate = Rate::nanoseconds(5);
pub(crate) const WEBP_BYTE: Rate = Rate::nanoseconds(50);

// GIF, and LZW in TIFF.
pub(crate) const GIF_PIXEL: Rate = Rate::nanoseconds(3);
pub(crate) const LZW_PIXEL: Rate = Rate::nanoseconds(2);
pub(crate) const LZW_BYTE: Rate = Rate::nanoseconds(20);
pub(crate) const LZW_READER: Rate = Rate::nanoseconds(10_000);

// BMP.
pub(crate) const BMP_PIXEL: Rate = Rate::nanoseconds(5);
pub(crate) const BMP_BYTE: Rate = Rate::nanoseconds(10);

// TIFF.
pub(crate) const TIFF_PAGE: Rate = Rate::nanoseconds(2000);
pub(crate) const TIFF_ENTRY: Rate = Rate::nanoseconds(200);
pub(crate) const TIFF_VALUE: Rate = Rate::nanoseconds(50);
pub(crate) const TIFF_CHUNK: Rate = Rate::nanoseconds(1000);
pub(crate) const TIFF_BYTE: Rate = Rate::nanoseconds(1);
pub(crate) const TIFF_PIXEL: Rate = Rate::nanoseconds(3);
pub(crate) const FAX_BYTE: Rate = Rate::nanoseconds(50);
pub(crate) const PACKED_BYTE: Rate = Rate::nanoseconds(20);

// JPEG, as a file and in TIFF.
pub(crate) const JPEG_SEGMENT: Rate = Rate::nanoseconds(100);
pub(crate) const JPEG_TABLE_BYTE: Rate = Rate::nanoseconds(200);
pub(crate) const JPEG_SCAN: Rate = Rate::nanoseconds(5000);
pub(crate) const JPEG_RESTART: Rate = Rate::nanoseconds(100);
pub(crate) const JPEG_DATA_BYTE: Rate = Rate::nanoseconds(30);
pub(crate) const JPEG_BLOCK: Rate = Rate::nanoseconds(100);
pub(crate) const JPEG_DC_BLOCK: Rate = Rate::nanoseconds(30);
pub(crate) const JPEG_AC_BLOCK: Rate = Rate::nanoseconds(60);
pub(crate) const JPEG_REFINED_BLOCK: Rate = Rate::nanoseconds(150);
pub(crate) const JPEG_SAMPLE: Rate = Rate::nanoseconds(3);
pub(crate) const JPEG_PIXEL: Rate = Rate::nanoseconds(3);
