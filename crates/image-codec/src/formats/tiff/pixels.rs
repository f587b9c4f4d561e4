//! The interpretation of a page's samples.

use super::page::{Alpha, Colour, Page};
use crate::{
    flatten::{from_16, from_float, over_white, printed, times},
    raster::Channels,
};

/// Converts rows of samples to grey or RGB of eight bits.
pub(super) struct Pixels {
    colour: Colour,
    alpha: Option<Alpha>,
    samples: usize,
    levels: Levels,
    /// The value of full opacity.
    full: u8,
    row: Vec<u8>,
    converted: Vec<u8>,
}

/// How samples become levels of eight bits.
#[derive(Debug)]
enum Levels {
    /// They are.
    Same,
    /// By a table.
    Table(Box<[u8; 256]>),
    Wide(u32),
    Float,
}

impl Levels {
    fn of(page: &Page) -> Self {
        let is_index = matches!(page.colour, Colour::Palette(_));
        match page.bits {
            8 => Self::Same,
            0..=7 if is_index => Self::Same,
            bits @ 0..=7 => {
                let most = (1_u32 << bits) - 1;
                let level = |sample: u8| {
                    let level = (u32::from(sample) * 255 + most / 2) / most;
                    u8::try_from(level).unwrap_or(u8::MAX)
                };
                let mut table = Box::new([0; 256]);
                for (sample, to) in (0..=u8::MAX).zip(table.iter_mut()) {
                    *to = level(sample);
                }
                Self::Table(table)
            }
            bits @ 9..=16 => Self::Wide(bits),
            _ => Self::Float,
        }
    }

    fn convert(&self, samples: &[u8], to: &mut Vec<u8>) {
        to.clear();
        match self {
            Self::Same => to.extend(samples),
            Self::Table(table) => {
                let level = |sample: &u8| table.get(usize::from(*sample)).copied();
                to.extend(
                    samples
                        .iter()
                        .map(|sample| level(sample).unwrap_or_default()),
                );
            }
            Self::Wide(16) => to.extend(samples.as_chunks().0.iter().map(|s| from_16(*s))),
            Self::Wide(bits) => {
                let most = (1_u32 << bits) - 1;
                let level = |sample: &[u8; 2]| {
                    let sample = u32::from(u16::from_ne_bytes(*sample));
                    u8::try_from((sample * 255 + most / 2) / most).unwrap_or(u8::MAX)
                };
                to.extend(samples.as_chunks().0.iter().map(level));
            }
            Self::Float => to.extend(samples.as_chunks().0.iter().map(|s| from_float(*s))),
        }
    }
}

impl Pixels {
    pub(super) fn new(page: &Page) -> Self {
        Self {
            colour: page.colour.clone(),
            alpha: page.alpha,
            samples: page.samples,
            levels: Levels::of(page),
            full: match page.colour {
                // Samples stay as they are: indexes.
                Colour::Palette(_) => u8::MAX >> (8 - page.bits.clamp(1, 8)),
                _ => u8::MAX,
            },
            row: Vec::new(),
            converted: Vec::new(),
        }
    }

    /// The channels of the result.
    pub(super) fn channels(&self) -> Channels {
        match self.colour {
            Colour::WhiteIsZero | Colour::BlackIsZero => Channels::Grey,
            _ => Channels::Rgb,
        }
    }

    /// A row of samples as grey or RGB.
    pub(super) fn row<'a>(&'a mut self, samples: &'a [u8]) -> &'a [u8] {
        let is_same = matches!(self.levels, Levels::Same) && self.samples == self.colour.samples();
        if is_same && matches!(self.colour, Colour::BlackIsZero | Colour::Rgb) {
            return samples;
        }
        self.levels.convert(samples, &mut self.converted);
        let alpha = self.alpha;
        let full = self.full;
        let opacity = |pixel: &[u8]| Opacity::of(alpha, full, pixel);
        let row = &mut self.row;
        row.clear();
        let pixels = self.converted.chunks_exact(self.samples.max(1));
        match &self.colour {
            Colour::BlackIsZero => row.extend(pixels.map(|pixel| {
                let opacity = opacity(pixel);
                opacity.light(pixel.first().copied().unwrap_or_default())
            })),
            Colour::WhiteIsZero => row.extend(pixels.map(|pixel| {
                let opacity = opacity(pixel);
                u8::MAX - opacity.ink(pixel.first().copied().unwrap_or_default())
            })),
            Colour::Rgb => row.extend(pixels.flat_map(|pixel| {
                let opacity = opacity(pixel);
                first::<3>(pixel).map(|sample| opacity.light(sample))
            })),
            Colour::YCbCr => row.extend(pixels.flat_map(|pixel| {
                let opacity = opacity(pixel);
                rgb_of_ycbcr(first(pixel)).map(|sample| opacity.light(sample))
            })),
            Colour::Palette(colours) => row.extend(pixels.flat_map(|pixel| {
                let [place] = first(pixel);
                let colour = colours.get(usize::from(place)).copied();
                let opacity = opacity(pixel);
                colour
                    .unwrap_or_default()
                    .map(|sample| opacity.light(sample))
            })),
            Colour::Cmyk => row.extend(pixels.flat_map(|pixel| {
                let opacity = opacity(pixel);
                let [c, m, y, k] = first(pixel).map(|ink| opacity.ink(ink));
                [c, m, y].map(|ink| printed(ink, k))
            })),
        }
        row
    }
}

/// The opacity of a pixel, which is laid over white.
#[derive(Debug, Clone, Copy)]
enum Opacity {
    Full,
    Part(u8),
    /// The colours are multiplied by it already.
    Premultiplied(u8),
}

impl Opacity {
    /// `full` is the value of full opacity.
    fn of(alpha: Option<Alpha>, full: u8, pixel: &[u8]) -> Self {
        let Some(alpha) = alpha else {
            return Self::Full;
        };
        let value = pixel.get(alpha.sample).copied().unwrap_or(full);
        let value = u16::from(value.min(full)) * 255 / u16::from(full.max(1));
        let value = u8::try_from(value).unwrap_or(u8::MAX);
        if alpha.is_premultiplied {
            Self::Premultiplied(value)
        } else {
            Self::Part(value)
        }
    }

    /// A sample that is bright where it is high.
    fn light(self, sample: u8) -> u8 {
        match self {
            Self::Full => sample,
            Self::Part(alpha) => over_white(sample, alpha),
            Self::Premultiplied(alpha) => sample.saturating_add(u8::MAX - alpha),
        }
    }

    /// A sample that is dark where it is high: white paper has none.
    fn ink(self, sample: u8) -> u8 {
        match self {
            Self::Full | Self::Premultiplied(_) => sample,
            Self::Part(alpha) => times(sample, alpha),
        }
    }
}

fn first<const COUNT: usize>(pixel: &[u8]) -> [u8; COUNT] {
    pixel.first_chunk().copied().unwrap_or([0; COUNT])
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
    fn grey_ycbcr_is_grey() {
        assert_eq!(rgb_of_ycbcr([77, 128, 128]), [77, 77, 77]);
        assert_eq!(rgb_of_ycbcr([76, 85, 255]), [254, 0, 0]);
    }

    #[test]
    fn what_is_transparent_is_white() {
        for opacity in [Opacity::Part(0), Opacity::Premultiplied(0)] {
            assert_eq!(opacity.light(0), 255);
            assert_eq!(opacity.ink(0), 0);
        }
        assert_eq!(Opacity::Part(0).ink(200), 0);
        assert_eq!(Opacity::Premultiplied(128).light(100), 227);
    }
}
