//! The segments that a JPEG file consists of.

use domain::MediaType::Jpeg;
use image::metadata::Orientation;

use crate::{formats::exif_orientation, refusal::Refusal, walk::Walk};

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
const APP1: u8 = 0xE1;
pub(super) const TEM: u8 = 0x01;

/// Most scans of a file. Usual encoders write ten; each costs a walk through all blocks, and thousands
/// that hold next to nothing fit into a small file.
const MAX_SCANS: usize = 100;

/// What the walk through a file found.
#[derive(Debug)]
pub(super) struct Segments {
    frame: Option<Frame>,
    pub(super) orientation: Orientation,
    /// Where the data of the last scan ends.
    pub(super) data_end: usize,
    /// The components that each scan holds.
    scans: Vec<Vec<u8>>,
}

/// A frame header.
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
}

impl Segments {
    /// Walks from the first byte to the end mark.
    pub(super) fn walk(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut walk = Walk::new(Jpeg, bytes);
        let mut segments = Self {
            frame: None,
            orientation: Orientation::NoTransforms,
            data_end: 0,
            scans: Vec::new(),
        };
        loop {
            match next_marker(&mut walk)? {
                EOI => return segments.checked(),
                SOI | TEM | RST_FIRST..=RST_LAST => {}
                marker => segments.read(marker, &mut walk)?,
            }
        }
    }

    /// The frame header, which every picture has.
    pub(super) fn frame(&self) -> Result<&Frame, Refusal> {
        let missing = || Refusal::malformed(Jpeg, "it has no frame header");
        self.frame.as_ref().ok_or_else(missing)
    }

    /// Whether one component follows the other, in scans of their own, each at its full quality.
    pub(super) fn is_in_parts(&self, frame: &Frame) -> bool {
        let first = self.scans.first().map_or(0, Vec::len);
        !frame.is_progressive && first != frame.components.len()
    }

    fn read(&mut self, marker: u8, walk: &mut Walk) -> Result<(), Refusal> {
        let length = walk.u16_be()?;
        let body = usize::from(length).checked_sub(2);
        let body = body.ok_or(Refusal::malformed(Jpeg, "a segment has no length"))?;
        let body = Walk::new(Jpeg, walk.take(body)?);
        match marker {
            DHT | JPG | DAC => {}
            SOF_FIRST..=SOF_LAST => self.read_frame(marker, body)?,
            SOS => {
                if self.scans.len() == MAX_SCANS {
                    return Err(Refusal::unsupported(Jpeg, "so many scans"));
                }
                self.scans.push(components_of_scan(body)?);
                skip_data(walk)?;
                self.data_end = walk.position();
            }
            APP1 => self.read_app1(body.rest()),
            _ => {}
        }
        Ok(())
    }

    fn read_frame(&mut self, marker: u8, mut body: Walk) -> Result<(), Refusal> {
        match marker - SOF_FIRST {
            0..=2 => {}
            3 | 11 => return Err(Refusal::unsupported(Jpeg, "lossless coding")),
            9.. => return Err(Refusal::unsupported(Jpeg, "arithmetic coding")),
            _ => return Err(Refusal::unsupported(Jpeg, "hierarchical coding")),
        }
        let bits = body.u8()?;
        if bits != 8 {
            return Err(Refusal::unsupported(Jpeg, "more than 8 bits a sample"));
        }
        let (height, width) = (body.u16_be()?.into(), body.u16_be()?.into());
        let mut components = Vec::new();
        for _ in 0..body.u8()? {
            let [id, sampling, _quantisation] = body.array()?;
            let sampling = (u64::from(sampling >> 4), u64::from(sampling & 15));
            components.push(Component { id, sampling });
        }
        self.frame.get_or_insert(Frame {
            width,
            height,
            is_progressive: marker == SOF_FIRST + 2,
            components,
        });
        Ok(())
    }

    fn read_app1(&mut self, body: &[u8]) {
        let is_exif = body.starts_with(b"Exif\0\0");
        if let (true, Some(orientation)) = (is_exif, exif_orientation(body)) {
            self.orientation = orientation;
        }
    }

    /// Whether each component has a scan: one that has not would be grey.
    fn checked(self) -> Result<Self, Refusal> {
        let is_there = |component: &Component| {
            let mut scans = self.scans.iter();
            scans.any(|scan| scan.contains(&component.id))
        };
        if self.frame()?.components.iter().all(is_there) {
            Ok(self)
        } else {
            Err(Refusal::Truncated(Jpeg))
        }
    }
}

impl Frame {
    /// Whether every decoder takes it: grey, or three colours with the usual sampling.
    pub(super) fn is_common(&self) -> bool {
        matches!(self.components.len(), 1 | 3) && !self.is_oddly_sampled()
    }

    pub(super) fn components(&self) -> usize {
        self.components.len()
    }

    /// Samples of all components, with those that fill up the last blocks.
    pub(super) fn samples(&self) -> u64 {
        let (across, down) = self.max_sampling();
        let samples = |component: &Component| {
            let width = u64::from(self.width).div_ceil(8 * across) * 8 * component.sampling.0;
            let height = u64::from(self.height).div_ceil(8 * down) * 8 * component.sampling.1;
            width.saturating_mul(height)
        };
        self.components.iter().map(samples).sum()
    }

    /// Samples of all components in a row of blocks, of as many rows where a component has more.
    pub(super) fn samples_of_row(&self) -> u64 {
        let (_, down) = self.max_sampling();
        let rows = u64::from(self.height).div_ceil(8 * down);
        self.samples() / rows.max(1)
    }

    /// Memory for the coefficients that are kept, in bytes: all of them when a component's data come
    /// in more than one scan.
    pub(super) fn coefficient_bytes(&self) -> u64 {
        if self.is_progressive {
            2 * self.samples()
        } else {
            0
        }
    }

    /// Whether anything but the first component (grey, luminance, cyan) and black has more samples
    /// than the fewest, or one of these two has not the most.
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

/// Passes the next marker. Markers may be filled up with `FF` in front.
pub(super) fn next_marker(walk: &mut Walk) -> Result<u8, Refusal> {
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

fn components_of_scan(mut body: Walk) -> Result<Vec<u8>, Refusal> {
    let count = body.u8()?;
    (0..count)
        .map(|_| body.array().map(|[id, _tables]| id))
        .collect()
}

/// Passes a scan's entropy-coded data, up to the marker that is not a part of them.
pub(super) fn skip_data<'a>(walk: &mut Walk<'a>) -> Result<&'a [u8], Refusal> {
    let (all, begin) = (walk.rest(), walk.position());
    loop {
        let rest = walk.rest();
        let next = memchr::memchr(0xFF, rest).ok_or(Refusal::Truncated(Jpeg))?;
        match rest.get(next + 1) {
            None => return Err(Refusal::Truncated(Jpeg)),
            Some(0 | RST_FIRST..=RST_LAST) => walk.take(next + 2)?,
            Some(_) => {
                walk.take(next)?;
                let data = all.get(..walk.position() - begin);
                return Ok(data.unwrap_or_default());
            }
        };
    }
}
