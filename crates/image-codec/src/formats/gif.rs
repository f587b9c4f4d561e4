//! GIF (87a, 89a); the first frame of an animation.

use std::io::{BufRead, Cursor};

use ::gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, Frame};
use domain::MediaType::Gif;
use image::ColorType;

use super::{Header, Rows, SIDE_MEMORY};
use crate::{
    byte_reader::ByteReader,
    decode_error::DecodeError,
    meter::Meter,
    raster::{Raster, buffer_size},
    source::Metered,
    work,
};

const SIGNATURE_LENGTH: usize = 6;
const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2C;
const TRAILER: u8 = 0x3B;

/// Memory of the decoder's buffers and tables, for any picture.
const BUFFERS: u64 = 256 * 1024;

/// The colour outside the frame: transparent.
const NOTHING: [u8; 4] = [0; 4];

/// An image block found by inspection.
#[derive(Debug, Clone, Copy)]
struct Image {
    size: (u32, u32),
    is_interlaced: bool,
    /// Bytes of its compressed data.
    length: u64,
}

/// Scans all blocks. The decoder stops after the first frame.
pub(super) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    let mut walk = ByteReader::new(Gif, bytes);
    walk.take(SIGNATURE_LENGTH)?;
    let size = (walk.u16_le()?.into(), walk.u16_le()?.into());
    let [flags, _background, _aspect] = walk.array()?;
    skip_palette(&mut walk, flags)?;
    let mut first = None;
    loop {
        match walk.u8()? {
            EXTENSION => {
                walk.u8()?;
                skip_blocks(&mut walk, meter)?;
            }
            IMAGE => {
                let image = skip_image(&mut walk, meter)?;
                first.get_or_insert(image);
            }
            TRAILER => break,
            _ => return Err(DecodeError::malformed(Gif, "a block of an unknown kind")),
        }
    }
    let image = first.ok_or(DecodeError::malformed(Gif, "it has no frame"))?;
    image.check(size)?;
    Ok(Header {
        decode_bytes: image.memory(size),
        work: image.work(size),
        end: walk.position(),
        ..Header::new(Gif, size, max_side)
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let file = Metered::new(Cursor::new(bytes), meter);
    let mut decoder = options.read_info(file).map_err(refuse)?;
    let size = (decoder.width().into(), decoder.height().into());
    if size != (header.width, header.height) {
        return Err(DecodeError::malformed(Gif, "it has two sizes"));
    }
    let frame = decoder.next_frame_info().map_err(refuse)?;
    let mut frame = frame.cloned().ok_or(DecodeError::Truncated(Gif))?;
    let palette = decoder.palette().map_err(refuse)?;
    let mut canvas = Canvas::new(header, &frame, palette)?;
    let length = usize::from(frame.width);
    if frame.interlaced {
        let mut places = vec![0; decoder.buffer_size()];
        decoder.read_into_buffer(&mut places).map_err(refuse)?;
        for row in places.chunks_exact(length.max(1)) {
            canvas.row(row);
        }
    } else {
        frame.buffer = vec![0; length].into();
        decode_rows(&mut decoder, &mut canvas, &mut frame)?;
    }
    canvas.finish()
}

/// Decodes rows that are not interlaced one by one, into the frame's buffer.
fn decode_rows(
    decoder: &mut Decoder<impl BufRead>,
    canvas: &mut Canvas,
    frame: &mut Frame,
) -> Result<(), DecodeError> {
    let row = frame.buffer.to_mut();
    for _ in 0..frame.height {
        if !row.is_empty() && !decoder.fill_buffer(row).map_err(refuse)? {
            return Err(DecodeError::malformed(Gif, "pixels are missing"));
        }
        canvas.row(row);
    }
    Ok(())
}

fn refuse(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::Io(error) => DecodeError::of_io_error(Gif, error),
        error => DecodeError::corrupt(Gif, error),
    }
}

/// The canvas of a frame.
struct Canvas {
    rows: Rows,
    colours: Vec<[u8; 4]>,
    row: Vec<u8>,
    left: usize,
    /// Rows below the frame.
    below: u32,
}

impl Canvas {
    fn new(header: &Header, frame: &Frame, palette: &[u8]) -> Result<Self, DecodeError> {
        let (colours, _) = palette.as_chunks::<3>();
        let colours = colours.iter().zip(0_u8..=u8::MAX).map(|(colour, place)| {
            let [r, g, b] = *colour;
            let is_transparent = frame.transparent == Some(place);
            [r, g, b, if is_transparent { 0 } else { u8::MAX }]
        });
        let bottom = u32::from(frame.top) + u32::from(frame.height);
        let mut canvas = Self {
            rows: Rows::new(header, ColorType::Rgba8)?,
            colours: colours.collect(),
            row: NOTHING.repeat(header.width as usize),
            left: frame.left.into(),
            below: header.height.saturating_sub(bottom),
        };
        for _ in 0..u32::from(frame.top).min(header.height) {
            canvas.rows.row(&canvas.row);
        }
        Ok(canvas)
    }

    /// Adds a row of the frame, clipped to the canvas.
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
        self.row.fill(0);
        for _ in 0..self.below {
            self.rows.row(&self.row);
        }
        self.rows.finish()
    }
}

impl Image {
    /// Frames may exceed the canvas a little; all their pixels are decoded.
    fn check(self, (width, height): (u32, u32)) -> Result<(), DecodeError> {
        let (shown, decoded) = (
            buffer_size(width, height, 4),
            buffer_size(self.size.0, self.size.1, 4),
        );
        if decoded > shown.saturating_add(SIDE_MEMORY) {
            return Err(DecodeError::malformed(
                Gif,
                "a frame is larger than the picture",
            ));
        }
        Ok(())
    }

    /// Memory for decoding: palette indexes of a row, or of all rows if interlaced.
    fn memory(self, (width, _): (u32, u32)) -> u64 {
        let rows = if self.is_interlaced { self.size.1 } else { 1 };
        buffer_size(self.size.0, rows, 1) + 8 * u64::from(width) + BUFFERS
    }

    fn work(self, (width, height): (u32, u32)) -> u64 {
        work::GIF_PIXEL.units(buffer_size(width, height, 1))
            + work::LZW_PIXEL.units(buffer_size(self.size.0, self.size.1, 1))
            + work::LZW_BYTE.units(self.length)
    }
}

fn skip_image(walk: &mut ByteReader, meter: &Meter) -> Result<Image, DecodeError> {
    let [_left, _top] = [walk.u16_le()?, walk.u16_le()?];
    let size = (walk.u16_le()?.into(), walk.u16_le()?.into());
    let flags = walk.u8()?;
    skip_palette(walk, flags)?;
    let _code_size = walk.u8()?;
    let before = walk.position();
    skip_blocks(walk, meter)?;
    Ok(Image {
        size,
        is_interlaced: flags & 0x40 != 0,
        length: (walk.position() - before) as u64,
    })
}

/// The upper bit is the presence of a palette, the lower three its length.
fn skip_palette(walk: &mut ByteReader, flags: u8) -> Result<(), DecodeError> {
    if flags & 0x80 != 0 {
        walk.take(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

/// Skips sub-blocks of at most 255 bytes up to the empty one.
fn skip_blocks(walk: &mut ByteReader, meter: &Meter) -> Result<(), DecodeError> {
    meter.charge(work::CHUNK, 1)?;
    loop {
        let length = walk.u8()?;
        if walk.take(length.into())?.is_empty() {
            return Ok(());
        }
    }
}
