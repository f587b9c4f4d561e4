//! What the samples of a page mean.

use domain::MediaType::Tiff;
use tiff::{ColorType, decoder::BufferLayoutPreference};

use crate::{
    flatten::{flatten, from_16, printed, reduce},
    raster::{Channels, Raster},
    refusal::Refusal,
};

/// Decoded samples, and what is needed to understand them.
pub(super) struct Pixels {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) color: ColorType,
    pub(super) is_float: bool,
    pub(super) has_premultiplied_alpha: bool,
    pub(super) palette: Option<Vec<u16>>,
    pub(super) samples: Vec<u8>,
}

impl Pixels {
    pub(super) fn into_raster(mut self) -> Result<Raster, Refusal> {
        let color = match (self.color, self.is_float) {
            (ColorType::Gray(bits @ (1 | 2 | 4 | 8)), false) => return Ok(self.grey(bits)),
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
            (ColorType::RGBA(8), false) if self.has_premultiplied_alpha => {
                return Ok(self.reduced(|[r, g, b, a]: [u8; 4]| {
                    [r, g, b].map(|sample| sample.saturating_add(u8::MAX - a))
                }));
            }
            (ColorType::RGBA(8), false) => image::ColorType::Rgba8,
            (ColorType::RGBA(16), false) => image::ColorType::Rgba16,
            (ColorType::RGBA(32), true) => image::ColorType::Rgba32F,
            (ColorType::CMYK(8), false) => {
                return Ok(self.reduced(|[c, m, y, k]: [u8; 4]| [c, m, y].map(|i| printed(i, k))));
            }
            (ColorType::CMYK(16), false) => {
                return Ok(self.reduced(|[c, d, m, n, y, z, k, l]: [u8; 8]| {
                    [[c, d], [m, n], [y, z]].map(|ink| printed(from_16(ink), from_16([k, l])))
                }));
            }
            (ColorType::YCbCr(8), false) => return Ok(self.reduced(rgb_of_ycbcr)),
            _ => return Err(Refusal::unsupported(Tiff, "an unusual kind of samples")),
        };
        let samples = std::mem::take(&mut self.samples);
        flatten(self.width, self.height, color, samples)
    }

    fn reduced<const IN: usize>(mut self, convert: impl Fn([u8; IN]) -> [u8; 3]) -> Raster {
        reduce(&mut self.samples, self.width, convert);
        self.raster(Channels::Rgb)
    }

    /// Samples of up to eight bits: grey, or places in the palette.
    fn grey(mut self, bits: u8) -> Raster {
        if bits < 8 {
            self.samples = unpacked(&self.samples, self.width, bits);
        }
        let highest = u8::MAX >> (8 - bits);
        let Some(palette) = &self.palette else {
            for sample in &mut self.samples {
                *sample *= u8::MAX / highest;
            }
            return self.raster(Channels::Grey);
        };
        let colours = colours(palette, usize::from(highest) + 1);
        let colour = |place: &u8| {
            colours
                .get(usize::from(*place))
                .copied()
                .unwrap_or_default()
        };
        self.samples = self.samples.iter().flat_map(colour).collect();
        self.raster(Channels::Rgb)
    }

    fn raster(self, channels: Channels) -> Raster {
        Raster {
            width: self.width,
            height: self.height,
            channels,
            pixels: self.samples,
        }
    }
}

/// Rows of samples of fewer than eight bits, highest bits first, filled up to whole bytes.
fn unpacked(rows: &[u8], width: u32, bits: u8) -> Vec<u8> {
    let width = width as usize;
    let row_length = (width * usize::from(bits)).div_ceil(8);
    let samples = |byte: &u8| {
        let byte = *byte;
        (1..=8 / bits).map(move |number| (byte >> (8 - bits * number)) & (u8::MAX >> (8 - bits)))
    };
    rows.chunks_exact(row_length.max(1))
        .flat_map(|row| row.iter().flat_map(samples).take(width))
        .collect()
}

/// A palette holds all reds, then all greens, then all blues, of 16 bits each.
fn colours(palette: &[u16], count: usize) -> Vec<[u8; 3]> {
    let sample = |at: usize| palette.get(at).map_or(0, |sample| sample.to_be_bytes()[0]);
    (0..count)
        .map(|place| [0, 1, 2].map(|channel| sample(channel * count + place)))
        .collect()
}

/// ITU-R BT.601 over the whole range, as in JFIF.
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

/// Samples of one plane after the other, put together pixel by pixel.
pub(super) fn interleaved(
    samples: Vec<u8>,
    layout: &BufferLayoutPreference,
    color: ColorType,
) -> Vec<u8> {
    let Some(plane) = layout.plane_stride.filter(|_| layout.planes > 1) else {
        return samples;
    };
    let size = usize::from(color.bit_depth()).div_ceil(8).max(1);
    let planes: Vec<_> = samples.chunks_exact(plane.get()).collect();
    let mut pixels = vec![0; samples.len()];
    let pixel_size = size * planes.len();
    for (number, plane) in planes.iter().enumerate() {
        let targets = pixels.chunks_exact_mut(pixel_size.max(1));
        for (target, sample) in targets.zip(plane.chunks_exact(size)) {
            let target = target.get_mut(number * size..(number + 1) * size);
            target.unwrap_or_default().copy_from_slice(sample);
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_are_unpacked() {
        assert_eq!(
            unpacked(&[0b1011_0000, 0b0100_0000], 3, 1),
            [1, 0, 1, 0, 1, 0]
        );
        assert_eq!(unpacked(&[0b1101_0010], 4, 2), [3, 1, 0, 2]);
        assert_eq!(unpacked(&[0x1F, 0x20], 3, 4), [1, 15, 2]);
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
