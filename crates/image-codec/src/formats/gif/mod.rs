//! GIF (87a, 89a); the first frame of an animation.
//!
//! The picture is the union of the logical screen and the first frame, as in Pillow and libvips: many writers
//! leave the screen's size out.

mod blocks;
mod places;

use domain::MediaType::Gif;
use image::ColorType;

use self::{
    blocks::{Blocks, Frame},
    places::Places,
};
use super::{Header, Rows, check_sides};
use crate::{
    decode_error::DecodeError,
    meter::Meter,
    raster::{Raster, buffer_size},
    work,
};

/// Memory of the decoder's buffers and tables, for any picture.
const BUFFERS: u64 = 256 * 1024;

/// The colour outside the frame: transparent.
const NOTHING: [u8; 4] = [0; 4];

/// The first row of each pass of an interlaced frame, and the distance to the next.
const PASSES: [(usize, usize); 4] = [(0, 8), (4, 8), (2, 4), (1, 2)];

/// Scans all blocks. Only the first frame is decoded.
pub(super) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    let blocks = Blocks::walk(bytes, meter)?;
    let (frame, size) = (&blocks.frame, blocks.canvas());
    check_sides(size)?;
    Ok(Header {
        decode_bytes: memory(frame, size),
        work: work::GIF_PIXEL.units(buffer_size(size.0, size.1, 1))
            + work::LZW_PIXEL.units(buffer_size(frame.size.0, frame.size.1, 1))
            + work::LZW_BYTE.units(frame.length),
        end: blocks.end,
        ..Header::new(Gif, size, max_side)
    })
}

/// Memory for decoding: palette indexes of a row, or of all rows if interlaced.
fn memory(frame: &Frame, (width, _): (u32, u32)) -> u64 {
    let rows = if frame.is_interlaced { frame.size.1 } else { 1 };
    buffer_size(frame.size.0, rows, 1) + 8 * u64::from(width) + BUFFERS
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let blocks = Blocks::walk(bytes, meter)?;
    let frame = &blocks.frame;
    if blocks.canvas() != (header.width, header.height) {
        return Err(DecodeError::malformed(Gif, "it has two sizes"));
    }
    let mut canvas = Canvas::new(header, frame)?;
    let mut places = Places::new(frame)?;
    let (width, height) = (frame.size.0 as usize, frame.size.1 as usize);
    if width == 0 || places.are_missing() {
        // Such a frame draws nothing.
        canvas.skip(height);
    } else if frame.is_interlaced {
        let mut rows = vec![0; width * height];
        for (first, step) in PASSES {
            let of_pass = rows.chunks_exact_mut(width).skip(first).step_by(step);
            for row in of_pass {
                meter.check()?;
                places.fill(row)?;
            }
        }
        rows.chunks_exact(width).for_each(|row| canvas.row(row));
    } else {
        let mut row = vec![0; width];
        for _ in 0..height {
            meter.check()?;
            places.fill(&mut row)?;
            canvas.row(&row);
        }
    }
    canvas.finish()
}

/// The canvas of a frame.
struct Canvas {
    rows: Rows,
    colours: Vec<[u8; 4]>,
    row: Vec<u8>,
    left: usize,
    /// Rows below the frame.
    below: usize,
}

impl Canvas {
    fn new(header: &Header, frame: &Frame) -> Result<Self, DecodeError> {
        let bottom = frame.top.saturating_add(frame.size.1);
        let mut canvas = Self {
            rows: Rows::new(header, ColorType::Rgba8)?,
            colours: frame.colours(),
            row: NOTHING.repeat(header.width as usize),
            left: frame.left as usize,
            below: header.height.saturating_sub(bottom) as usize,
        };
        canvas.skip(frame.top.min(header.height) as usize);
        Ok(canvas)
    }

    /// Adds rows without anything.
    fn skip(&mut self, rows: usize) {
        self.row.fill(0);
        for _ in 0..rows {
            self.rows.row(&self.row);
        }
    }

    /// Adds a row of the frame.
    fn row(&mut self, places: &[u8]) {
        let (pixels, _) = self.row.as_chunks_mut();
        let pixels = pixels.get_mut(self.left..).unwrap_or_default();
        for (pixel, place) in pixels.iter_mut().zip(places) {
            let colour = self.colours.get(usize::from(*place));
            *pixel = colour.copied().unwrap_or(NOTHING);
        }
        self.rows.row(&self.row);
    }

    fn finish(mut self) -> Result<Raster, DecodeError> {
        self.skip(self.below);
        self.rows.finish()
    }
}
