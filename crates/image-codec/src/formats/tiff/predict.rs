//! Undoes predictors: samples stored as differences from those before them (TIFF 6.0, section 14; Adobe's
//! technical note 3). Results are in the machine's byte order.

use super::page::{Page, Predictor};

/// Undoes the predictor of a stored row, and the byte order of the file. `spare` is a buffer.
pub(super) fn undo(row: &mut [u8], page: &Page, spare: &mut Vec<u8>) {
    let stride = page.samples_of_plane();
    if page.predictor == Predictor::Float {
        return undo_float(row, stride, page.sample_size(), spare);
    }
    let is_native = page.is_little_endian == cfg!(target_endian = "little");
    if !is_native {
        match page.bits {
            16 => row
                .as_chunks_mut::<2>()
                .0
                .iter_mut()
                .for_each(|s| s.reverse()),
            32 => row
                .as_chunks_mut::<4>()
                .0
                .iter_mut()
                .for_each(|s| s.reverse()),
            _ => {}
        }
    }
    if page.predictor == Predictor::Horizontal {
        match page.bits {
            8 => add::<1>(row, stride, |[a], [b]| [a.wrapping_add(b)]),
            16 => add::<2>(row, stride, |a, b| {
                u16::from_ne_bytes(a)
                    .wrapping_add(u16::from_ne_bytes(b))
                    .to_ne_bytes()
            }),
            _ => add::<4>(row, stride, |a, b| {
                u32::from_ne_bytes(a)
                    .wrapping_add(u32::from_ne_bytes(b))
                    .to_ne_bytes()
            }),
        }
    }
}

/// Adds to each sample the one `stride` before it.
fn add<const SIZE: usize>(
    row: &mut [u8],
    stride: usize,
    sum: impl Fn([u8; SIZE], [u8; SIZE]) -> [u8; SIZE],
) {
    let (samples, _) = row.as_chunks_mut::<SIZE>();
    let mut pixels = samples.chunks_exact_mut(stride.max(1));
    let Some(mut last) = pixels.next() else {
        return;
    };
    for pixel in pixels {
        for (sample, before) in pixel.iter_mut().zip(last.iter()) {
            *sample = sum(*sample, *before);
        }
        last = pixel;
    }
}

/// The bytes of a row are sorted by their significance, the highest first, and stored as differences.
fn undo_float(row: &mut [u8], stride: usize, size: usize, spare: &mut Vec<u8>) {
    add::<1>(row, stride, |[a], [b]| [a.wrapping_add(b)]);
    spare.clear();
    spare.extend_from_slice(row);
    let count = row.len() / size.max(1);
    let planes: Vec<_> = spare.chunks_exact(count.max(1)).collect();
    for (number, sample) in row.chunks_exact_mut(size.max(1)).enumerate() {
        for (byte, plane) in sample.iter_mut().zip(&planes) {
            *byte = plane.get(number).copied().unwrap_or_default();
        }
        if cfg!(target_endian = "little") {
            sample.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_added_to_those_of_the_pixel_before() {
        let mut row = [1, 10, 1, 1, 255, 2];
        add::<1>(&mut row, 2, |[a], [b]| [a.wrapping_add(b)]);
        assert_eq!(row, [1, 10, 2, 11, 1, 13]);
    }

    #[test]
    fn floats_are_put_together() {
        let floats = [1.5_f32, -2.25, 0.0, 100.0];
        let bytes: Vec<_> = floats.map(f32::to_be_bytes).to_vec();
        let mut planes: Vec<u8> = (0..4)
            .flat_map(|byte| bytes.iter().map(move |float| float[byte]))
            .collect();
        for at in (1..planes.len()).rev() {
            planes[at] = planes[at].wrapping_sub(planes[at - 1]);
        }
        undo_float(&mut planes, 1, 4, &mut Vec::new());
        let expected: Vec<u8> = floats.iter().flat_map(|f| f.to_ne_bytes()).collect();
        assert_eq!(planes, expected);
    }
}
