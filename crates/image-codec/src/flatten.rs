//! Converts pixels of any type to eight bits a channel without alpha, row by row.

use image::ColorType;

use crate::{decode_error::DecodeError, raster::Channels};

/// Blends rows of pixels, as the `image` crate decodes them, over white. Samples of 16 bits are rounded,
/// floating-point ones range from 0 to 1.
pub(crate) struct Flattener {
    color: ColorType,
    channels: Channels,
    row: Vec<u8>,
}

impl Flattener {
    pub(crate) fn new(color: ColorType) -> Result<Self, DecodeError> {
        let channels = match color {
            ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16 => Channels::Grey,
            ColorType::Rgb8
            | ColorType::Rgba8
            | ColorType::Rgb16
            | ColorType::Rgba16
            | ColorType::Rgb32F
            | ColorType::Rgba32F => Channels::Rgb,
            _ => return Err(DecodeError::Failed("pixels of an unknown kind".into())),
        };
        Ok(Self {
            color,
            channels,
            row: Vec::new(),
        })
    }

    /// The channels of the result.
    pub(crate) fn channels(&self) -> Channels {
        self.channels
    }

    pub(crate) fn row<'a>(&'a mut self, row: &'a [u8]) -> &'a [u8] {
        match (self.color, self.channels) {
            (ColorType::L8 | ColorType::Rgb8, _) => return row,
            (_, Channels::Grey) => self.flatten_grey(row),
            (_, Channels::Rgb) => self.flatten_rgb(row),
        }
        &self.row
    }

    fn flatten_grey(&mut self, row: &[u8]) {
        let target = &mut self.row;
        match self.color {
            ColorType::La8 => convert(row, target, |[l, a]: [u8; 2]| [over_white(l, a)]),
            ColorType::L16 => convert(row, target, |l: [u8; 2]| [from_16(l)]),
            _ => convert(row, target, |[l, m, a, b]: [u8; 4]| {
                [over_white(from_16([l, m]), from_16([a, b]))]
            }),
        }
    }

    fn flatten_rgb(&mut self, row: &[u8]) {
        let target = &mut self.row;
        match self.color {
            ColorType::Rgba8 => convert(row, target, |[r, g, b, a]: [u8; 4]| {
                [r, g, b].map(|sample| over_white(sample, a))
            }),
            ColorType::Rgb16 => convert(row, target, |pixel: [u8; 6]| {
                let [r, g, b, _] = samples(pixel, from_16);
                [r, g, b]
            }),
            ColorType::Rgba16 => convert(row, target, |pixel: [u8; 8]| {
                let [r, g, b, a] = samples(pixel, from_16);
                [r, g, b].map(|sample| over_white(sample, a))
            }),
            ColorType::Rgb32F => convert(row, target, |pixel: [u8; 12]| {
                let [r, g, b, _] = samples(pixel, from_float);
                [r, g, b]
            }),
            _ => convert(row, target, |pixel: [u8; 16]| {
                let [r, g, b, a] = samples(pixel, from_float);
                [r, g, b].map(|sample| over_white(sample, a))
            }),
        }
    }
}

/// Converts pixels of `IN` bytes to `OUT` bytes.
pub(crate) fn convert<const IN: usize, const OUT: usize>(
    source: &[u8],
    target: &mut Vec<u8>,
    convert: impl Fn([u8; IN]) -> [u8; OUT],
) {
    let (pixels, _) = source.as_chunks::<IN>();
    target.resize(pixels.len() * OUT, 0);
    for (target, pixel) in target.as_chunks_mut().0.iter_mut().zip(pixels) {
        *target = convert(*pixel);
    }
}

/// Converts pixels of `IN` bytes to `OUT` bytes in place, which must not be more.
pub(crate) fn reduce<const IN: usize, const OUT: usize>(
    pixels: &mut Vec<u8>,
    width: u32,
    convert: impl Fn([u8; IN]) -> [u8; OUT],
) {
    let width = width as usize;
    let mut row = vec![0; width * IN];
    let rows = pixels.len().checked_div(row.len()).unwrap_or(0);
    for number in 0..rows {
        let (from, to) = (number * width * IN, number * width * OUT);
        if let Some(source) = pixels.get(from..from + width * IN) {
            row.copy_from_slice(source);
        }
        let target = pixels.get_mut(to..to + width * OUT).unwrap_or_default();
        let pairs = row.as_chunks().0.iter().zip(target.as_chunks_mut().0);
        for (source, target) in pairs {
            *target = convert(*source);
        }
    }
    pixels.truncate(rows * width * OUT);
}

/// The samples of a pixel, at most four.
fn samples<const BYTES: usize, const SIZE: usize>(
    pixel: [u8; BYTES],
    convert: impl Fn([u8; SIZE]) -> u8,
) -> [u8; 4] {
    let mut samples = [u8::MAX; 4];
    for (sample, bytes) in samples.iter_mut().zip(pixel.as_chunks().0) {
        *sample = convert(*bytes);
    }
    samples
}

/// A sample with that opacity, blended over white.
pub(crate) fn over_white(sample: u8, alpha: u8) -> u8 {
    times(sample, alpha) + (u8::MAX - alpha)
}

/// The light left by cyan, magenta or yellow printed together with black.
pub(crate) fn printed(ink: u8, black: u8) -> u8 {
    times(u8::MAX - ink, u8::MAX - black)
}

/// The rounded product of two samples that range from 0 to 1.
pub(crate) fn times(one: u8, other: u8) -> u8 {
    let product = u16::from(one) * u16::from(other) + 128;
    ((product + (product >> 8)) >> 8).to_le_bytes()[0]
}

pub(crate) fn from_16(sample: [u8; 2]) -> u8 {
    let sample = u32::from(u16::from_ne_bytes(sample));
    ((sample * 255 + 32_895) >> 16).to_le_bytes()[0]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped before; what is not a number becomes 0"
)]
pub(crate) fn from_float(sample: [u8; 4]) -> u8 {
    (f32::from_ne_bytes(sample).clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn two_pixels(color: ColorType, pixels: &[u8]) -> (Channels, Vec<u8>) {
        let mut flattener = Flattener::new(color).unwrap();
        (flattener.channels(), flattener.row(pixels).to_vec())
    }

    fn wide(samples: &[u16]) -> Vec<u8> {
        samples.iter().flat_map(|s| s.to_ne_bytes()).collect()
    }

    fn float(samples: &[f32]) -> Vec<u8> {
        samples.iter().flat_map(|s| s.to_ne_bytes()).collect()
    }

    #[rstest]
    #[case(ColorType::L8, &[7, 200], &[7, 200])]
    #[case(ColorType::La8, &[7, 255, 7, 0], &[7, 255])]
    #[case(ColorType::L16, &wide(&[0, 65_535]), &[0, 255])]
    #[case(ColorType::La16, &wide(&[257, 65_535, 257, 0]), &[1, 255])]
    fn grey_stays_grey(#[case] color: ColorType, #[case] from: &[u8], #[case] to: &[u8]) {
        assert_eq!(two_pixels(color, from), (Channels::Grey, to.to_vec()));
    }

    #[rstest]
    #[case(ColorType::Rgb8, &[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 5, 6])]
    #[case(ColorType::Rgba8, &[1, 2, 3, 255, 0, 0, 0, 127], &[1, 2, 3, 128, 128, 128])]
    #[case(ColorType::Rgb16, &wide(&[0, 257, 514, 65_535, 65_406, 128]), &[0, 1, 2, 255, 254, 0])]
    #[case(ColorType::Rgba16, &wide(&[0, 257, 514, 65_535, 0, 0, 0, 0]), &[0, 1, 2, 255, 255, 255])]
    #[case(ColorType::Rgb32F, &float(&[0.0, 0.5, 1.0, -1.0, 2.0, f32::NAN]), &[0, 128, 255, 0, 255, 0])]
    #[case(ColorType::Rgba32F, &float(&[0.0, 0.5, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]), &[0, 128, 255, 255, 255, 255])]
    fn colour_stays_colour(#[case] color: ColorType, #[case] from: &[u8], #[case] to: &[u8]) {
        assert_eq!(two_pixels(color, from), (Channels::Rgb, to.to_vec()));
    }

    #[test]
    fn opacity_is_linear() {
        for sample in 0..=255 {
            assert_eq!(over_white(sample, 255), sample);
            assert_eq!(over_white(sample, 0), 255);
        }
    }
}
