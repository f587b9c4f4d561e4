//! The interpretation of a page's samples.

use domain::MediaType::Tiff;
use tiff::ColorType;

use crate::{
    decode_error::DecodeError,
    flatten::{Flattener, convert, from_16, printed},
    raster::Channels,
};

/// Converts the rows of a page to grey or RGB of eight bits.
pub(super) struct Pixels {
    meaning: Meaning,
    width: usize,
    row: Vec<u8>,
}

enum Meaning {
    /// A pixel type of the `image` crate.
    Usual(Flattener),
    /// Grey of up to eight bits.
    Grey(u8),
    /// Palette indexes of up to eight bits.
    Places(u8, Vec<[u8; 3]>),
    /// Colours of eight bits, premultiplied by the alpha that follows them.
    Premultiplied,
    Cmyk8,
    Cmyk16,
    YCbCr,
}

impl Pixels {
    pub(super) fn new(
        color: ColorType,
        is_float: bool,
        is_premultiplied: bool,
        palette: Option<&[u16]>,
        width: u32,
    ) -> Result<Self, DecodeError> {
        let meaning = match (color, is_float) {
            (ColorType::Gray(bits @ (1 | 2 | 4 | 8)), false) => match palette {
                Some(palette) => Meaning::Places(bits, colours(palette, 1 << bits)),
                None => Meaning::Grey(bits),
            },
            (ColorType::RGBA(8), false) if is_premultiplied => Meaning::Premultiplied,
            (ColorType::CMYK(8), false) => Meaning::Cmyk8,
            (ColorType::CMYK(16), false) => Meaning::Cmyk16,
            (ColorType::YCbCr(8), false) => Meaning::YCbCr,
            _ => Meaning::Usual(Flattener::new(usual(color, is_float)?)?),
        };
        Ok(Self {
            meaning,
            width: width as usize,
            row: Vec::new(),
        })
    }

    /// The channels of the result.
    pub(super) fn channels(&self) -> Channels {
        match &self.meaning {
            Meaning::Usual(flattener) => flattener.channels(),
            Meaning::Grey(_) => Channels::Grey,
            _ => Channels::Rgb,
        }
    }

    /// A row of samples as grey or RGB.
    pub(super) fn row<'a>(&'a mut self, samples: &'a [u8]) -> &'a [u8] {
        let row = &mut self.row;
        match &mut self.meaning {
            Meaning::Usual(flattener) => return flattener.row(samples),
            Meaning::Grey(8) => return samples,
            Meaning::Grey(bits) => grey(samples, *bits, self.width, row),
            Meaning::Places(bits, colours) => places(samples, *bits, colours, self.width, row),
            Meaning::Premultiplied => convert(samples, row, |[r, g, b, a]: [u8; 4]| {
                [r, g, b].map(|sample| sample.saturating_add(u8::MAX - a))
            }),
            Meaning::Cmyk8 => convert(samples, row, |[c, m, y, k]: [u8; 4]| {
                [c, m, y].map(|ink| printed(ink, k))
            }),
            Meaning::Cmyk16 => convert(samples, row, |[c, d, m, n, y, z, k, l]: [u8; 8]| {
                [[c, d], [m, n], [y, z]].map(|ink| printed(from_16(ink), from_16([k, l])))
            }),
            Meaning::YCbCr => convert(samples, row, rgb_of_ycbcr),
        }
        &self.row
    }
}

/// The pixel type in the `image` crate.
fn usual(color: ColorType, is_float: bool) -> Result<image::ColorType, DecodeError> {
    Ok(match (color, is_float) {
        (ColorType::Gray(16), false) => image::ColorType::L16,
        (
            ColorType::Multiband {
                bit_depth: 8,
                num_samples: 2,
            },
            false,
        ) => image::ColorType::La8,
        (
            ColorType::Multiband {
                bit_depth: 16,
                num_samples: 2,
            },
            false,
        ) => image::ColorType::La16,
        (ColorType::RGB(8), false) => image::ColorType::Rgb8,
        (ColorType::RGB(16), false) => image::ColorType::Rgb16,
        (ColorType::RGB(32), true) => image::ColorType::Rgb32F,
        (ColorType::RGBA(8), false) => image::ColorType::Rgba8,
        (ColorType::RGBA(16), false) => image::ColorType::Rgba16,
        (ColorType::RGBA(32), true) => image::ColorType::Rgba32F,
        _ => return Err(DecodeError::unsupported(Tiff, "an unusual kind of samples")),
    })
}

fn grey(samples: &[u8], bits: u8, width: usize, row: &mut Vec<u8>) {
    row.clear();
    let highest = u8::MAX >> (8 - bits);
    row.extend(unpacked(samples, bits).take(width));
    for sample in row {
        *sample *= u8::MAX / highest;
    }
}

fn places(samples: &[u8], bits: u8, colours: &[[u8; 3]], width: usize, row: &mut Vec<u8>) {
    row.clear();
    let colour = |place: u8| colours.get(usize::from(place)).copied().unwrap_or_default();
    row.extend(unpacked(samples, bits).take(width).flat_map(colour));
}

/// Unpacks samples of at most eight bits, highest bits first.
fn unpacked(row: &[u8], bits: u8) -> impl Iterator<Item = u8> {
    let samples = move |byte: &u8| {
        let byte = *byte;
        (1..=8 / bits).map(move |number| (byte >> (8 - bits * number)) & (u8::MAX >> (8 - bits)))
    };
    row.iter().flat_map(samples)
}

/// A palette has all reds, then all greens, then all blues, of 16 bits each.
fn colours(palette: &[u16], count: usize) -> Vec<[u8; 3]> {
    let sample = |at: usize| palette.get(at).map_or(0, |sample| sample.to_be_bytes()[0]);
    (0..count)
        .map(|place| [0, 1, 2].map(|channel| sample(channel * count + place)))
        .collect()
}

/// ITU-R BT.601 at full range, as in JFIF.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped before"
)]
fn rgb_of_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let rgb = [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ];
    rgb.map(|sample| sample.round().clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_are_unpacked() {
        let unpacked = |row: &[u8], bits| unpacked(row, bits).collect::<Vec<_>>();
        assert_eq!(unpacked(&[0b1011_0001], 1), [1, 0, 1, 1, 0, 0, 0, 1]);
        assert_eq!(unpacked(&[0b1101_0010], 2), [3, 1, 0, 2]);
        assert_eq!(unpacked(&[0x1F, 0x20], 4), [1, 15, 2, 0]);
        assert_eq!(unpacked(&[7, 200], 8), [7, 200]);
    }

    #[test]
    fn a_palette_is_sorted_by_channel() {
        let palette = [0x0100, 0x0200, 0x0300, 0x0400, 0x0500, 0x0600];
        assert_eq!(colours(&palette, 2), [[1, 3, 5], [2, 4, 6]]);
    }

    #[test]
    fn grey_ycbcr_is_grey() {
        assert_eq!(rgb_of_ycbcr([77, 128, 128]), [77, 77, 77]);
        assert_eq!(rgb_of_ycbcr([76, 85, 255]), [254, 0, 0]);
    }
}
