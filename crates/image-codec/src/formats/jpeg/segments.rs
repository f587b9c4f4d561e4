//! Scans the segments of a JPEG file.

use domain::MediaType::Jpeg;
use image::metadata::Orientation;
use jpeg_decoder::ColorTransform;

use super::scale::Scale;
use crate::{
    byte_reader::ByteReader,
    decode_error::DecodeError,
    formats::exif_orientation,
    meter::Meter,
    work::{self, Rate},
};

// ITU-T T.81, table B.1.
pub(super) const SOF_FIRST: u8 = 0xC0;
pub(super) const SOF_LAST: u8 = 0xCF;
const DHT: u8 = 0xC4;

pub(super) const JPG: u8 = 0xC8;
const DAC: u8 = 0xCC;
pub(super) const RST_FIRST: u8 = 0xD0;
pub(super) const RST_LAST: u8 = 0xD7;
pub(super) const SOI: u8 = 0xD8;
pub(super) const EOI: u8 = 0xD9;
pub(super) const SOS: u8 = 0xDA;
pub(super) const DQT: u8 = 0xDB;
pub(super) const DNL: u8 = 0xDC;
pub(super) const DRI: u8 = 0xDD;
pub(super) const APP0: u8 = 0xE0;
const APP_FIRST: u8 = APP0;
const APP1: u8 = 0xE1;
pub(super) const APP14: u8 = 0xEE;
const APP_LAST: u8 = 0xEF;
const COM: u8 = 0xFE;
/// The frame header of JPEG-LS (ITU-T T.87).
const JPEG_LS: u8 = 0xF7;
pub(super) const TEM: u8 = 0x01;

/// The signature of Adobe's segment; two bytes of version, four of flags and the transform follow.
pub(super) const ADOBE: &[u8] = b"Adobe";
pub(super) const ADOBE_TRANSFORM: usize = 11;

/// Length of Adobe's segment, and of JFIF's, as far as they matter.
const ADOBE_LENGTH: usize = 12;
const JFIF_LENGTH: usize = 14;

/// The result of the scan.
#[derive(Debug)]
pub(super) struct Segments {
    frame: Option<Frame>,
    /// Of the first EXIF data, which are the ones that count.
    orientation: Option<Orientation>,
    is_jfif: bool,
    /// The transform in Adobe's segment.
    adobe: Option<u8>,
    /// Whether there is anything between segments, or in them, that the decoders refuse and libjpeg skips.
    pub(super) is_irregular: bool,
    /// Whether the end marker is missing.
    pub(super) has_no_end: bool,
    /// The end of the last scan's data.
    pub(super) data_end: usize,
    /// Components in the first scan.
    in_first_scan: usize,
    costs: Costs,
}

/// The cost of decoding.
#[derive(Debug, Default)]
struct Costs {
    /// Bytes of segments that the decoders keep.
    kept: u64,
    /// In picoseconds.
    work: u64,
}

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    is_progressive: bool,
    components: Vec<Component>,
}

#[derive(Debug)]
struct Component {
    id: u8,
    /// Samples across and down, relative to those of the other components.
    sampling: (u64, u64),
    has_scan: bool,
    /// How many low bits of each coefficient are still to come, in a progressive file.
    left: [u8; 64],
}

impl Segments {
    /// Scans from the first byte to the end marker, or to the end of the file: whether all pixels are there
    /// is then found by decoding.
    pub(super) fn walk(bytes: &[u8], meter: &Meter) -> Result<Self, DecodeError> {
        let mut walk = ByteReader::new(Jpeg, bytes);
        let mut segments = Self::new();
        loop {
            meter.charge(work::CHUNK, 1)?;
            let (rest, before) = (walk.rest(), walk.position());
            let is_first = before == 0;
            let marker = next_marker(&mut walk);
            let between = rest.get(..(walk.position() - before).saturating_sub(1));
            segments.is_irregular |= between.is_some_and(|bytes| bytes.iter().any(|b| *b != 0xFF));
            let read = match marker {
                Ok(EOI) => return segments.checked(),
                Ok(SOI | TEM | RST_FIRST..=RST_LAST) => {
                    segments.is_irregular |= !is_first;
                    Ok(())
                }
                Ok(marker) => segments.read(marker, &mut walk),
                Err(ended) => Err(ended),
            };
            match read {
                Err(DecodeError::Truncated(_)) if segments.data_end > 0 => {
                    segments.has_no_end = true;
                    return segments.checked();
                }
                read => read?,
            }
        }
    }

    /// Scans tables shared by other streams, which have no end marker.
    pub(super) fn walk_tables(bytes: &[u8], meter: &Meter) -> Result<Self, DecodeError> {
        let mut walk = ByteReader::new(Jpeg, bytes);
        let mut segments = Self::new();
        while walk.rest().len() > 2 {
            meter.charge(work::CHUNK, 1)?;
            match next_marker(&mut walk) {
                Ok(SOI | TEM | EOI | RST_FIRST..=RST_LAST) | Err(_) => {}
                Ok(marker) => segments.read(marker, &mut walk)?,
            }
        }
        Ok(segments)
    }

    fn new() -> Self {
        Self {
            frame: None,
            orientation: None,
            is_jfif: false,
            adobe: None,
            is_irregular: false,
            has_no_end: false,
            data_end: 0,
            in_first_scan: 0,
            costs: Costs::default(),
        }
    }

    /// The frame header, if any.
    pub(super) fn any_frame(&self) -> Option<&Frame> {
        self.frame.as_ref()
    }

    /// Units of work for the segments and scans, at any scale.
    pub(super) fn work(&self) -> u64 {
        self.costs.work.div_ceil(1_000_000)
    }

    /// How the picture is to be turned.
    pub(super) fn orientation(&self) -> Orientation {
        self.orientation.unwrap_or(Orientation::NoTransforms)
    }

    /// Memory of segments that the decoders keep, in bytes.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.costs.kept
    }

    /// Memory of the copy that the decoders are given, if they need one, in bytes.
    pub(super) fn cleaned_bytes(&self) -> u64 {
        if self.is_irregular {
            self.data_end as u64
        } else {
            0
        }
    }

    /// The frame header, which every picture has.
    pub(super) fn frame(&self) -> Result<&Frame, DecodeError> {
        let missing = || DecodeError::malformed(Jpeg, "it has no frame header");
        self.frame.as_ref().ok_or_else(missing)
    }

    /// Whether the components are in separate scans, each at full quality.
    pub(super) fn is_in_parts(&self, frame: &Frame) -> bool {
        !frame.is_progressive && self.in_first_scan != frame.components.len()
    }

    fn read(&mut self, marker: u8, walk: &mut ByteReader) -> Result<(), DecodeError> {
        let length = walk.u16_be()?;
        let body = match usize::from(length).checked_sub(2) {
            Some(body) => walk.take(body)?,
            None if is_side(marker) => {
                self.is_irregular = true;
                &[]
            }
            None => return Err(DecodeError::malformed(Jpeg, "a segment has no length")),
        };
        let body = ByteReader::new(Jpeg, body);
        let length = u64::from(length);
        match marker {
            DHT | DQT => self.costs.add(work::JPEG_TABLE_BYTE, length),
            JPG | DAC => {}
            JPEG_LS => return Err(DecodeError::unsupported(Jpeg, "JPEG-LS")),
            SOF_FIRST..=SOF_LAST => self.read_frame(marker, body)?,
            SOS => self.read_scan(body, walk)?,
            APP0 => self.is_jfif |= is_jfif(body.rest()),
            APP1 => self.read_app1(body.rest()),
            APP14 => self.read_adobe(body.rest()),
            _ => {}
        }
        self.costs.add(work::JPEG_SEGMENT, 1);
        self.costs.add(work::FILE_BYTE, length);
        if (APP_FIRST..=APP_LAST).contains(&marker) {
            self.costs.kept += length;
        }
        Ok(())
    }

    fn read_scan(
        &mut self,
        mut body: ByteReader,
        walk: &mut ByteReader,
    ) -> Result<(), DecodeError> {
        let missing = DecodeError::malformed(Jpeg, "it has no frame header");
        let frame = self.frame.as_mut().ok_or(missing)?;
        let scan = Scan::read(&mut body)?;
        if self.in_first_scan == 0 {
            self.in_first_scan = scan.components.len();
        }
        for component in &mut frame.components {
            if scan.components.contains(&component.id) {
                component.has_scan = true;
                scan.note(&mut component.left);
            }
        }
        let before = walk.position();
        let restarts = skip_data(walk);
        self.data_end = walk.position();
        self.costs.add(frame.rate(&scan), frame.blocks(&scan));
        self.costs.add(work::JPEG_SCAN, 1);
        self.costs.add(work::JPEG_RESTART, restarts);
        self.costs
            .add(work::JPEG_DATA_BYTE, (self.data_end - before) as u64);
        Ok(())
    }

    fn read_frame(&mut self, marker: u8, mut body: ByteReader) -> Result<(), DecodeError> {
        match marker - SOF_FIRST {
            0..=2 => {}
            3 | 11 => return Err(DecodeError::unsupported(Jpeg, "lossless coding")),
            9.. => return Err(DecodeError::unsupported(Jpeg, "arithmetic coding")),
            _ => return Err(DecodeError::unsupported(Jpeg, "hierarchical coding")),
        }
        let bits = body.u8()?;
        if bits != 8 {
            return Err(DecodeError::unsupported(Jpeg, "more than 8 bits a sample"));
        }
        let (height, width) = (body.u16_be()?.into(), body.u16_be()?.into());
        let mut components = Vec::new();
        for _ in 0..body.u8()? {
            let [id, sampling, _quantisation] = body.array()?;
            let sampling = (u64::from(sampling >> 4), u64::from(sampling & 15));
            components.push(Component {
                id,
                sampling,
                has_scan: false,
                left: [u8::MAX; 64],
            });
        }
        let frame = Frame {
            width,
            height,
            is_progressive: marker == SOF_FIRST + 2,
            components,
        };
        match self.frame.replace(frame) {
            None => Ok(()),
            Some(_) => Err(DecodeError::malformed(Jpeg, "it has two frame headers")),
        }
    }

    fn read_app1(&mut self, body: &[u8]) {
        if body.starts_with(b"Exif\0\0") && self.orientation.is_none() {
            let orientation = exif_orientation(body);
            self.orientation = Some(orientation.unwrap_or(Orientation::NoTransforms));
        }
    }

    fn read_adobe(&mut self, body: &[u8]) {
        if !body.starts_with(ADOBE) {
            return;
        }
        let transform = body.get(ADOBE_TRANSFORM).copied();
        // The decoders refuse a segment that is too short, and transforms that do not exist.
        self.is_irregular |= transform.is_none_or(|transform| transform > 2);
        if body.len() >= ADOBE_LENGTH {
            self.adobe = transform;
        }
    }

    /// The meaning of the components, as libjpeg finds it.
    pub(super) fn transform(&self, frame: &Frame) -> ColorTransform {
        match (frame.components.len(), self.adobe) {
            (1, _) => ColorTransform::Grayscale,
            (3, _) if self.is_jfif => ColorTransform::YCbCr,
            (3, Some(0)) => ColorTransform::RGB,
            (3, None) if frame.is_named_rgb() => ColorTransform::RGB,
            (4, Some(1..)) => ColorTransform::YCCK,
            (4, _) => ColorTransform::CMYK,
            _ => ColorTransform::YCbCr,
        }
    }

    /// Whether zune-jpeg finds another meaning.
    pub(super) fn is_misread(&self, frame: &Frame) -> bool {
        let meaning = self.transform(frame);
        let adobe = if self.is_irregular {
            // Those of the cleaned copy.
            None
        } else {
            self.adobe
        };
        let read = match (frame.components.len(), adobe) {
            (3, _) if frame.is_named_rgb() => ColorTransform::RGB,
            (3, Some(0)) => ColorTransform::RGB,
            (3, Some(2)) => return true,
            (4, Some(2)) => ColorTransform::YCCK,
            (4, _) => ColorTransform::CMYK,
            (3, _) => ColorTransform::YCbCr,
            _ => return false,
        };
        let is_declared = self.is_irregular && !frame.is_named_rgb();
        read != meaning && !is_declared
    }

    /// Checks that each component has a scan: otherwise it would be grey.
    fn checked(self) -> Result<Self, DecodeError> {
        let frame = self.frame()?;
        // Without its end marker nothing else tells that a progressive file is all there.
        let is_coarse = |component: &Component| {
            self.has_no_end && frame.is_progressive && component.left.iter().any(|left| *left > 0)
        };
        let mut components = frame.components.iter();
        if components.all(|component| component.has_scan && !is_coarse(component)) {
            Ok(self)
        } else {
            Err(DecodeError::Truncated(Jpeg))
        }
    }
}

impl Costs {
    fn add(&mut self, rate: Rate, count: u64) {
        self.work = self.work.saturating_add(rate.picoseconds(count));
    }
}

impl Frame {
    /// Whether every decoder supports it: grey, or three colours with common sampling.
    pub(super) fn is_common(&self) -> bool {
        matches!(self.components.len(), 1 | 3) && !self.is_oddly_sampled()
    }

    /// Whether the components are named R, G, B.
    fn is_named_rgb(&self) -> bool {
        let names = self.components.iter().map(|component| component.id);
        names.eq(*b"RGB")
    }

    pub(super) fn components(&self) -> usize {
        self.components.len()
    }

    /// Samples of all components, block padding included.
    pub(super) fn samples(&self) -> u64 {
        let samples = self
            .components
            .iter()
            .map(|component| self.samples_of(component));
        samples.sum()
    }

    fn samples_of(&self, component: &Component) -> u64 {
        let (across, down) = self.max_sampling();
        let width = u64::from(self.width).div_ceil(8 * across) * 8 * component.sampling.0;
        let height = u64::from(self.height).div_ceil(8 * down) * 8 * component.sampling.1;
        width.saturating_mul(height)
    }

    /// The blocks covered by a scan.
    fn blocks(&self, scan: &Scan) -> u64 {
        let ids = scan.components.iter();
        let component = |id: &u8| self.components.iter().find(|component| component.id == *id);
        ids.filter_map(component)
            .map(|component| self.samples_of(component) / 64)
            .sum()
    }

    /// Units of work for reconstructing the pixels.
    pub(super) fn pixel_work(&self, scale: Option<Scale>) -> u64 {
        let scale = scale.unwrap_or(Scale::FULL);
        let pixels = scale.samples(self.samples());
        let shown = u64::from(scale.pixels(self.width)) * u64::from(scale.pixels(self.height));
        work::JPEG_SAMPLE.units(pixels) + work::JPEG_PIXEL.units(shown)
    }

    /// The cost of a block in a scan, besides its data.
    fn rate(&self, scan: &Scan) -> Rate {
        match (self.is_progressive, scan.is_refinement, scan.first) {
            (false, ..) => work::JPEG_BLOCK,
            (true, _, 0) => work::JPEG_DC_BLOCK,
            (true, false, _) => work::JPEG_AC_BLOCK,
            (true, true, _) => work::JPEG_REFINED_BLOCK,
        }
    }

    /// Samples of all components in a row of blocks (MCU row).
    pub(super) fn samples_of_row(&self) -> u64 {
        let (_, down) = self.max_sampling();
        let rows = u64::from(self.height).div_ceil(8 * down);
        self.samples() / rows.max(1)
    }

    /// Memory of retained coefficients, in bytes: all of them if a component is spread over several scans.
    pub(super) fn coefficient_bytes(&self) -> u64 {
        if self.is_progressive {
            2 * self.samples()
        } else {
            0
        }
    }

    /// Whether any component except the first (grey, luminance, cyan) and black has more samples than the
    /// fewest, or one of these two has not the most.
    pub(super) fn is_oddly_sampled(&self) -> bool {
        let most = self.max_sampling();
        let mut components = self.components.iter().enumerate();
        components.any(|(number, component)| match number {
            0 | 3 => component.sampling != most,
            _ => component.sampling != (1, 1),
        })
    }

    fn max_sampling(&self) -> (u64, u64) {
        let sampling = || self.components.iter().map(|component| component.sampling);
        let across = sampling().map(|(across, _)| across).max();
        let down = sampling().map(|(_, down)| down).max();
        (across.unwrap_or(1).max(1), down.unwrap_or(1).max(1))
    }
}

/// Skips to the next marker, which may be padded with `FF`.
pub(super) fn next_marker(walk: &mut ByteReader) -> Result<u8, DecodeError> {
    loop {
        while walk.u8()? != 0xFF {}
        let mut code = 0xFF;
        while code == 0xFF {
            code = walk.u8()?;
        }
        if code != 0 {
            return Ok(code);
        }
    }
}

struct Scan {
    components: Vec<u8>,
    /// The first coefficient, in zigzag order.
    first: u8,
    last: u8,
    /// How many low bits are still to come.
    left: u8,
    /// Whether it refines coefficients of earlier scans.
    is_refinement: bool,
}

impl Scan {
    fn read(body: &mut ByteReader) -> Result<Self, DecodeError> {
        let count = body.u8()?;
        let ids = (0..count).map(|_| body.array().map(|[id, _tables]| id));
        let components = ids.collect::<Result<_, _>>()?;
        // Some writers omit these in files that are not progressive.
        let [first, last, bits] = body.array().unwrap_or_default();
        Ok(Self {
            components,
            first,
            last,
            left: bits & 15,
            is_refinement: bits >> 4 != 0,
        })
    }

    /// Notes what it brings of a component.
    fn note(&self, left: &mut [u8; 64]) {
        let (first, last) = (usize::from(self.first), usize::from(self.last));
        let covered = left.iter_mut().take(last + 1).skip(first);
        covered.for_each(|left| *left = self.left);
    }
}

/// Whether a segment tells nothing about the pixels, so that libjpeg skips it also where its length is wrong.
fn is_side(marker: u8) -> bool {
    matches!(marker, APP_FIRST..=APP_LAST | COM)
}

fn is_jfif(body: &[u8]) -> bool {
    body.len() >= JFIF_LENGTH && body.starts_with(b"JFIF\0")
}

/// Skips a scan's entropy-coded data, up to the next marker that is not part of them, or to the end of the
/// file; returns the number of restarts.
pub(super) fn skip_data(walk: &mut ByteReader) -> u64 {
    let mut restarts = 0;
    loop {
        let rest = walk.rest();
        let next = memchr::memchr(0xFF, rest);
        let count = match next.map(|next| (next, rest.get(next + 1))) {
            None => rest.len(),
            Some((next, Some(0))) => next + 2,
            Some((next, Some(RST_FIRST..=RST_LAST))) => {
                restarts += 1;
                next + 2
            }
            // The first half of something, or a marker.
            Some((next, _)) => next,
        };
        let is_data = next.is_some_and(|next| next < count);
        if walk.take(count).is_err() || !is_data {
            return restarts;
        }
    }
}
