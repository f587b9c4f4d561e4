//! How a stored picture is cropped, turned and mirrored to be shown (ISO/IEC 23008-12, section 6.5).

use domain::MediaType::Heic;
use image::metadata::Orientation;

use super::{boxes::Kind, items::malformed};
use crate::{byte_reader::ByteReader, decode_error::DecodeError};

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// What is done with a stored picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    /// The part that is shown.
    pub(super) area: Area,
    is_mirrored: bool,
    /// Quarters to the right, after it is mirrored from left to right.
    quarters: u8,
}

impl Turns {
    /// Shows a whole picture of that size.
    pub(super) fn none((width, height): (u32, u32)) -> Self {
        Self {
            area: Area {
                left: 0,
                top: 0,
                width,
                height,
            },
            is_mirrored: false,
            quarters: 0,
        }
    }

    /// Adds a property, if it is one that changes how the picture is shown.
    pub(super) fn then(mut self, kind: Kind, content: &[u8]) -> Result<Self, DecodeError> {
        let mut walk = ByteReader::new(Heic, content);
        match &kind {
            b"clap" if self.is_mirrored || self.quarters != 0 => {
                return Err(DecodeError::unsupported(
                    Heic,
                    "it is cropped after it is turned",
                ));
            }
            b"clap" => self.area = clean_aperture(self.area, &mut walk)?,
            // Quarters to the left.
            b"irot" => self.turn(4 - (walk.u8()? & 3)),
            b"imir" => {
                // Mirrored, what was turned to the right is turned to the left.
                self.is_mirrored = !self.is_mirrored;
                self.quarters = (4 - self.quarters) % 4;
                let is_left_to_right = walk.u8()? & 1 == 1;
                if !is_left_to_right {
                    self.turn(2);
                }
            }
            _ => {}
        }
        Ok(self)
    }

    fn turn(&mut self, quarters: u8) {
        self.quarters = (self.quarters + quarters) % 4;
    }

    /// How to turn the stored pixels.
    pub(super) fn orientation(self) -> Orientation {
        match (self.is_mirrored, self.quarters) {
            (false, 1) => Orientation::Rotate90,
            (false, 2) => Orientation::Rotate180,
            (false, 3) => Orientation::Rotate270,
            (false, _) => Orientation::NoTransforms,
            // These are named by what is done first: turned, then mirrored.
            (true, 1) => Orientation::Rotate270FlipH,
            (true, 2) => Orientation::FlipVertical,
            (true, 3) => Orientation::Rotate90FlipH,
            (true, _) => Orientation::FlipHorizontal,
        }
    }
}

/// The part of a picture that a property `clap` leaves: a size, and how far its centre is from that of the
/// picture (ISO/IEC 14496-12, section 12.1.4.1). Half a pixel is rounded to the left and up.
fn clean_aperture(whole: Area, walk: &mut ByteReader) -> Result<Area, DecodeError> {
    let (width, height) = (length(walk)?, length(walk)?);
    let left = begin(walk, whole.width, width)?;
    let top = begin(walk, whole.height, height)?;
    Ok(Area {
        left: whole.left + left,
        top: whole.top + top,
        width,
        height,
    })
}

fn length(walk: &mut ByteReader) -> Result<u32, DecodeError> {
    let (length, divisor) = (walk.u32_be()?, walk.u32_be()?);
    match length.checked_rem(divisor) {
        Some(0) if length > 0 => Ok(length / divisor),
        _ => Err(malformed("it is cropped to no size")),
    }
}

fn begin(walk: &mut ByteReader, side: u32, length: u32) -> Result<u32, DecodeError> {
    let offset = i64::from(walk.u32_be()?.cast_signed());
    let divisor = i64::from(walk.u32_be()?);
    let outside = || malformed("it is cropped to a part outside of it");
    if divisor == 0 {
        return Err(outside());
    }
    // The offset, and half of what is cut away, both twice.
    let twice = (2 * offset).saturating_add((i64::from(side) - i64::from(length)) * divisor);
    let begin = u32::try_from(twice.div_euclid(2 * divisor)).map_err(|_| outside())?;
    match begin.checked_add(length) {
        Some(end) if end <= side => Ok(begin),
        _ => Err(outside()),
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayImage, Luma};
    use rstest::rstest;

    use super::*;

    const WHOLE: (u32, u32) = (3, 2);

    /// A picture of six different pixels.
    fn picture() -> DynamicImage {
        let pixel = |x, y| Luma([u8::try_from(3 * y + x).unwrap()]);
        DynamicImage::ImageLuma8(GrayImage::from_fn(3, 2, pixel))
    }

    fn clap(numbers: [i32; 8]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    #[test]
    fn properties_apply_one_after_the_other() {
        type Step = (Kind, u8, fn(&DynamicImage) -> DynamicImage);
        let steps: [Step; 6] = [
            (*b"irot", 0, DynamicImage::clone),
            (*b"irot", 1, DynamicImage::rotate270),
            (*b"irot", 2, DynamicImage::rotate180),
            (*b"irot", 3, DynamicImage::rotate90),
            (*b"imir", 0, DynamicImage::flipv),
            (*b"imir", 1, DynamicImage::fliph),
        ];
        for first in steps {
            for second in steps {
                for third in steps {
                    let mut turns = Turns::none(WHOLE);
                    let mut expected = picture();
                    for (kind, value, apply) in [first, second, third] {
                        turns = turns.then(kind, &[value]).unwrap();
                        expected = apply(&expected);
                    }
                    let mut found = picture();
                    found.apply_orientation(turns.orientation());
                    assert_eq!(found, expected, "{first:?} {second:?} {third:?}");
                }
            }
        }
    }

    #[rstest]
    #[case([60, 1, 40, 1, 0, 1, 0, 1], (20, 5, 60, 40))]
    #[case([60, 1, 40, 1, -20, 1, 5, 1], (0, 10, 60, 40))]
    // Half a pixel.
    #[case([59, 1, 40, 1, 0, 1, 0, 1], (20, 5, 59, 40))]
    #[case([59, 1, 40, 1, -1, 2, 1, 2], (20, 5, 59, 40))]
    #[case([120, 2, 80, 2, -40, 2, 0, 9], (0, 5, 60, 40))]
    fn the_clean_aperture_is_in_the_middle_but_for_an_offset(
        #[case] numbers: [i32; 8],
        #[case] (left, top, width, height): (u32, u32, u32, u32),
    ) {
        let turns = Turns::none((100, 50))
            .then(*b"clap", &clap(numbers))
            .unwrap();
        let expected = Area {
            left,
            top,
            width,
            height,
        };
        assert_eq!(turns.area, expected);
    }

    #[rstest]
    #[case([60, 0, 40, 1, 0, 1, 0, 1])]
    #[case([60, 7, 40, 1, 0, 1, 0, 1])]
    #[case([60, 1, 40, 1, 0, 0, 0, 1])]
    #[case([0, 1, 40, 1, 0, 1, 0, 1])]
    #[case([101, 1, 40, 1, 0, 1, 0, 1])]
    #[case([60, 1, 40, 1, 21, 1, 0, 1])]
    #[case([60, 1, 40, 1, -21, 1, 0, 1])]
    #[case([60, 1, 40, 1, i32::MIN, 1, i32::MAX, -1])]
    #[case([-1, -1, 40, 1, i32::MIN, -1, 0, 1])]
    fn a_clean_aperture_is_within_the_picture(#[case] numbers: [i32; 8]) {
        let refused = Turns::none((100, 50)).then(*b"clap", &clap(numbers));
        assert!(refused.is_err() || numbers[0] == -1);
    }

    #[test]
    fn what_is_turned_is_not_cropped_then() {
        let turned = Turns::none((100, 50)).then(*b"irot", &[1]).unwrap();
        let refused = turned.then(*b"clap", &clap([60, 1, 40, 1, 0, 1, 0, 1]));
        assert!(matches!(refused, Err(DecodeError::Unsupported { .. })));
    }
}
