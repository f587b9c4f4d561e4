//! The cost model of decoding.
//!
//! A unit of work is about a microsecond of one core of an EPYC processor of 2 GHz and more. Time is never
//! measured while a picture is decoded: the elements of the work (bytes, blocks, codes, pixels, tables) are
//! counted, at the rates given here. So the verdict on a file is the same on every machine and at every
//! load.
//!
//! Each rate is the cost of the most expensive input of its kind, as measured by `examples/cost.rs`,
//! rounded up.

/// The default work limit of a picture, in units.
pub const DEFAULT_WORK: u64 = 2_000_000;

/// The cost of one item.
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

    /// The cost of `count` items.
    pub(crate) fn picoseconds(self, count: u64) -> u64 {
        self.picoseconds.saturating_mul(count)
    }

    /// The same in units, rounded up.
    pub(crate) fn units(self, count: u64) -> u64 {
        self.picoseconds(count).div_ceil(1_000_000)
    }
}

// Any file.

/// A byte of a file, scanned.
pub(crate) const FILE_BYTE: Rate = Rate::nanoseconds(2);
/// A chunk, segment or block of a file, skipped. Measured: 33, with the next one, for JPEG segments.
pub(crate) const CHUNK: Rate = Rate::nanoseconds(40);
/// An input pixel of the final filter.
pub(crate) const FILTER_PIXEL: Rate = Rate::nanoseconds(8);
/// A pixel of the copy, encoded.
pub(crate) const ENCODED_PIXEL: Rate = Rate::nanoseconds(20);
/// A pixel of a rendition, converted to sRGB and encoded.
pub(crate) const RENDERED_PIXEL: Rate = Rate::nanoseconds(60);
/// A colour profile, read and made into tables.
pub(crate) const PROFILE: Rate = Rate::nanoseconds(20_000_000);

// PNG. Measured: 0.44 s for 100 megapixels of RGB, 1.28 for RGBA of 16 bits, all rows filtered by Paeth.

/// A byte of a row, unfiltered.
pub(crate) const PNG_BYTE: Rate = Rate::picoseconds_each(1200);
/// A pixel, expanded, flattened and averaged.
pub(crate) const PNG_PIXEL: Rate = Rate::nanoseconds(4);

// Deflate, in PNG and TIFF.

/// A block with its tables, inflated by zlib-rs. Measured: 430.
pub(crate) const DEFLATE_BLOCK: Rate = Rate::nanoseconds(1000);
/// The same in TIFF, where another inflater may do it.
pub(crate) const TIFF_DEFLATE_BLOCK: Rate = Rate::nanoseconds(4000);
/// A byte of compressed data. Measured: 6 for the shortest possible codes.
pub(crate) const DEFLATE_BYTE: Rate = Rate::nanoseconds(10);
/// The same if the blocks are not counted, which may be eleven bytes each.
pub(crate) const DEFLATE_BYTE_AT_WORST: Rate = Rate::nanoseconds(400);
/// An inflater, created for a strip or tile.
pub(crate) const DEFLATE_READER: Rate = Rate::nanoseconds(10_000);
/// A byte inflated only to find the blocks.
pub(crate) const INFLATED_BYTE: Rate = Rate::picoseconds_each(500);

// WebP. Measured: 0.91 s for 50 megapixels, lossy, of a megabyte; 1.4 s for 25 of 14 MB; 0.21 s for 8,
// lossless, of 24 MB.

/// A pixel of a lossy picture.
pub(crate) const WEBP_LOSSY_PIXEL: Rate = Rate::nanoseconds(19);
/// A pixel of a lossless picture, or of alpha, with all transforms.
pub(crate) const WEBP_LOSSLESS_PIXEL: Rate = Rate::nanoseconds(15);
/// A pixel of an animation's canvas.
pub(crate) const WEBP_CANVAS_PIXEL: Rate = Rate::nanoseconds(5);
/// A byte of lossy data.
pub(crate) const WEBP_LOSSY_BYTE: Rate = Rate::nanoseconds(75);
/// A byte of lossless data.
pub(crate) const WEBP_LOSSLESS_BYTE: Rate = Rate::nanoseconds(15);
/// A pixel of an image within lossless data, with the longest possible codes.
pub(crate) const WEBP_INNER_PIXEL: Rate = Rate::nanoseconds(80);
/// A prefix code of lossless data, read.
pub(crate) const WEBP_CODE: Rate = Rate::nanoseconds(500);
/// A symbol of the alphabet of such a code.
pub(crate) const WEBP_CODE_SYMBOL: Rate = Rate::nanoseconds(8);
/// A byte of the decoder's tables for such a code.
pub(crate) const WEBP_TABLE_BYTE: Rate = Rate::picoseconds_each(500);
/// A row of a block of pixels, where the codes change. Measured: 60.
pub(crate) const WEBP_GROUP_CHANGE: Rate = Rate::nanoseconds(70);

/// A look-up step in tables of that many bytes together. Measured: 4 with 1 MiB, 8 with 2, 18 with 4, 48
/// with 8, 125 with 16, 150 with 64; the cost of the first MiB is included in that of bytes and pixels.
pub(crate) fn webp_lookup(bytes: u64) -> Rate {
    let beyond = bytes.saturating_sub(1 << 20).min(24 << 20);
    Rate::picoseconds_each((beyond * 8000) >> 20)
}

// GIF, and LZW in TIFF. Measured: 0.19 s for 24 megapixels of 10 MB in GIF, 0.55 of 60 MB in TIFF.

/// A pixel, looked up, flattened and averaged.
pub(crate) const GIF_PIXEL: Rate = Rate::nanoseconds(4);
/// A pixel decoded by LZW.
pub(crate) const LZW_PIXEL: Rate = Rate::nanoseconds(3);
/// A byte of compressed data.
pub(crate) const LZW_BYTE: Rate = Rate::nanoseconds(20);
/// A decoder, created for a strip.
pub(crate) const LZW_READER: Rate = Rate::nanoseconds(10_000);

// BMP. Measured: 0.11 s for 100 megapixels of runs.

/// A pixel, decoded and averaged.
pub(crate) const BMP_PIXEL: Rate = Rate::nanoseconds(12);
/// A byte of runs.
pub(crate) const BMP_RUN_BYTE: Rate = Rate::nanoseconds(10);

// TIFF.

/// A page, opened.
pub(crate) const TIFF_PAGE: Rate = Rate::nanoseconds(2000);
/// An entry of a page.
pub(crate) const TIFF_ENTRY: Rate = Rate::nanoseconds(200);
/// An offset or a length in a list of them.
pub(crate) const TIFF_VALUE: Rate = Rate::nanoseconds(100);
/// A strip or tile, found and read.
pub(crate) const TIFF_CHUNK: Rate = Rate::nanoseconds(1000);
/// A byte of decoded samples. Measured: 0.68 s for 100 megapixels of RGBA of 16 bits, with their pixels.
pub(crate) const TIFF_BYTE: Rate = Rate::picoseconds_each(800);
/// A pixel, converted and averaged.
pub(crate) const TIFF_PIXEL: Rate = Rate::nanoseconds(4);
/// A byte of a fax. Measured: 1.67 s for 14 MB of stripes, with their pixels.
pub(crate) const FAX_BYTE: Rate = Rate::nanoseconds(95);
/// A byte of any other compressed data. Measured: 1.28 s for 200 MB of runs of one byte.
pub(crate) const PACKED_BYTE: Rate = Rate::nanoseconds(6);

// JPEG, as a file and in TIFF. Measured: 0.54 s for 16 megapixels of noise, 32 MB, sequential; 1.08 s
// for the same in 26 MB, progressive; 9.5 s for 98 empty refinements of 100 megapixels.

/// A segment, read by the decoders.
pub(crate) const JPEG_SEGMENT: Rate = Rate::nanoseconds(40);
/// A byte of a segment of tables. Measured: 32 for tables of one code.
pub(crate) const JPEG_TABLE_BYTE: Rate = Rate::nanoseconds(50);
/// A decoder, created for a strip or tile of a TIFF.
pub(crate) const JPEG_READER: Rate = Rate::nanoseconds(20_000);
/// A scan, whatever its content.
pub(crate) const JPEG_SCAN: Rate = Rate::nanoseconds(1000);
/// A restart within a scan.
pub(crate) const JPEG_RESTART: Rate = Rate::nanoseconds(100);
/// A byte of entropy-coded data.
pub(crate) const JPEG_DATA_BYTE: Rate = Rate::nanoseconds(30);
/// A block of a sequential picture.
pub(crate) const JPEG_BLOCK: Rate = Rate::nanoseconds(40);
/// A block in a scan of DC coefficients.
pub(crate) const JPEG_DC_BLOCK: Rate = Rate::nanoseconds(30);
/// A block in a scan that begins AC coefficients.
pub(crate) const JPEG_AC_BLOCK: Rate = Rate::nanoseconds(70);
/// A block in a scan that refines AC coefficients. Measured: 62 where there is none.
pub(crate) const JPEG_REFINED_BLOCK: Rate = Rate::nanoseconds(90);
/// A sample reconstructed from the coefficients.
pub(crate) const JPEG_SAMPLE: Rate = Rate::nanoseconds(2);
/// A pixel combined from its samples.
pub(crate) const JPEG_PIXEL: Rate = Rate::nanoseconds(3);
