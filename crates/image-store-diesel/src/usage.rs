//! Usage of labels in some images, and its encoding in a segment.
//!
//! A segment's content is a format byte, and then, for each label used, in the order of the labels' ids:
//! the difference to the previous id (varint), the number of images that carry it (varint), and the lowest,
//! the highest and the sum of their confidences (`f64`, little endian). A varint has seven bits a byte, the
//! lowest first; all bytes but the last have the eighth bit set.

use thiserror::Error;

use crate::error::StoreError;

/// The only format so far.
const FORMAT: u8 = 1;

/// Usage of one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    pub(crate) label: i32,
    /// How many images carry it; at least 1.
    pub(crate) images: u64,
    /// The lowest confidence among them.
    pub(crate) lowest: f64,
    /// The highest confidence among them.
    pub(crate) highest: f64,
    /// The sum of their confidences.
    pub(crate) sum: f64,
}

/// Why a segment's content is invalid.
#[derive(Debug, Error, PartialEq)]
enum Unreadable {
    #[error("a segment of the summaries has no format")]
    Empty,
    #[error("a segment of the summaries has the format {0}")]
    Format(u8),
    #[error("a segment of the summaries is cut off")]
    CutOff,
    #[error("a segment of the summaries holds a number that is too large")]
    TooLarge,
    #[error("a segment of the summaries holds labels out of order")]
    Order,
    #[error("a segment of the summaries holds impossible numbers for the label {0}")]
    Numbers(i32),
}

impl Usage {
    /// A label on one image.
    #[cfg(test)]
    pub(crate) fn once(label: i32, confidence: f64) -> Self {
        Self {
            label,
            images: 1,
            lowest: confidence,
            highest: confidence,
            sum: confidence,
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.images = self.images.saturating_add(other.images);
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
        self.sum += other.sum;
    }

    fn is_possible(&self) -> bool {
        let is_in_order = 0.0 <= self.lowest && self.lowest <= self.highest;
        self.images > 0 && is_in_order && self.highest <= 100.0 && self.sum.is_finite()
    }
}

/// Merges entries of the same label. Returns them in label order.
pub(crate) fn merged(mut usages: Vec<Usage>) -> Vec<Usage> {
    // On runs that are sorted already this takes linear time, and it keeps the order of addition.
    usages.sort_by_key(|usage| usage.label);
    usages.dedup_by(|later, earlier| {
        let is_same = later.label == earlier.label;
        if is_same {
            earlier.absorb(later);
        }
        is_same
    });
    usages
}

/// Encodes usages that are [`merged`].
pub(crate) fn encode(usages: &[Usage]) -> Vec<u8> {
    let mut content = vec![FORMAT];
    let mut before = 0_i64;
    for usage in usages {
        let label = i64::from(usage.label);
        write_varint(&mut content, label.abs_diff(before));
        write_varint(&mut content, usage.images);
        for number in [usage.lowest, usage.highest, usage.sum] {
            content.extend(number.to_le_bytes());
        }
        before = label;
    }
    content
}

/// Decodes a segment's content, and appends it to `usages`.
pub(crate) fn read(content: &[u8], usages: &mut Vec<Usage>) -> Result<(), StoreError> {
    read_all(content, usages).map_err(StoreError::corrupt)
}

fn read_all(content: &[u8], usages: &mut Vec<Usage>) -> Result<(), Unreadable> {
    let (format, mut rest) = content.split_first().ok_or(Unreadable::Empty)?;
    if *format != FORMAT {
        return Err(Unreadable::Format(*format));
    }
    let mut before = 0;
    while !rest.is_empty() {
        let usage = read_one(&mut rest, before)?;
        before = usage.label;
        usages.push(usage);
    }
    Ok(())
}

fn read_one(rest: &mut &[u8], before: i32) -> Result<Usage, Unreadable> {
    let step = i32::try_from(read_varint(rest)?).map_err(|_| Unreadable::TooLarge)?;
    if step == 0 {
        return Err(Unreadable::Order);
    }
    let usage = Usage {
        label: before.checked_add(step).ok_or(Unreadable::TooLarge)?,
        images: read_varint(rest)?,
        lowest: read_number(rest)?,
        highest: read_number(rest)?,
        sum: read_number(rest)?,
    };
    if usage.is_possible() {
        Ok(usage)
    } else {
        Err(Unreadable::Numbers(usage.label))
    }
}

fn write_varint(content: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        content.push(0x80 | low_bits(number));
        number >>= 7;
    }
    content.push(low_bits(number));
}

fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

fn read_varint(rest: &mut &[u8]) -> Result<u64, Unreadable> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, others) = rest.split_first().ok_or(Unreadable::CutOff)?;
        *rest = others;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Unreadable::TooLarge)
}

fn read_number(rest: &mut &[u8]) -> Result<f64, Unreadable> {
    let (bytes, others) = rest.split_first_chunk().ok_or(Unreadable::CutOff)?;
    *rest = others;
    Ok(f64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn usage(label: i32, images: u64, lowest: f64, highest: f64, sum: f64) -> Usage {
        Usage {
            label,
            images,
            lowest,
            highest,
            sum,
        }
    }

    fn samples() -> Vec<Usage> {
        vec![
            usage(
                1,
                1,
                69.437_355_041_503_9,
                69.437_355_041_503_9,
                69.437_355_041_503_9,
            ),
            usage(2, 127, 0.0, 100.0, 1234.5),
            usage(130, 128, 0.1, 0.2, 19.0),
            usage(i32::MAX, u64::MAX, 1.0, 2.0, f64::MAX),
        ]
    }

    fn decoded(content: &[u8]) -> Result<Vec<Usage>, Unreadable> {
        let mut usages = Vec::new();
        read_all(content, &mut usages).map(|()| usages)
    }

    #[test]
    fn encoded_usages_are_decoded() {
        assert_eq!(decoded(&encode(&[])), Ok(Vec::new()));
        assert_eq!(decoded(&encode(&samples())), Ok(samples()));
    }

    /// The format must never change: databases are full of it.
    #[test]
    fn the_format_is_known() {
        let content = encode(&[usage(300, 2, 1.0, 2.0, 3.0)]);
        let expected = [
            1, 0xac, 2, 2, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0,
            0, 8, 0x40,
        ];
        assert_eq!(content, expected);
    }

    #[test]
    fn truncated_content_is_an_error() {
        let whole = encode(&samples()[..1]);
        for length in 2..whole.len() {
            assert_eq!(
                decoded(&whole[..length]),
                Err(Unreadable::CutOff),
                "{length}"
            );
        }
    }

    #[rstest]
    #[case(&[], Unreadable::Empty)]
    #[case(&[2], Unreadable::Format(2))]
    #[case(&[1, 0, 1], Unreadable::Order)]
    #[case(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f], Unreadable::TooLarge)]
    #[case(&[1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Unreadable::TooLarge)]
    fn invalid_content_is_an_error(#[case] content: &[u8], #[case] expected: Unreadable) {
        assert_eq!(decoded(content), Err(expected));
    }

    #[rstest]
    #[case(usage(7, 0, 1.0, 1.0, 1.0))]
    #[case(usage(7, 1, 2.0, 1.0, 1.0))]
    #[case(usage(7, 1, -1.0, 1.0, 1.0))]
    #[case(usage(7, 1, 1.0, 100.5, 1.0))]
    #[case(usage(7, 1, f64::NAN, 1.0, 1.0))]
    #[case(usage(7, 1, 1.0, 1.0, f64::INFINITY))]
    fn impossible_numbers_are_an_error(#[case] usage: Usage) {
        assert_eq!(decoded(&encode(&[usage])), Err(Unreadable::Numbers(7)));
    }

    #[test]
    fn usages_of_a_label_are_merged() {
        let usages = vec![
            Usage::once(3, 10.0),
            usage(1, 4, 2.0, 3.0, 10.0),
            usage(3, 2, 20.0, 30.0, 50.0),
            Usage::once(3, 1.0),
        ];
        let expected = [usage(1, 4, 2.0, 3.0, 10.0), usage(3, 4, 1.0, 30.0, 61.0)];
        assert_eq!(merged(usages), expected);
        assert!(merged(Vec::new()).is_empty());
    }
}
