//! Unpacks stored samples: to a byte each, to two if they have more than eight bits, or to four.

/// Appends the first `count` samples of a stored row.
pub(super) fn unpack(row: &[u8], bits: u32, count: usize, to: &mut Vec<u8>) {
    match bits {
        8 => to.extend(row.iter().take(count)),
        16 => to.extend(row.iter().take(2 * count)),
        32 => to.extend(row.iter().take(4 * count)),
        1 | 2 | 4 => {
            let mask = u8::MAX >> (8 - bits);
            let samples = row.iter().flat_map(|byte| {
                let shifts = (0..8).step_by(bits as usize).rev();
                shifts.map(move |shift| (byte >> shift) & mask)
            });
            to.extend(samples.take(count));
        }
        _ => unpack_any(row, bits, count, to),
    }
}

/// Samples of any number of bits, the highest first.
fn unpack_any(row: &[u8], bits: u32, count: usize, to: &mut Vec<u8>) {
    let (mut held, mut room) = (0_u32, 0);
    let mut left = count;
    for byte in row {
        held = held << 8 | u32::from(*byte);
        room += 8;
        while room >= bits && left > 0 {
            room -= bits;
            left -= 1;
            let sample = held >> room & ((1 << bits) - 1);
            let [low, high, ..] = sample.to_le_bytes();
            if bits <= 8 {
                to.push(low);
            } else {
                to.extend(u16::from_le_bytes([low, high]).to_ne_bytes());
            }
        }
    }
}

/// Copies the samples of a plane into their pixels, of which each has `pixel` bytes. `at` is the place of the
/// sample in its pixel.
pub(super) fn interleave(plane: &[u8], size: usize, at: usize, pixel: usize, pixels: &mut [u8]) {
    let pixels = pixels.chunks_exact_mut(pixel.max(1));
    for (pixel, sample) in pixels.zip(plane.chunks_exact(size.max(1))) {
        let target = pixel.get_mut(at..at + size).unwrap_or_default();
        target.copy_from_slice(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(row: &[u8], bits: u32, count: usize) -> Vec<u8> {
        let mut samples = Vec::new();
        unpack(row, bits, count, &mut samples);
        samples
    }

    #[test]
    fn packed_rows_are_unpacked() {
        assert_eq!(unpacked(&[0b1011_0001], 1, 8), [1, 0, 1, 1, 0, 0, 0, 1]);
        assert_eq!(unpacked(&[0b1101_0010], 2, 3), [3, 1, 0]);
        assert_eq!(unpacked(&[0x1F, 0x20], 4, 9), [1, 15, 2, 0]);
        assert_eq!(unpacked(&[7, 200], 8, 1), [7]);
        assert_eq!(unpacked(&[0b1010_1101, 0b1000_0000], 3, 3), [5, 3, 3]);
        let wide = |samples: &[u16]| -> Vec<u8> {
            samples
                .iter()
                .flat_map(|sample| sample.to_ne_bytes())
                .collect()
        };
        assert_eq!(unpacked(&[0x12, 0x3A, 0xBC], 12, 2), wide(&[0x123, 0xABC]));
    }
}
