//! TIFF 6.0 and `BigTIFF`; of several pages the first is taken, but all must be there.

mod directory;
mod pages;
mod palette;
mod pixels;

use domain::MediaType::Tiff;
use image::metadata::Orientation;
use tiff::{
    TiffError,
    decoder::{BufferLayoutPreference, Decoder, Limits},
    tags::Tag,
};

use self::{palette::Patched, pixels::Pixels};
use super::{Header, SIDE_MEMORY};
use crate::{
    raster::{Raster, buffer_size},
    refusal::Refusal,
};

/// A page that is about to be decoded.
struct Page<'a> {
    decoder: Decoder<Patched<'a>>,
    palette: Option<Vec<u16>>,
}

pub(super) fn inspect(bytes: &[u8]) -> Result<Header, Refusal> {
    let mut page = Page::open(bytes)?;
    pages::check(&mut page.decoder, bytes)?;
    let (width, height) = page.decoder.dimensions().map_err(refuse)?;
    let layout = page.layout()?;
    let planes = if layout.planes > 1 { 2 } else { 1 };
    let decoded = (layout.complete_len as u64).saturating_mul(planes);
    Ok(Header {
        media_type: Tiff,
        width,
        height,
        orientation: page.orientation()?,
        // Palettes and packed bits are unpacked to as much as RGB.
        decode_bytes: decoded.saturating_add(buffer_size(width, height, 3)),
        work: 0,
        end: bytes.len(),
        scale: None,
    })
}

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Raster, Refusal> {
    let mut page = Page::open(bytes)?;
    let layout = page.layout()?;
    let color = page.decoder.colortype().map_err(refuse)?;
    let mut samples = vec![0; layout.complete_len];
    page.decoder
        .read_image_bytes(&mut samples)
        .map_err(refuse)?;
    let pixels = Pixels {
        width: header.width,
        height: header.height,
        color,
        is_float: layout.sample_format == tiff::tags::SampleFormat::IEEEFP,
        has_premultiplied_alpha: page.has_premultiplied_alpha()?,
        palette: page.palette,
        samples: pixels::interleaved(samples, &layout, color),
    };
    pixels.into_raster()
}

impl<'a> Page<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Refusal> {
        directory::check(bytes)?;
        let mut decoder = decoder(Patched::plain(bytes), bytes)?;
        let mut palette = None;
        if tag(&mut decoder, Tag::PhotometricInterpretation)? == Some(palette::PALETTE) {
            palette = Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(refuse)?);
            decoder = self::decoder(Patched::palette_as_grey(bytes)?, bytes)?;
        }
        Ok(Self { decoder, palette })
    }

    fn layout(&mut self) -> Result<BufferLayoutPreference, Refusal> {
        self.decoder.image_buffer_layout().map_err(refuse)
    }

    fn orientation(&mut self) -> Result<Orientation, Refusal> {
        let orientation = tag(&mut self.decoder, Tag::Orientation)?;
        let orientation = orientation.and_then(|value| u8::try_from(value).ok());
        let orientation = orientation.and_then(Orientation::from_exif);
        Ok(orientation.unwrap_or(Orientation::NoTransforms))
    }

    /// TIFF 6.0, section 18: extra samples of kind 1 are alpha that the colours hold already.
    fn has_premultiplied_alpha(&mut self) -> Result<bool, Refusal> {
        let kinds = self.decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples);
        Ok(kinds
            .map_err(refuse)?
            .is_some_and(|kinds| kinds.contains(&1)))
    }
}

fn decoder<'a>(file: Patched<'a>, bytes: &[u8]) -> Result<Decoder<Patched<'a>>, Refusal> {
    let mut limits = Limits::default();
    limits.ifd_value_size = usize::try_from(SIDE_MEMORY).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = bytes.len();
    Decoder::new(file)
        .map(|decoder| decoder.with_limits(limits))
        .map_err(refuse)
}

fn tag(decoder: &mut Decoder<Patched>, tag: Tag) -> Result<Option<u16>, Refusal> {
    decoder.find_tag_unsigned(tag).map_err(refuse)
}

fn refuse(error: TiffError) -> Refusal {
    match error {
        TiffError::IoError(error) => Refusal::of_io_error(Tiff, error),
        TiffError::UnsupportedError(error) => Refusal::UnsupportedKind {
            media_type: Tiff,
            source: error.into(),
        },
        error => Refusal::corrupt(Tiff, error),
    }
}
