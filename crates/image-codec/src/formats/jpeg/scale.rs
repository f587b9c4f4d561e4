//! Scales at which a JPEG can be decoded.

use crate::scale::{ENOUGH, fit};

/// Shortest side of a picture decoded at a reduced scale. The last pixels come from whole blocks, including
/// their padding: in a thin picture that would be visible.
const SHORTEST: u32 = 64;

/// How many of the eight pixels in each direction of a block are decoded.
///
/// The copy would not show the rest: the coefficients of fine detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    eighths: u8,
}

impl Scale {
    pub(crate) const FULL: Self = Self { eighths: 8 };

    const REDUCED: [Self; 3] = [
        Self { eighths: 1 },
        Self { eighths: 2 },
        Self { eighths: 4 },
    ];

    /// The smallest scale at which the picture is sufficiently larger than its copy.
    pub(super) fn for_copy(width: u32, height: u32, max_side: u32) -> Self {
        let (copy_width, copy_height) = fit(width, height, max_side);
        if (copy_width, copy_height) == (width, height) || width.min(height) < SHORTEST {
            return Self::FULL;
        }
        let (longest, copy) = (width.max(height), copy_width.max(copy_height));
        let is_enough = |scale: &Self| scale.extent(longest) >= ENOUGH * f64::from(copy);
        let mut reduced = Self::REDUCED.into_iter();
        reduced.find(is_enough).unwrap_or(Self::FULL)
    }

    /// How many pixels remain of `side`.
    pub(crate) fn pixels(self, side: u32) -> u32 {
        let eighths = u64::from(side) * u64::from(self.eighths);
        u32::try_from(eighths.div_ceil(8)).unwrap_or(side)
    }

    /// How much of these pixels the picture covers: unless its side is a multiple of eight, the last one
    /// extends past the edge.
    pub(crate) fn extent(self, side: u32) -> f64 {
        f64::from(side) * f64::from(self.eighths) / 8.0
    }

    /// How many samples remain of `samples`, in whole blocks.
    pub(super) fn samples(self, samples: u64) -> u64 {
        samples / 64 * u64::from(self.eighths) * u64::from(self.eighths)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case((10_240, 64), 1)]
    #[case((10_240, 63), 8)]
    #[case((10_239, 10_239), 2)]
    #[case((3000, 5120), 2)]
    #[case((4000, 3000), 4)]
    #[case((2560, 200), 4)]
    #[case((2559, 2000), 8)]
    #[case((1024, 1024), 8)]
    #[case((1, 20_000), 8)]
    #[case((1, 1), 8)]
    fn a_picture_is_enough_larger_than_its_copy(
        #[case] (width, height): (u32, u32),
        #[case] eighths: u8,
    ) {
        assert_eq!(Scale::for_copy(width, height, 1024), Scale { eighths });
    }

    #[test]
    fn the_last_pixel_goes_past_the_edge() {
        let [eighth, quarter, half] = Scale::REDUCED;
        assert_eq!(
            [eighth, quarter, half, Scale::FULL].map(|scale| scale.pixels(65_535)),
            [8192, 16_384, 32_768, 65_535]
        );
        assert_eq!([eighth, quarter, half].map(|scale| scale.pixels(1)), [1; 3]);
        assert!((eighth.extent(10) - 1.25).abs() < f64::EPSILON);
        assert_eq!(quarter.samples(64 * 3), 12);
    }
}
