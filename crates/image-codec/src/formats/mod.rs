//! The supported formats.

mod bmp;
mod foreign;
mod gif;
#[cfg(feature = "heic")]
mod heic;
#[cfg(not(feature = "heic"))]
#[path = "no_heic.rs"]
mod heic;
mod jpeg;
mod png;
mod tiff;
mod webp;

use self::jpeg::{Plan, Scale};
use domain::MediaType;
use image::{ColorType, ImageDecoder, Limits, metadata::Orientation};

use crate::{
    decode_error::DecodeError,
    flatten::Flattener,
    meter::Meter,
    panics::caught,
    raster::{Raster, buffer_size},
    reduce::{Boxes, Reducer},
    scale::fit,
    work,
};

/// Memory of a decoder besides its pixels, in bytes: tables, a colour profile, texts.
const SIDE_MEMORY: u64 = 16 * 1024 * 1024;

/// Longest side of a picture of any format, in pixels.
const MOST_SIDE: u32 = 65_535;

/// The structure of a file, known before any pixel is decoded.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) media_type: MediaType,
    /// Width in pixels, as stored.
    pub(crate) width: u32,
    /// Height in pixels, as stored.
    pub(crate) height: u32,
    /// How to rotate the stored pixels.
    pub(crate) orientation: Orientation,
    /// Peak memory until the copy is made, excluding the file and the copy, in bytes.
    pub(crate) decode_bytes: u64,
    /// Units of work for decoding, as far as the structure tells.
    pub(crate) work: u64,
    /// The end of the picture in the file. Cameras append data of their own.
    pub(crate) end: usize,
    /// The scale of a JPEG decoded by jpeg-decoder. Other decoders always decode the full size.
    pub(crate) scale: Option<Scale>,
    /// How to decode a JPEG.
    pub(crate) jpeg: Plan,
    /// The boxes averaged during decoding.
    pub(crate) boxes: Boxes,
}

impl Header {
    /// A picture of that size, decoded at full size and averaged during decoding. `decode_bytes` is the
    /// memory of its decoder.
    fn new(media_type: MediaType, (width, height): (u32, u32), max_side: u32) -> Self {
        Self {
            media_type,
            width,
            height,
            orientation: Orientation::NoTransforms,
            decode_bytes: 0,
            work: 0,
            end: usize::MAX,
            scale: None,
            jpeg: Plan::NONE,
            boxes: Boxes::for_copy(width, height, max_side),
        }
    }

    /// The decoded size, as stored: width and height in pixels.
    pub(crate) fn decoded_size(&self) -> (u32, u32) {
        let scale = self.scale.unwrap_or(Scale::FULL);
        let (width, height) = (scale.pixels(self.width), scale.pixels(self.height));
        self.boxes.reduced(width, height)
    }

    /// How much of the decoded pixels the picture covers: at a reduced scale the last ones extend past the
    /// edge.
    pub(crate) fn decoded_extent(&self) -> (f64, f64) {
        match self.scale {
            Some(scale) => (scale.extent(self.width), scale.extent(self.height)),
            None => self.boxes.extent(self.width, self.height),
        }
    }

    /// Adds the memory and the work of averaging and of the final filter.
    fn with_scaling(mut self, max_side: u32) -> Self {
        let (width, height) = self.decoded_size();
        let copy = fit(self.width, self.height, max_side);
        let filter = if (width, height) == copy {
            0
        } else {
            // Rows of the copy's width and the decoded height, and the weights: for each pixel of a side of
            // the copy those of the pixels around it, as floating-point numbers and as integers.
            let weights = u64::from(width) + u64::from(height) + 4 * u64::from(copy.0 + copy.1);
            buffer_size(copy.0, height, 3) + weights * 2 * WEIGHT
        };
        let averaged = match self.scale {
            Some(_) => 0,
            None => self.boxes.memory(self.width, self.height),
        };
        let bytes = averaged.saturating_add(filter);
        self.decode_bytes = self.decode_bytes.saturating_add(bytes);
        self.work = self
            .work
            .saturating_add(work::FILTER_PIXEL.units(u64::from(width) * u64::from(height)));
        self
    }
}

/// Bytes of a weight of the final filter.
const WEIGHT: u64 = 16;

/// Scans a file: detects its format, checks that it is complete, and computes the cost of decoding it to a
/// copy whose longest side is at most `max_side`.
pub(crate) fn inspect(bytes: &[u8], max_side: u32, meter: &Meter) -> Result<Header, DecodeError> {
    meter.charge(work::FILE_BYTE, bytes.len() as u64)?;
    if let Some(refusal) = foreign::picture(bytes) {
        return Err(refusal);
    }
    let media_type = sniff(bytes).filter(|_| !foreign::is_text(bytes));
    let media_type = media_type.ok_or_else(|| foreign::refusal(bytes))?;
    let header = guarded(media_type, meter, || match media_type {
        MediaType::Jpeg => jpeg::inspect(bytes, max_side, meter),
        MediaType::Png => png::inspect(bytes, max_side, meter),
        MediaType::WebP => webp::inspect(bytes, max_side, meter),
        MediaType::Gif => gif::inspect(bytes, max_side, meter),
        MediaType::Bmp => bmp::inspect(bytes, max_side),
        MediaType::Tiff => tiff::inspect(bytes, max_side, meter),
        MediaType::Heic => heic::inspect(bytes, max_side, meter),
    })?;
    if header.width == 0 || header.height == 0 {
        return Err(DecodeError::malformed(
            header.media_type,
            "it has no pixels",
        ));
    }
    check_sides((header.width, header.height))?;
    Ok(header.with_scaling(max_side))
}

/// Rejects a side that is too long. Formats call it before any work that grows with it.
fn check_sides((width, height): (u32, u32)) -> Result<(), DecodeError> {
    let (side, limit) = (width.max(height), MOST_SIDE);
    if side > limit {
        return Err(DecodeError::SideTooLong { side, limit });
    }
    Ok(())
}

/// Decodes the pixels of an inspected file.
pub(crate) fn decode(bytes: &[u8], header: &Header, meter: &Meter) -> Result<Raster, DecodeError> {
    meter.spend(header.work)?;
    let bytes = bytes.get(..header.end).unwrap_or(bytes);
    guarded(header.media_type, meter, || match header.media_type {
        MediaType::Jpeg => jpeg::decode(bytes, header, meter),
        MediaType::Png => png::decode(bytes, header, meter),
        MediaType::WebP => webp::decode(bytes, header, meter),
        MediaType::Gif => gif::decode(bytes, header, meter),
        MediaType::Bmp => bmp::decode(bytes, header, meter),
        MediaType::Tiff => tiff::decode(bytes, header, meter),
        MediaType::Heic => heic::decode(bytes, header, meter),
    })
}

/// Attributes any error while a client's file is processed to the file, including panics of a decoder.
///
/// If the meter stopped the decoder's source, the meter's error takes precedence.
fn guarded<T>(
    media_type: MediaType,
    meter: &Meter,
    work: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let done = caught(work).unwrap_or_else(|panic| Err(DecodeError::corrupt(media_type, panic)));
    meter.check()?;
    done
}

/// A JPEG file without metadata, if that needs no re-encoding.
pub(crate) fn without_metadata(jpeg: &[u8]) -> Option<Vec<u8>> {
    jpeg::bare(jpeg)
}

/// Detects the format from the first bytes of the file.
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
        _ => foreign::is_heic(bytes).then_some(MediaType::Heic),
    }
}

/// Decodes with a decoder of the `image` crate, whose size must match the header.
fn decode_with(
    mut decoder: impl ImageDecoder,
    header: &Header,
    meter: &Meter,
) -> Result<Raster, DecodeError> {
    let media_type = header.media_type;
    let refuse = |error| DecodeError::of_image_error(media_type, error);
    if decoder.dimensions() != (header.width, header.height) {
        return Err(DecodeError::malformed(media_type, "it has two sizes"));
    }
    decoder.set_limits(limits(header)).map_err(refuse)?;
    let color = decoder.color_type();
    let size = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(refuse)?;
    let mut rows = Rows::new(header, color)?;
    let length = header.width as usize * usize::from(color.bytes_per_pixel());
    for row in pixels.chunks_exact(length) {
        meter.check()?;
        rows.row(row);
    }
    rows.finish()
}

/// The limits of a decoder.
fn limits(header: &Header) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    limits.max_alloc = Some(header.decode_bytes.saturating_add(SIDE_MEMORY));
    limits
}

/// Receives decoded rows from the top, flattens and averages them.
struct Rows {
    flattener: Flattener,
    reducer: Reducer,
}

impl Rows {
    fn new(header: &Header, color: ColorType) -> Result<Self, DecodeError> {
        let flattener = Flattener::new(color)?;
        let size = (header.width, header.height);
        let reducer = Reducer::new(header.boxes, size, flattener.channels());
        Ok(Self { flattener, reducer })
    }

    /// For bottom-up rows.
    fn from_bottom(header: &Header, color: ColorType) -> Result<Self, DecodeError> {
        let mut rows = Self::new(header, color)?;
        rows.reducer.turn();
        Ok(rows)
    }

    /// Adds a row of pixels as decoded by the `image` crate.
    fn row(&mut self, row: &[u8]) {
        self.reducer.row(self.flattener.row(row));
    }

    fn finish(self) -> Result<Raster, DecodeError> {
        self.reducer.finish()
    }
}

/// The orientation in EXIF data, which some writers prefix with `Exif\0\0` in any format.
fn exif_orientation(exif: &[u8]) -> Option<Orientation> {
    tiff::orientation(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// The EXIF data of a HEIC file.
pub(crate) fn heic_exif(file: &[u8]) -> Option<&[u8]> {
    foreign::is_heic(file).then(|| heic::exif(file))?
}

/// The colour profile of a HEIC file.
pub(crate) fn heic_profile(file: &[u8]) -> Option<&[u8]> {
    foreign::is_heic(file).then(|| heic::profile(file))?
}

/// The number of the primaries of a HEIC file (ITU-T H.273).
pub(crate) fn heic_primaries(file: &[u8]) -> Option<u16> {
    foreign::is_heic(file).then(|| heic::primaries(file))?
}

/// The colour profile of a TIFF file.
pub(crate) fn tiff_profile(file: &[u8]) -> Option<&[u8]> {
    tiff::profile(file)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use domain::ports::CallContext;
    use image::{ImageFormat, RgbImage};

    use super::*;

    /// A file of each format.
    fn files() -> Vec<(&'static str, Vec<u8>)> {
        let picture = RgbImage::from_fn(600, 300, |x, y| {
            image::Rgb([x, y, x * y].map(|sample| sample.to_le_bytes()[0]))
        });
        let of = |format| {
            let mut file = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut file, format).unwrap();
            file.into_inner()
        };
        vec![
            ("jpeg", of(ImageFormat::Jpeg)),
            ("png", of(ImageFormat::Png)),
            ("webp", of(ImageFormat::WebP)),
            ("gif", of(ImageFormat::Gif)),
            ("bmp", of(ImageFormat::Bmp)),
            ("tiff", of(ImageFormat::Tiff)),
            #[cfg(feature = "heic")]
            (
                "heic",
                include_bytes!("../../tests/samples/heic-grid.heic").to_vec(),
            ),
        ]
    }

    #[test]
    fn work_stops_in_every_format_when_the_caller_has_gone() {
        for (name, file) in files() {
            let unbounded = Meter::new(u64::MAX, None, CallContext::local());
            let header = inspect(&file, 100, &unbounded).unwrap();
            assert!(decode(&file, &header, &unbounded).is_ok(), "{name}");
            let looks = AtomicU32::new(0);
            let leaves =
                CallContext::cancelled_when(move || looks.fetch_add(1, Ordering::Relaxed) >= 2);
            let meter = Meter::new(u64::MAX, None, leaves);
            let stopped = decode(&file, &header, &meter);
            assert!(matches!(stopped, Err(DecodeError::Cancelled)), "{name}");
        }
    }

    #[test]
    fn inspecting_counts_as_work() {
        for (name, file) in files() {
            let meter = Meter::new(0, None, CallContext::local());
            let refused = inspect(&file, 100, &meter);
            assert!(
                matches!(refused, Err(DecodeError::TooComplex { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn panic_is_an_error_of_the_file() {
        let meter = Meter::new(1, None, CallContext::local());
        let work = || -> Result<(), DecodeError> { panic!("a decoder's bug") };
        let refused = guarded(MediaType::Tiff, &meter, work);
        assert!(matches!(refused, Err(DecodeError::Corrupt { .. })));
    }
}
