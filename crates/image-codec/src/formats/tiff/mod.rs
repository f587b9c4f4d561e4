//! TIFF 6.0 and `BigTIFF`; the first of several pages, but all must be complete.

mod bands;
mod directory;
mod pages;
mod patched;
mod pixels;

use domain::MediaType::Tiff;
use image::metadata::Orientation;
use tiff::{
    TiffError,
    decoder::{Decoder, Limits},
    tags::Tag,
};

use self::{
    bands::Bands,
    patched::{Patched, patched, plain},
    pixels::Pixels,
};
use super::{Header, SIDE_MEMORY, check_sides};
use crate::{
    decode_error::DecodeError,
    meter::Meter,
    raster::{Raster, buffer_size},
    reduce::Reducer,
    work,
};

/// `PhotometricInterpretation` of a palette (TIFF 6.0, section 5).
const PALETTE: u16 = 3;

/// The decoder's memory for the offset and the length of a strip or tile.
const CHUNK_MEMORY: u64 = 64;

/// Memory for a pixel of a row being converted: its palette index, and the result.
const PIXEL_MEMORY: u64 = 4;

/// Memory of the decoder's buffers and tables, for any picture.
const BUFFERS: u64 = 256 * 1024;

/// A page to be decoded.
struct Page<'a> {
    decoder: Decoder<Patched<'a>>,
    palette: Option<Vec<u16>>,
}

pub(super) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    let mut page = Page::open(bytes, meter)?;
    let size = page.decoder.dimensions().map_err(refuse)?;
    check_sides(size)?;
    let found = pages::check(&mut page.decoder, bytes, meter)?;
    if size.0 == 0 || size.1 == 0 {
        return Err(DecodeError::malformed(Tiff, "it has no pixels"));
    }
    page.cut(bytes, meter)?;
    let bands = Bands::new(&mut page.decoder)?;
    // Rejects unsupported pixels.
    page.pixels()?;
    let decoded = bands.bytes().saturating_mul(bands.count());
    Ok(Header {
        orientation: page.orientation()?,
        decode_bytes: bands
            .memory()
            .saturating_add(u64::from(size.0) * PIXEL_MEMORY)
            .saturating_add(found.chunk_memory)
            .saturating_add(found.chunks * CHUNK_MEMORY + BUFFERS),
        work: found.work
            + work::TIFF_BYTE.units(decoded)
            + work::TIFF_PIXEL.units(buffer_size(size.0, size.1, 1)),
        end: bytes.len(),
        ..Header::new(Tiff, size, max_side)
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    let mut page = Page::open(bytes, meter)?;
    page.cut(bytes, meter)?;
    let mut pixels = page.pixels()?;
    let size = (header.width, header.height);
    let mut reducer = Reducer::new(header.boxes, size, pixels.channels());
    let mut bands = Bands::new(&mut page.decoder)?;
    for band in 0..bands.count() {
        meter.check()?;
        bands.read(&mut page.decoder, band)?;
        bands.for_each_row(|row| reducer.row(pixels.row(row)));
    }
    reducer.finish()
}

impl<'a> Page<'a> {
    fn open(bytes: &'a [u8], meter: &'a Meter) -> Result<Self, DecodeError> {
        directory::check(bytes)?;
        let mut decoder = decoder(plain(bytes, meter), bytes)?;
        let mut palette = None;
        if tag(&mut decoder, Tag::PhotometricInterpretation)? == Some(PALETTE) {
            palette = Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(refuse)?);
            let grey = patched(bytes, meter, true, None)?;
            decoder = self::decoder(grey, bytes)?;
        }
        Ok(Self { decoder, palette })
    }

    /// Splits uncompressed strips into short ones.
    fn cut(&mut self, bytes: &'a [u8], meter: &'a Meter) -> Result<(), DecodeError> {
        if let Some(cut) = bands::cut(&mut self.decoder)? {
            let cut = patched(bytes, meter, self.palette.is_some(), Some(&cut))?;
            self.decoder = decoder(cut, bytes)?;
        }
        Ok(())
    }

    fn pixels(&mut self) -> Result<Pixels, DecodeError> {
        let layout = self.decoder.image_buffer_layout().map_err(refuse)?;
        let is_float = layout.sample_format == tiff::tags::SampleFormat::IEEEFP;
        let color = self.decoder.colortype().map_err(refuse)?;
        let is_premultiplied = self.has_premultiplied_alpha()?;
        let size = self.decoder.dimensions().map_err(refuse)?;
        let palette = self.palette.as_deref();
        Pixels::new(color, is_float, is_premultiplied, palette, size.0)
    }

    fn orientation(&mut self) -> Result<Orientation, DecodeError> {
        let orientation = tag(&mut self.decoder, Tag::Orientation)?;
        let orientation = orientation.and_then(|value| u8::try_from(value).ok());
        let orientation = orientation.and_then(Orientation::from_exif);
        Ok(orientation.unwrap_or(Orientation::NoTransforms))
    }

    /// TIFF 6.0, section 18: extra samples of type 1 are premultiplied alpha.
    fn has_premultiplied_alpha(&mut self) -> Result<bool, DecodeError> {
        let kinds = self.decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples);
        Ok(kinds
            .map_err(refuse)?
            .is_some_and(|kinds| kinds.contains(&1)))
    }
}

fn decoder<'a>(file: Patched<'a>, bytes: &[u8]) -> Result<Decoder<Patched<'a>>, DecodeError> {
    let mut limits = Limits::default();
    limits.ifd_value_size = usize::try_from(SIDE_MEMORY).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = bytes.len();
    Decoder::new(file)
        .map(|decoder| decoder.with_limits(limits))
        .map_err(refuse)
}

fn tag(decoder: &mut Decoder<Patched>, tag: Tag) -> Result<Option<u16>, DecodeError> {
    decoder.find_tag_unsigned(tag).map_err(refuse)
}

fn refuse(error: TiffError) -> DecodeError {
    match error {
        TiffError::IoError(error) => DecodeError::of_io_error(Tiff, error),
        TiffError::UnsupportedError(error) => DecodeError::UnsupportedKind {
            media_type: Tiff,
            source: error.into(),
        },
        error => DecodeError::corrupt(Tiff, error),
    }
}
