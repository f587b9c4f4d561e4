//! Colours of coded pictures (ITU-T H.273), turned into RGB of eight bits.

use domain::MediaType::Heic;
use heifer_hevc_dec::{params::Sps, recon::Frame};

use super::items::Items;
use crate::{byte_reader::ByteReader, decode_error::DecodeError};

/// How samples stand for colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coding {
    /// The number of the matrix.
    pub(super) matrix: u16,
    /// Whether black is 0 and white the largest number.
    pub(super) is_full: bool,
}

/// What holds without any word on colours (ITU-T H.265, section E.3.1).
const DEFAULT: Coding = Coding {
    matrix: UNSPECIFIED,
    is_full: false,
};

/// The matrix of red, green and blue as they are.
const IDENTITY: u16 = 0;

/// No word on the matrix.
const UNSPECIFIED: u16 = 2;

/// The profile (ICC) of an item.
pub(super) fn profile<'a>(items: &Items<'a>, item: u32) -> Option<&'a [u8]> {
    let item = items.get(item).ok()?;
    let mut all = items.properties(item);
    all.find_map(|(kind, content)| {
        let content = Some(content).filter(|_| &kind == b"colr")?;
        let profile = content
            .strip_prefix(b"prof")
            .or(content.strip_prefix(b"rICC"))?;
        (!profile.is_empty()).then_some(profile)
    })
}

/// The number of the primaries of an item, and the coding, from its property `colr`.
pub(super) fn code_points(items: &Items, item: u32) -> Option<(u16, Coding)> {
    let item = items.get(item).ok()?;
    let mut all = items.properties(item);
    all.find_map(|(kind, content)| {
        let numbers = content.strip_prefix(b"nclx").filter(|_| &kind == b"colr")?;
        let mut walk = ByteReader::new(Heic, numbers);
        let (primaries, _transfer) = (walk.u16_be().ok()?, walk.u16_be().ok()?);
        let matrix = walk.u16_be().ok()?;
        let is_full = walk.u8().ok()? & 0x80 != 0;
        Some((primaries, Coding { matrix, is_full }))
    })
}

/// What a coded picture says itself.
pub(super) fn own_coding(sps: &Sps) -> Coding {
    match &sps.vui {
        Some(vui) => Coding {
            matrix: u16::from(vui.matrix_coeffs),
            is_full: vui.video_full_range_flag,
        },
        None => DEFAULT,
    }
}

/// Fraction bits of the arithmetic. With chroma of twelve bits, 16 times over, no sum has more than 31.
const FRACTION: u32 = 20;

/// One, in that arithmetic.
const ONE: i64 = 1 << FRACTION;

/// Chroma samples are weighed from four neighbours, 16 times over.
const WEIGHT: i64 = 16;

/// Turns rows of a picture's samples into RGB.
pub(super) struct Converter {
    is_grey: bool,
    is_identity: bool,
    /// Black, and the factor of luma.
    luma: (i32, i32),
    /// The middle of chroma, 16 times over.
    middle: i32,
    red: i32,
    green: (i32, i32),
    blue: i32,
    /// The two chroma samples of each pixel of a row.
    chroma: [Vec<i32>; 2],
    /// A row of chroma, between two rows.
    blended: Vec<i32>,
}

impl Converter {
    /// For pictures of these depths.
    ///
    /// # Errors
    ///
    /// The matrix is not known.
    pub(super) fn new(
        coding: Coding,
        [luma_bits, chroma_bits]: [u8; 2],
        is_grey: bool,
    ) -> Result<Self, DecodeError> {
        let (kr, kb) = match coding.matrix {
            IDENTITY => (0, 0),
            1 => (2126, 722),
            UNSPECIFIED | 5 | 6 => (2990, 1140),
            4 => (3000, 1100),
            7 => (2120, 870),
            9 => (2627, 593),
            _ => {
                return Err(DecodeError::unsupported(
                    Heic,
                    "its colours are of an unknown kind",
                ));
            }
        };
        let kg = 10_000 - kr - kb;
        let range = |bits: u8, limited: i64| {
            if coding.is_full {
                (1_i64 << bits) - 1
            } else {
                limited << (bits - 8)
            }
        };
        let is_identity = coding.matrix == IDENTITY && !is_grey;
        let luma = range(luma_bits, 219);
        let chroma = range(chroma_bits, 224) * WEIGHT;
        let factor = |numerator: i64, divisor: i64| {
            i32::try_from((numerator * 255 * ONE + divisor / 2) / divisor).unwrap_or(i32::MAX)
        };
        Ok(Self {
            is_grey,
            is_identity,
            luma: (
                if coding.is_full {
                    0
                } else {
                    16 << (luma_bits - 8)
                },
                factor(1, luma),
            ),
            middle: 16 << (chroma_bits - 1),
            red: factor(2 * (10_000 - kr), 10_000 * chroma),
            green: (
                factor(2 * kr * (10_000 - kr) / kg, 10_000 * chroma),
                factor(2 * kb * (10_000 - kb) / kg, 10_000 * chroma),
            ),
            blue: factor(2 * (10_000 - kb), 10_000 * chroma),
            chroma: [Vec::new(), Vec::new()],
            blended: Vec::new(),
        })
    }

    /// Appends the RGB pixels of a row of a picture, from `left` on and as many as are `wide`.
    pub(super) fn row(
        &mut self,
        frame: &Frame,
        y: usize,
        (left, width): (usize, usize),
        rgb: &mut Vec<u8>,
    ) {
        let luma = plane_row(frame, 0, y);
        let luma = luma.get(left..left + width).unwrap_or_default();
        let (black, scale) = self.luma;
        let bright = |sample: u16| (i32::from(sample) - black) * scale;
        if self.is_grey {
            rgb.extend(luma.iter().flat_map(|&y| [eight_bits(bright(y)); 3]));
            return;
        }
        if self.is_identity {
            let [blue, red] = [1, 2].map(|plane| plane_row(frame, plane, y));
            let skipped = |row: &'_ [u16]| row.get(left..).unwrap_or_default().to_vec();
            for ((&green, blue), red) in luma.iter().zip(skipped(blue)).zip(skipped(red)) {
                rgb.extend([red, green, blue].map(|sample| eight_bits(bright(sample))));
            }
            return;
        }
        self.spread_chroma(frame, y);
        let [blue, red] = &self.chroma;
        let chroma = blue.iter().zip(red).skip(left);
        for (&y, (&cb, &cr)) in luma.iter().zip(chroma) {
            let (y, cb, cr) = (bright(y), cb - self.middle, cr - self.middle);
            rgb.extend([
                eight_bits(y + self.red * cr),
                eight_bits(y - self.green.0 * cr - self.green.1 * cb),
                eight_bits(y + self.blue * cb),
            ]);
        }
    }

    /// The chroma of each pixel of a row, 16 times over. A sample stands in the middle of its pixels, as in JPEG.
    fn spread_chroma(&mut self, frame: &Frame, y: usize) {
        let [width, across, _] = frame.widths.map(|side| side as usize);
        let [height, down, _] = frame.heights.map(|side| side as usize);
        let (is_half_wide, is_half_high) = (across < width, down < height);
        for (plane, target) in [1, 2].into_iter().zip(&mut self.chroma) {
            self.blended.clear();
            if is_half_high {
                let near = y / 2;
                let far = if y.is_multiple_of(2) {
                    near.saturating_sub(1)
                } else {
                    (near + 1).min(down - 1)
                };
                let (near, far) = (plane_row(frame, plane, near), plane_row(frame, plane, far));
                let rows = near.iter().zip(far);
                self.blended
                    .extend(rows.map(|(&near, &far)| 3 * i32::from(near) + i32::from(far)));
            } else {
                let row = plane_row(frame, plane, y).iter();
                self.blended
                    .extend(row.map(|&sample| 4 * i32::from(sample)));
            }
            target.clear();
            if is_half_wide {
                widen(&self.blended, target);
            } else {
                target.extend(self.blended.iter().map(|sample| 4 * sample));
            }
        }
    }
}

/// Two samples for each one: three parts of it, and one of the neighbour.
fn widen(row: &[i32], target: &mut Vec<i32>) {
    let mut before = row.first().copied().unwrap_or_default();
    let after = row.iter().skip(1).chain(row.last());
    for (&sample, &after) in row.iter().zip(after) {
        target.extend([3 * sample + before, 3 * sample + after]);
        before = sample;
    }
}

fn plane_row(frame: &Frame, plane: usize, y: usize) -> &[u16] {
    let width = frame.widths.get(plane).map_or(0, |&width| width as usize);
    let samples = frame.planes.get(plane).map_or(&[][..], Vec::as_slice);
    samples.get(y * width..(y + 1) * width).unwrap_or_default()
}

/// Luma as a row of eight bits, for opacity: its range is always full.
pub(super) fn opacity(
    frame: &Frame,
    y: usize,
    (left, width): (usize, usize),
) -> impl Iterator<Item = u8> {
    let [bits, _] = frame.bit_depth;
    let most = (1_u32 << bits) - 1;
    let row = plane_row(frame, 0, y).iter().skip(left).take(width);
    row.map(move |&sample| {
        let eight = (u32::from(sample) * 255 + most / 2) / most;
        u8::try_from(eight).unwrap_or(u8::MAX)
    })
}

#[inline]
fn eight_bits(value: i32) -> u8 {
    let [low, ..] = ((value + (1 << (FRACTION - 1))) >> FRACTION)
        .clamp(0, 255)
        .to_le_bytes();
    low
}
