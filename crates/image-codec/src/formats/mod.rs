//! The formats that are understood.

mod bmp;
mod gif;
mod jpeg;
mod png;
mod tiff;
mod webp;

use self::jpeg::Scale;
use domain::MediaType;
use image::{ImageDecoder, Limits, metadata::Orientation};

use crate::{flatten::flatten, meter::Meter, raster::Raster, refusal::Refusal};

/// Memory that a decoder may take beside its pixels, in bytes: tables, a colour profile, texts.
const SIDE_MEMORY: u64 = 16 * 1024 * 1024;

/// Bytes of a file that are walked through for one unit of work.
const BYTES_PER_UNIT: u64 = 64;

/// What a file's structure tells before any pixel is decoded.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) media_type: MediaType,
    /// Pixels across, as stored.
    pub(crate) width: u32,
    /// Pixels down, as stored.
    pub(crate) height: u32,
    /// How the stored pixels are to be turned.
    pub(crate) orientation: Orientation,
    /// Memory that decoding takes for pixels, in bytes.
    pub(crate) decode_bytes: u64,
    /// Units of work that decoding takes, as far as the structure tells.
    pub(crate) work: u64,
    /// Where in the file the picture ends. Cameras append things of their own.
    pub(crate) end: usize,
    /// The scale of a JPEG that jpeg-decoder decodes. Other decoders know only the full size.
    pub(crate) scale: Option<Scale>,
}

impl Header {
    /// The size of what is decoded, as stored: pixels across and down.
    pub(crate) fn decoded_size(&self) -> (u32, u32) {
        let scale = self.scale.unwrap_or(Scale::FULL);
        (scale.pixels(self.width), scale.pixels(self.height))
    }

    /// How much of what is decoded is the picture: at a reduced scale its last pixels go past the edge.
    pub(crate) fn decoded_extent(&self) -> (f64, f64) {
        let scale = self.scale.unwrap_or(Scale::FULL);
        (scale.extent(self.width), scale.extent(self.height))
    }
}

/// Walks through a file: finds what it is, that it is all there, and what decoding it will take for
/// a copy whose longest side is at most `max_side`.
pub(crate) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, Refusal> {
    meter.spend(bytes.len() as u64 / BYTES_PER_UNIT)?;
    let header = match sniff(bytes).ok_or(Refusal::UnknownFormat)? {
        MediaType::Jpeg => jpeg::inspect(bytes, max_side),
        MediaType::Png => png::inspect(bytes),
        MediaType::WebP => webp::inspect(bytes),
        MediaType::Gif => gif::inspect(bytes),
        MediaType::Bmp => bmp::inspect(bytes),
        MediaType::Tiff => tiff::inspect(bytes),
    }?;
    if header.width == 0 || header.height == 0 {
        return Err(Refusal::malformed(header.media_type, "it has no pixels"));
    }
    Ok(header)
}

/// Decodes the pixels of a file that has been inspected.
pub(crate) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, Refusal> {
    meter.spend(header.work)?;
    let bytes = bytes.get(..header.end).unwrap_or(bytes);
    match header.media_type {
        MediaType::Jpeg => jpeg::decode(bytes, header),
        MediaType::Png => png::decode(bytes, header),
        MediaType::WebP => webp::decode(bytes, header),
        MediaType::Gif => gif::decode(bytes, header),
        MediaType::Bmp => bmp::decode(bytes, header),
        MediaType::Tiff => tiff::decode(bytes, header),
    }
}

/// The picture of a JPEG in a file without metadata, where that needs no encoding.
pub(crate) fn without_metadata(jpeg: &[u8]) -> Option<Vec<u8>> {
    jpeg::bare(jpeg)
}

/// Tells the format by the first bytes of the file.
fn sniff(bytes: &[u8]) -> Option<MediaType> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some(MediaType::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(MediaType::Png),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some(MediaType::WebP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(MediaType::Gif),
        [b'B', b'M', ..] => Some(MediaType::Bmp),
        [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => {
            Some(MediaType::Tiff)
        }
        _ => None,
    }
}

/// Decodes with a decoder of the `image` crate, which must find the picture that the header promised.
fn decode_with(mut decoder: impl ImageDecoder, header: &Header) -> Result<Raster, Refusal> {
    let media_type = header.media_type;
    let refuse = |error| Refusal::of_image_error(media_type, error);
    if decoder.dimensions() != (header.width, header.height) {
        return Err(Refusal::malformed(media_type, "it has two sizes"));
    }
    decoder.set_limits(limits(header)).map_err(refuse)?;
    let color = decoder.color_type();
    let size = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(refuse)?;
    flatten(header.width, header.height, color, pixels)
}

/// What a decoder may take.
fn limits(header: &Header) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    limits.max_alloc = Some(header.decode_bytes.saturating_add(SIDE_MEMORY));
    limits
}

/// The orientation that EXIF data names, which some writers begin with `Exif\0\0` everywhere.
fn exif_orientation(exif: &[u8]) -> Option<Orientation> {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(exif)
}
