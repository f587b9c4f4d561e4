//! The description of a page: what its samples mean, and how they are stored.

use domain::MediaType::Tiff;
use image::metadata::Orientation;

use super::{
    coding::Coding,
    directory::{Directory, Numbers},
};
use crate::{
    decode_error::DecodeError,
    formats::{MOST_SIDE, check_sides},
};

// Tags (TIFF 6.0, and the supplements of Adobe).
const IMAGE_WIDTH: u64 = 256;
const IMAGE_LENGTH: u64 = 257;
const BITS_PER_SAMPLE: u64 = 258;
const COMPRESSION: u64 = 259;
const PHOTOMETRIC_INTERPRETATION: u64 = 262;
const FILL_ORDER: u64 = 266;
const ORIENTATION: u64 = 274;
const SAMPLES_PER_PIXEL: u64 = 277;
const ROWS_PER_STRIP: u64 = 278;
const PLANAR_CONFIGURATION: u64 = 284;
const T4_OPTIONS: u64 = 292;
const PREDICTOR: u64 = 317;
const COLOR_MAP: u64 = 320;
const TILE_WIDTH: u64 = 322;
const TILE_LENGTH: u64 = 323;
const INK_SET: u64 = 332;
const EXTRA_SAMPLES: u64 = 338;
const SAMPLE_FORMAT: u64 = 339;
const JPEG_TABLES: u64 = 347;
const YCBCR_COEFFICIENTS: u64 = 529;
const YCBCR_SUB_SAMPLING: u64 = 530;
const REFERENCE_BLACK_WHITE: u64 = 532;

/// Most samples of a pixel.
const MOST_SAMPLES: u64 = 32;

/// The meaning of the colour of a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Colour {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    /// The colours of the indexes.
    Palette(Vec<[u8; 3]>),
    Cmyk,
    YCbCr,
}

/// The opacity of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alpha {
    /// Which sample it is.
    pub(super) sample: usize,
    /// Whether the colours are multiplied by it already.
    pub(super) is_premultiplied: bool,
}

/// How samples differ from those before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    Float,
}

/// The strips or tiles of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Pixels of a row of a strip or tile.
    pub(super) width: u32,
    /// Rows of a strip or tile; the last strip may have fewer.
    pub(super) rows: u32,
    pub(super) across: u32,
    pub(super) down: u32,
}

/// A page.
#[derive(Debug, Clone)]
pub(super) struct Page<'a> {
    pub(super) size: (u32, u32),
    pub(super) colour: Colour,
    pub(super) alpha: Option<Alpha>,
    /// Samples of a pixel.
    pub(super) samples: usize,
    /// Bits of a sample.
    pub(super) bits: u32,
    pub(super) is_little_endian: bool,
    /// Whether the lowest bit of a byte is the first.
    pub(super) is_bit_reversed: bool,
    pub(super) is_planar: bool,
    pub(super) coding: Coding,
    pub(super) predictor: Predictor,
    pub(super) grid: Grid,
    pub(super) jpeg_tables: Option<&'a [u8]>,
    pub(super) orientation: Orientation,
}

impl<'a> Page<'a> {
    /// Reads and checks the description. What is not supported is refused by name.
    pub(super) fn read(numbers: Numbers, directory: &Directory<'a>) -> Result<Self, DecodeError> {
        let value = |tag, default| Ok::<_, DecodeError>(directory.value(tag)?.unwrap_or(default));
        let size = (
            side(directory, IMAGE_WIDTH)?,
            side(directory, IMAGE_LENGTH)?,
        );
        check_sides(size)?;
        if size.0 == 0 || size.1 == 0 {
            return Err(DecodeError::malformed(Tiff, "it has no pixels"));
        }
        let method = value(COMPRESSION, 1)?;
        let photometric = value(PHOTOMETRIC_INTERPRETATION, u64::MAX)?;
        let format = Format::read(directory, photometric, method)?;
        let refuse = |what: &str| format.refuse(what, photometric, method);
        let coding = Coding::new(method, value(T4_OPTIONS, 0)?).ok_or_else(|| refuse(""))?;
        let colour = colour(directory, photometric, &format).ok_or_else(|| refuse(""))?;
        let colour = colour?;
        let is_planar = value(PLANAR_CONFIGURATION, 1)? == 2 && format.samples > 1;
        let predictor = match (coding.has_predictor(), value(PREDICTOR, 1)?) {
            (false, _) | (true, 1) => Predictor::None,
            (true, 2) if matches!(format.bits, 8 | 16 | 32) => Predictor::Horizontal,
            (true, 3) if format.is_float => Predictor::Float,
            _ => return Err(refuse("with this predictor")),
        };
        let page = Self {
            size,
            alpha: alpha(directory, &colour, &format)?,
            colour,
            samples: format.samples,
            bits: format.bits,
            is_little_endian: numbers.is_little_endian,
            is_bit_reversed: value(FILL_ORDER, 1)? == 2,
            is_planar,
            coding,
            predictor,
            grid: Grid::read(directory, size)?,
            jpeg_tables: directory.raw(JPEG_TABLES)?,
            orientation: orientation(directory),
        };
        page.check(directory, refuse)?;
        Ok(page)
    }

    /// Refuses combinations that are not read.
    fn check(
        &self,
        directory: &Directory,
        refuse: impl Fn(&str) -> DecodeError,
    ) -> Result<(), DecodeError> {
        let is_read = match self.coding {
            Coding::Fax(_) => self.bits == 1 && self.samples == 1,
            Coding::Jpeg => self.bits == 8 && matches!(self.samples_of_plane(), 1 | 3 | 4),
            _ => true,
        };
        if !is_read {
            return Err(refuse(""));
        }
        if self.colour == Colour::YCbCr {
            if self.coding == Coding::Jpeg {
                if self.is_planar {
                    return Err(refuse("in planes"));
                }
            } else {
                let subsampling = directory.values(YCBCR_SUB_SAMPLING)?;
                if subsampling.is_none_or(|sides| sides.iter().any(|side| *side != 1)) {
                    return Err(refuse("with subsampled chroma"));
                }
                if !has_usual_luma(directory)? {
                    return Err(refuse("of unusual luma"));
                }
            }
            if !has_full_range(directory)? {
                return Err(refuse("of a reduced range"));
            }
        }
        if self.colour == Colour::Cmyk && directory.value(INK_SET)?.is_some_and(|set| set != 1) {
            return Err(refuse("of other inks"));
        }
        Ok(())
    }

    /// How many planes are stored one after the other.
    pub(super) fn planes(&self) -> usize {
        if self.is_planar { self.samples } else { 1 }
    }

    /// Samples of a pixel within a plane.
    pub(super) fn samples_of_plane(&self) -> usize {
        if self.is_planar { 1 } else { self.samples }
    }

    /// Bytes of a stored row of a strip or tile.
    pub(super) fn stored_row(&self) -> u64 {
        let samples = u64::from(self.grid.width) * self.samples_of_plane() as u64;
        samples.saturating_mul(self.bits.into()).div_ceil(8)
    }

    /// Bytes of an unpacked sample.
    pub(super) fn sample_size(&self) -> usize {
        match self.bits {
            0..=8 => 1,
            9..=16 => 2,
            _ => 4,
        }
    }

    /// Rows of the strips or tiles in that row of the grid that belong to the picture.
    pub(super) fn rows_of(&self, down: u32) -> u32 {
        let above = down.saturating_mul(self.grid.rows);
        self.grid.rows.min(self.size.1.saturating_sub(above))
    }

    /// How many strips or tiles there are.
    pub(super) fn chunks(&self) -> u64 {
        u64::from(self.grid.across) * u64::from(self.grid.down) * self.planes() as u64
    }
}

/// The samples of a pixel.
struct Format {
    samples: usize,
    bits: u32,
    is_float: bool,
}

impl Format {
    fn read(directory: &Directory, photometric: u64, method: u64) -> Result<Self, DecodeError> {
        // Where JPEG stores three colours, some writers leave their number out.
        let samples = match (photometric, method) {
            (2 | 6, 7) => 3,
            _ => 1,
        };
        let samples = directory.value(SAMPLES_PER_PIXEL)?.unwrap_or(samples);
        if samples == 0 || samples > MOST_SAMPLES {
            let what = format!("{samples} samples a pixel");
            return Err(DecodeError::unsupported(Tiff, what));
        }
        let samples = usize::try_from(samples).unwrap_or(1);
        let same = |tag, default| {
            let values = directory.values(tag)?.unwrap_or_default();
            let first = values.first().copied().unwrap_or(default);
            let counted = values.iter().take(samples);
            if counted.clone().any(|value| *value != first) {
                let what = "samples that differ in kind or size";
                return Err(DecodeError::unsupported(Tiff, what));
            }
            Ok(first)
        };
        let (bits, format) = (same(BITS_PER_SAMPLE, 1)?, same(SAMPLE_FORMAT, 1)?);
        let format = Self {
            samples,
            bits: u32::try_from(bits).unwrap_or(u32::MAX),
            is_float: format == 3,
        };
        let is_read = match bits {
            1..=16 => !format.is_float,
            32 => format.is_float && photometric == 2,
            _ => false,
        };
        let is_signed = matches!(same(SAMPLE_FORMAT, 1)?, 2 | 5 | 6);
        if !is_read || is_signed {
            let kind = match same(SAMPLE_FORMAT, 1)? {
                2 => "signed ",
                3 => "floating-point ",
                5 | 6 => "complex ",
                _ => "",
            };
            return Err(format.refuse(kind, photometric, method));
        }
        Ok(format)
    }

    /// The error for a kind of page: its samples and its compression are named.
    fn refuse(&self, what: &str, photometric: u64, method: u64) -> DecodeError {
        let (samples, bits) = (self.samples, self.bits);
        let colour = match photometric {
            0 | 1 => "grey",
            2 => "RGB",
            3 => "palette",
            4 => "mask",
            5 => "CMYK",
            6 => "YCbCr",
            8..=10 => "CIE L*a*b*",
            32_803 => "camera raw (CFA)",
            32_844 | 32_845 => "LogLuv",
            34_892 => "camera raw (LinearRaw)",
            u64::MAX => "undeclared",
            _ => "unknown",
        };
        let plural = |count| if count == 1 { "" } else { "s" };
        let (many, many_bits) = (plural(samples), plural(bits as usize));
        let blank = if what.is_empty() || what.ends_with(' ') {
            ""
        } else {
            " "
        };
        let (before, after) = if what.ends_with(' ') {
            (what, "")
        } else {
            ("", what)
        };
        let method = Coding::name(method);
        DecodeError::unsupported(
            Tiff,
            format!(
                "{colour} pixels of {samples} {before}sample{many} of {bits} bit{many_bits}{blank}{after}, \
                 compression {method}"
            ),
        )
    }
}

fn side(directory: &Directory, tag: u64) -> Result<u32, DecodeError> {
    let side = directory.value(tag)?;
    let side = side.ok_or(DecodeError::malformed(Tiff, "it has no size"))?;
    Ok(u32::try_from(side).unwrap_or(u32::MAX))
}

/// The colours of a page whose samples have this format; `None` if that is not supported.
fn colour(
    directory: &Directory,
    photometric: u64,
    format: &Format,
) -> Option<Result<Colour, DecodeError>> {
    let (colour, samples) = match photometric {
        0 => (Colour::WhiteIsZero, 1),
        1 => (Colour::BlackIsZero, 1),
        2 => (Colour::Rgb, 3),
        3 if format.bits <= 8 => match directory.values(COLOR_MAP) {
            Ok(Some(palette)) if palette.len() < 3 << format.bits => {
                return Some(Err(DecodeError::malformed(
                    Tiff,
                    "its palette is too short",
                )));
            }
            Ok(Some(palette)) => (Colour::Palette(colours(&palette, 1 << format.bits)), 1),
            Ok(None) => return Some(Err(DecodeError::malformed(Tiff, "it has no palette"))),
            Err(refusal) => return Some(Err(refusal)),
        },
        5 => (Colour::Cmyk, 4),
        6 if format.samples == 1 => (Colour::BlackIsZero, 1),
        6 if format.bits == 8 => (Colour::YCbCr, 3),
        _ => return None,
    };
    (format.samples >= samples).then_some(Ok(colour))
}

impl Colour {
    /// Samples of the colour itself.
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }
}

/// TIFF 6.0, section 18: which of the samples beyond the colour is its opacity, if any. An RGB pixel of four
/// samples has it also where the entry is missing; some writers declare it as 999.
fn alpha(
    directory: &Directory,
    colour: &Colour,
    format: &Format,
) -> Result<Option<Alpha>, DecodeError> {
    let first = colour.samples();
    let extra = format.samples - first;
    let kinds = directory.values(EXTRA_SAMPLES)?.unwrap_or_default();
    if kinds.is_empty() && extra > 0 {
        if *colour == Colour::Rgb && extra == 1 {
            return Ok(Some(Alpha {
                sample: first,
                is_premultiplied: false,
            }));
        }
        let what = "samples whose meaning it does not tell";
        return Err(DecodeError::unsupported(Tiff, what));
    }
    let mut kinds = kinds.iter().take(extra).enumerate();
    Ok(kinds.find_map(|(number, kind)| {
        matches!(kind, 1 | 2 | 999).then_some(Alpha {
            sample: first + number,
            is_premultiplied: *kind == 1,
        })
    }))
}

/// A palette has all reds, then all greens, then all blues, of 16 bits each. Some writers give them in eight
/// bits only.
fn colours(palette: &[u64], count: usize) -> Vec<[u8; 3]> {
    let is_narrow = palette.iter().all(|sample| *sample < 256);
    let sample = |at: usize| {
        let sample = palette.get(at).copied().unwrap_or_default();
        let sample = if is_narrow { sample } else { sample >> 8 };
        u8::try_from(sample).unwrap_or(u8::MAX)
    };
    (0..count)
        .map(|place| [0, 1, 2].map(|channel| sample(channel * count + place)))
        .collect()
}

/// Whether YCbCr has the luma of JFIF, in thousandths: 299, 587, 114. JPEG has it whatever the entry says.
fn has_usual_luma(directory: &Directory) -> Result<bool, DecodeError> {
    let Some(parts) = directory.rationals(YCBCR_COEFFICIENTS)? else {
        return Ok(true);
    };
    let is_near = |((above, below), part): (&(u64, u64), u64)| {
        let (given, wanted) = (above.saturating_mul(1000), below.saturating_mul(part));
        given.abs_diff(wanted) <= *below
    };
    Ok(parts.iter().zip([299, 587, 114]).all(is_near))
}

/// Whether YCbCr has the range of JFIF: 0 to 255, and chroma around 128.
fn has_full_range(directory: &Directory) -> Result<bool, DecodeError> {
    let full = [0, 255, 128, 255, 128, 255];
    let Some(range) = directory.rationals(REFERENCE_BLACK_WHITE)? else {
        return Ok(true);
    };
    let is_near = |((above, below), full): (&(u64, u64), u64)| {
        above.abs_diff(below.saturating_mul(full)) <= *below
    };
    Ok(range.iter().zip(full).all(is_near))
}

pub(super) fn orientation(directory: &Directory) -> Orientation {
    let orientation = directory.value(ORIENTATION).ok().flatten();
    let orientation = orientation.and_then(|value| u8::try_from(value).ok());
    let orientation = orientation.and_then(Orientation::from_exif);
    orientation.unwrap_or(Orientation::NoTransforms)
}

impl Grid {
    fn read(directory: &Directory, (width, height): (u32, u32)) -> Result<Self, DecodeError> {
        let number = |tag| {
            let value = directory.value(tag)?;
            Ok::<_, DecodeError>(value.map(|value| u32::try_from(value).unwrap_or(u32::MAX)))
        };
        let (grid_width, rows) = if let Some(tile) = number(TILE_WIDTH)? {
            (tile, number(TILE_LENGTH)?.unwrap_or_default())
        } else {
            let rows = number(ROWS_PER_STRIP)?.unwrap_or(height);
            (width, rows.min(height))
        };
        if grid_width == 0 || rows == 0 {
            return Err(DecodeError::malformed(Tiff, "its parts have no pixels"));
        }
        if grid_width > MOST_SIDE {
            return Err(DecodeError::malformed(Tiff, "its tiles are too large"));
        }
        Ok(Self {
            width: grid_width,
            rows,
            across: width.div_ceil(grid_width),
            down: height.div_ceil(rows),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_palette_is_sorted_by_channel() {
        let palette = [0x0100, 0x0200, 0x0300, 0x0400, 0x0500, 0x0600];
        assert_eq!(colours(&palette, 2), [[1, 3, 5], [2, 4, 6]]);
    }

    #[test]
    fn a_palette_of_eight_bits_is_not_black() {
        assert_eq!(colours(&[1, 2, 3, 4, 5, 6], 2), [[1, 3, 5], [2, 4, 6]]);
    }
}
