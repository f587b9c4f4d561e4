//! Averages boxes of pixels while rows arrive, so that the picture need not be in memory as a whole.

use crate::{
    decode_error::DecodeError,
    raster::{Channels, Raster, buffer_size},
    scale::{ENOUGH, fit},
};

/// Most pixels across or down a box, so that column sums of a box fit into 16 bits, and sums of a box into
/// 32.
const MOST: u32 = 256;

/// How many pixels across and down are averaged into one, before the final filter makes the copy.
///
/// The result is at least [`ENOUGH`] times as large as the copy, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boxes {
    across: u32,
    down: u32,
}

impl Boxes {
    /// Keeps every pixel.
    pub(crate) const NONE: Self = Self { across: 1, down: 1 };

    /// The largest boxes that leave enough for a copy whose longest side is at most `max_side`.
    pub(crate) fn for_copy(width: u32, height: u32, max_side: u32) -> Self {
        let (copy_width, copy_height) = fit(width, height, max_side);
        Self {
            across: size(width, copy_width),
            down: size(height, copy_height),
        }
    }

    /// The reduced size. The last pixels stand for incomplete boxes.
    pub(crate) fn reduced(self, width: u32, height: u32) -> (u32, u32) {
        (width.div_ceil(self.across), height.div_ceil(self.down))
    }

    /// The picture's extent, in reduced pixels.
    pub(crate) fn extent(self, width: u32, height: u32) -> (f64, f64) {
        (
            f64::from(width) / f64::from(self.across),
            f64::from(height) / f64::from(self.down),
        )
    }

    /// Memory of a [`Reducer`] with its output, in bytes.
    pub(crate) fn memory(self, width: u32, height: u32) -> u64 {
        let (reduced_width, reduced_height) = self.reduced(width, height);
        let sums = if self == Self::NONE {
            0
        } else {
            u64::from(width) * 3 * 2
        };
        buffer_size(reduced_width, reduced_height, 3).saturating_add(sums)
    }
}

fn size(side: u32, copy: u32) -> u32 {
    let enough = ENOUGH * f64::from(copy);
    let fits = |size: &u32| f64::from(side) >= enough * f64::from(*size);
    // `side / copy` is an upper bound; the search goes down to the first size that leaves enough.
    let largest = (side / copy.max(1)).clamp(1, MOST);
    (1..=largest).rev().find(fits).unwrap_or(1)
}

/// Receives the rows of a picture from the top, and makes a smaller one.
pub(crate) struct Reducer {
    boxes: Boxes,
    channels: Channels,
    width: u32,
    height: u32,
    /// Column sums of the samples since the last complete row of boxes.
    sums: Vec<u16>,
    rows_summed: u32,
    rows_left: u32,
    is_from_bottom: bool,
    pixels: Vec<u8>,
}

impl Reducer {
    pub(crate) fn new(boxes: Boxes, (width, height): (u32, u32), channels: Channels) -> Self {
        let (reduced_width, reduced_height) = boxes.reduced(width, height);
        let capacity = reduced_width as usize * reduced_height as usize * channels.count();
        let sums = match boxes {
            Boxes::NONE => 0,
            _ => width as usize * channels.count(),
        };
        Self {
            boxes,
            channels,
            width,
            height,
            sums: vec![0; sums],
            rows_summed: 0,
            rows_left: height,
            is_from_bottom: false,
            pixels: Vec::with_capacity(capacity),
        }
    }

    /// Switches to bottom-up rows. Must be called before the first row.
    pub(crate) fn turn(&mut self) {
        self.is_from_bottom = true;
    }

    /// Adds the next row. Excess samples and rows are ignored.
    pub(crate) fn row(&mut self, row: &[u8]) {
        if self.rows_left == 0 {
            return;
        }
        self.rows_left -= 1;
        if self.boxes == Boxes::NONE {
            let length = self.width as usize * self.channels.count();
            self.pixels.extend(row.iter().take(length));
            return;
        }
        for (sum, sample) in self.sums.iter_mut().zip(row) {
            *sum += u16::from(*sample);
        }
        self.rows_summed += 1;
        // Boxes are counted from the top: bottom-up, the first one may be the incomplete one.
        let is_whole = if self.is_from_bottom {
            self.rows_left.is_multiple_of(self.boxes.down)
        } else {
            self.rows_summed == self.boxes.down || self.rows_left == 0
        };
        if is_whole {
            self.close_boxes();
        }
    }

    /// The reduced picture. All rows must have been added.
    pub(crate) fn finish(self) -> Result<Raster, DecodeError> {
        let (width, height) = self.boxes.reduced(self.width, self.height);
        let expected = width as usize * height as usize * self.channels.count();
        if self.pixels.len() != expected {
            return Err(DecodeError::Failed("a decoder left rows out".into()));
        }
        let mut raster = Raster {
            width,
            height,
            channels: self.channels,
            pixels: self.pixels,
        };
        if self.is_from_bottom {
            raster.flip();
        }
        Ok(raster)
    }

    fn close_boxes(&mut self) {
        match self.channels {
            Channels::Grey => self.average::<1>(),
            Channels::Rgb => self.average::<3>(),
        }
        self.sums.fill(0);
        self.rows_summed = 0;
    }

    /// Averages the complete boxes, and the rest in the last one.
    fn average<const CHANNELS: usize>(&mut self) {
        let (columns, _) = self.sums.as_chunks::<CHANNELS>();
        for columns in columns.chunks(self.boxes.across as usize) {
            let mut sums = [0; CHANNELS];
            for column in columns {
                for (sum, sample) in sums.iter_mut().zip(column) {
                    *sum += u32::from(*sample);
                }
            }
            let area = u32::try_from(columns.len()).unwrap_or(MOST) * self.rows_summed;
            let mean = |sum: u32| u8::try_from((sum + area / 2) / area).unwrap_or(u8::MAX);
            self.pixels.extend(sums.map(mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case((1024, 1024), (1, 1))]
    #[case((2559, 2559), (1, 1))]
    #[case((2560, 2560), (2, 2))]
    #[case((10_000, 10_000), (7, 7))]
    #[case((65_535, 1), (51, 1))]
    #[case((65_535, 1525), (51, 50))]
    fn a_picture_is_enough_larger_than_its_copy(
        #[case] (width, height): (u32, u32),
        #[case] (across, down): (u32, u32),
    ) {
        let boxes = Boxes::for_copy(width, height, 1024);
        assert_eq!(boxes, Boxes { across, down });
    }

    #[test]
    fn boxes_have_a_largest_size() {
        let boxes = Boxes::for_copy(65_535, 65_535, 1);
        assert_eq!(
            boxes,
            Boxes {
                across: 256,
                down: 256
            }
        );
        assert_eq!(boxes.reduced(65_535, 65_535), (256, 256));
        let mut reducer = Reducer::new(boxes, (300, 300), Channels::Rgb);
        for _ in 0..300 {
            reducer.row(&[u8::MAX; 900]);
        }
        assert_eq!(reducer.finish().unwrap().pixels, [u8::MAX; 12]);
    }

    #[test]
    fn the_last_boxes_are_averages_of_what_there_is() {
        let boxes = Boxes { across: 2, down: 2 };
        let mut reducer = Reducer::new(boxes, (3, 3), Channels::Grey);
        for row in [[0, 100, 7], [50, 50, 9], [1, 2, 200]] {
            reducer.row(&row);
        }
        let raster = reducer.finish().unwrap();
        assert_eq!((raster.width, raster.height), (2, 2));
        assert_eq!(raster.pixels, [50, 8, 2, 200]);
        assert_eq!(boxes.extent(3, 3), (1.5, 1.5));
    }

    #[test]
    fn rows_from_the_bottom_make_the_same_boxes() {
        let boxes = Boxes { across: 2, down: 2 };
        let rows = [[0, 100, 7], [50, 50, 9], [1, 2, 200]];
        let mut reducer = Reducer::new(boxes, (3, 3), Channels::Grey);
        reducer.turn();
        for row in rows.iter().rev() {
            reducer.row(row);
        }
        assert_eq!(reducer.finish().unwrap().pixels, [50, 8, 2, 200]);
    }

    #[test]
    fn channels_stay_apart() {
        let boxes = Boxes { across: 2, down: 1 };
        let mut reducer = Reducer::new(boxes, (2, 1), Channels::Rgb);
        reducer.row(&[0, 10, 20, 100, 110, 120]);
        assert_eq!(reducer.finish().unwrap().pixels, [50, 60, 70]);
    }

    #[test]
    fn without_boxes_rows_stay_as_they_are() {
        let mut reducer = Reducer::new(Boxes::NONE, (2, 2), Channels::Grey);
        reducer.row(&[1, 2, 99]);
        reducer.row(&[3, 4]);
        reducer.row(&[5, 6]);
        assert_eq!(reducer.finish().unwrap().pixels, [1, 2, 3, 4]);
    }

    #[test]
    fn missing_row_is_a_bug() {
        let mut reducer = Reducer::new(Boxes::NONE, (2, 2), Channels::Grey);
        reducer.row(&[1, 2]);
        assert!(reducer.finish().is_err());
    }
}
