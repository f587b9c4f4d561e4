//! Coded pictures: HEVC (ITU-T H.265), decoded by `heifer-hevc-dec`.
//!
//! The decoder's own loop over the units of a stream accepts any number of slices of the same place, each of which
//! may take as long as the whole picture. So that loop is here, where a picture's blocks are decoded once, and
//! where the meter can stop it.

use std::{borrow::Cow, mem, panic};

use domain::MediaType::Heic;
use heifer_hevc_dec::{
    Error,
    nal::{NalUnit, NalUnitType},
    params::{ParameterSets, Pps, Sps},
    recon::{Frame, Reconstructor},
    slice::SliceHeader,
    syntax::{CodingUnit, Picture, SaoParams, Sink, TransformBlock, decode_slice_segment},
};

use super::{items::malformed, rates, sequence};
use crate::{byte_reader::ByteReader, decode_error::DecodeError, meter::Meter, work};

/// The most columns and rows of tiles within a coded picture, of any level of the standard (table A.8).
const MOST_TILES: (u32, u32) = (20, 22);

/// The most slices of a coded picture. The highest level allows 600; the decoder counts up to 65,535.
const MOST_SLICES: usize = 4096;

/// The most parameter sets of a picture.
const MOST_SETS: usize = 64;

/// How many coding units are decoded between two looks at the meter.
const STRIDE: u32 = 64;

/// The decoder configuration of a picture (ISO/IEC 14496-15, section 8.3.3).
pub(super) struct Config<'a> {
    /// How many bytes tell the length of a unit.
    length_size: u8,
    units: Vec<&'a [u8]>,
}

impl<'a> Config<'a> {
    /// Reads a property `hvcC`.
    pub(super) fn read(content: &'a [u8], meter: &Meter) -> Result<Self, DecodeError> {
        let mut walk = ByteReader::new(Heic, content);
        if walk.u8()? != 1 {
            return Err(malformed(
                "its decoder configuration is of an unknown version",
            ));
        }
        walk.take(20)?;
        let length_size = (walk.u8()? & 3) + 1;
        let mut units = Vec::new();
        for _ in 0..walk.u8()? {
            let _kind = walk.u8()?;
            for _ in 0..walk.u16_be()? {
                meter.charge(work::CHUNK, 1)?;
                let length = walk.u16_be()?;
                units.push(walk.take(usize::from(length))?);
                check_sets(units.len())?;
            }
        }
        Ok(Self { length_size, units })
    }

    /// The parameters of the pictures with this configuration.
    pub(super) fn sps(&self, meter: &Meter) -> Result<Sps, DecodeError> {
        let mut sets = Sets::default();
        for unit in &self.units {
            sets.add(&parse(unit)?, meter)?;
        }
        let mut all = sets.known.sps.into_iter().flatten();
        let sps = all.next();
        sps.ok_or_else(|| DecodeError::unsupported(Heic, "its parameters are in its data"))
    }
}

fn check_sets(count: usize) -> Result<(), DecodeError> {
    if count > MOST_SETS {
        return Err(malformed("it has too many parameters"));
    }
    Ok(())
}

/// Parameter sets. Those of pictures were read with those of sequences, so none of these changes later.
#[derive(Default)]
struct Sets {
    known: ParameterSets,
    count: usize,
    has_pps: bool,
}

impl Sets {
    fn add(&mut self, unit: &NalUnit, meter: &Meter) -> Result<(), DecodeError> {
        let kind = unit.header.unit_type;
        let is_of_sequence = kind == NalUnitType::Sps;
        let is_of_picture = kind == NalUnitType::Pps;
        if !(is_of_sequence || is_of_picture) || unit.header.layer_id != 0 {
            return Ok(());
        }
        self.count += 1;
        check_sets(self.count)?;
        meter.charge(rates::HEVC_SET, 1)?;
        if is_of_sequence && self.has_pps {
            let sps = Sps::parse(&unit.rbsp).map_err(refusal)?;
            let known = self
                .known
                .sps
                .get(usize::from(sps.sps_seq_parameter_set_id));
            if known != Some(&Some(sps)) {
                return Err(malformed("its parameters change"));
            }
            return Ok(());
        }
        self.has_pps |= is_of_picture;
        self.known.add(unit).map_err(refusal)?;
        Ok(())
    }
}

/// Decodes a picture of a sequence like `expected`.
pub(super) fn decode(
    config: &Config,
    data: &[u8],
    expected: &Sps,
    meter: &Meter,
) -> Result<Frame, DecodeError> {
    let units = units(config, data, meter)?;
    let mut sets = Sets::default();
    for unit in units.iter().take_while(|unit| !is_slice(unit)) {
        sets.add(unit, meter)?;
    }
    let sets = sets.known;
    let slices = units.iter().filter(|unit| is_slice(unit));
    let mut slices = slices.peekable();
    let first = slices.peek().ok_or_else(|| malformed("it has no slices"))?;
    let header = SliceHeader::parse(&first.rbsp, &first.header, &sets, None).map_err(refusal)?;
    let number = header.slice_pic_parameter_set_id;
    let (pps, sps) = sets.get(usize::from(number)).map_err(refusal)?;
    if sps != expected {
        return Err(malformed("its parameters change"));
    }
    sequence::check(sps)?;
    check_tiles(pps)?;
    let mut picture = Decoding {
        sets: &sets,
        number,
        picture: Picture::new(sps, pps),
        target: Watched {
            target: Reconstructor::new(sps, pps),
            meter,
            blocks: 0,
            products: 0,
            left: STRIDE,
        },
        previous: None,
    };
    for (index, slice) in slices.enumerate() {
        meter.check()?;
        let is_first = slice.rbsp.first().is_some_and(|byte| byte & 0x80 != 0);
        if index > 0 && is_first {
            // Of another picture.
            break;
        }
        if index == MOST_SLICES {
            return Err(malformed("it has too many slices"));
        }
        picture.slice(slice)?;
    }
    picture.finish(sps)
}

fn check_tiles(pps: &Pps) -> Result<(), DecodeError> {
    let (most_columns, most_rows) = MOST_TILES;
    match &pps.tiles {
        Some(tiles) if tiles.num_columns > most_columns || tiles.num_rows > most_rows => {
            Err(malformed("it has too many tiles"))
        }
        _ => Ok(()),
    }
}

/// A picture that is being decoded.
struct Decoding<'a> {
    sets: &'a ParameterSets,
    /// Of the parameters of all slices.
    number: u8,
    picture: Picture<'a>,
    target: Watched<'a>,
    previous: Option<SliceHeader>,
}

impl Decoding<'_> {
    fn slice(&mut self, unit: &NalUnit) -> Result<(), DecodeError> {
        let previous = self.previous.as_ref();
        let header = SliceHeader::parse(&unit.rbsp, &unit.header, self.sets, previous);
        let header = header.map_err(refusal)?;
        let layout = &self.picture.layout;
        let place = layout.rs_to_ts.get(header.slice_segment_address as usize);
        // Each slice begins where the one before has ended.
        if place != Some(&self.picture.decoded_ctbs) {
            return Err(malformed("its slices are not in order"));
        }
        if header.slice_pic_parameter_set_id != self.number {
            return Err(malformed("its parameters change"));
        }
        self.target.target.start_slice(&header);
        let quality = header.slice_qp_y(self.sets).map_err(refusal)?;
        let data = unit.rbsp.get(header.header_size..).unwrap_or_default();
        decode_slice_segment(&mut self.picture, &header, quality, data, &mut self.target)
            .map_err(refusal)?;
        if let Some(error) = self.target.target.error.take() {
            return Err(refusal(error));
        }
        if !header.dependent_slice_segment_flag {
            self.previous = Some(header);
        }
        Ok(())
    }

    fn finish(mut self, sps: &Sps) -> Result<Frame, DecodeError> {
        if !self.picture.is_complete() {
            return Err(DecodeError::Truncated(Heic));
        }
        self.target.charge()?;
        let frame = self.target.target.finish(false);
        Ok(match sps.conf_win_offsets {
            [0, 0, 0, 0] => frame,
            _ => frame.cropped(sps),
        })
    }
}

/// Rebuilds the picture until the meter stops it.
struct Watched<'a> {
    target: Reconstructor<'a>,
    meter: &'a Meter,
    /// Transform blocks since the last look at the meter.
    blocks: u64,
    /// Multiplications for their coefficients.
    products: u64,
    /// Coding units until the next one.
    left: u32,
}

impl Sink for Watched<'_> {
    fn sao(&mut self, x: u32, y: u32, params: &SaoParams) {
        self.target.sao(x, y, params);
    }

    fn transform_block(&mut self, block: &TransformBlock<'_>) {
        self.blocks += 1;
        if block.coeffs.is_some() {
            self.products += products(block);
        }
        self.target.transform_block(block);
    }

    fn pcm(&mut self, x: u32, y: u32, log2_size: u8, samples: [&[u16]; 3]) {
        self.target.pcm(x, y, log2_size, samples);
    }

    fn coding_unit(&mut self, unit: &CodingUnit) {
        self.target.coding_unit(unit);
        self.left -= 1;
        if self.left == 0 {
            self.left = STRIDE;
            if self.charge().is_err() {
                // The decoder cannot be asked to stop. It is unwound, without a word of the panic hook, to where
                // panics of decoders are caught; there the meter is asked first.
                panic::resume_unwind(Box::new("stopped"));
            }
        }
    }
}

impl Watched<'_> {
    fn charge(&mut self) -> Result<(), DecodeError> {
        let (blocks, products) = (mem::take(&mut self.blocks), mem::take(&mut self.products));
        self.meter.charge(rates::HEVC_BLOCK, blocks)?;
        self.meter.charge(rates::HEVC_PRODUCT, products)
    }
}

/// Multiplications of the inverse transform of a block: first of its columns that are not empty, then of rows.
fn products(block: &TransformBlock) -> u64 {
    let side = 1 << block.log2_size;
    let (columns, rows) = block.coeff_bounds;
    side * u64::from(columns) * (u64::from(rows) + side)
}

/// The units of a picture: first those of its configuration. Those of other layers are left out.
fn units<'a>(
    config: &Config<'a>,
    data: &'a [u8],
    meter: &Meter,
) -> Result<Vec<NalUnit<'a>>, DecodeError> {
    let mut units = Vec::new();
    for unit in &config.units {
        units.push(parse(unit)?);
    }
    let mut walk = ByteReader::new(Heic, data);
    while !walk.rest().is_empty() {
        meter.charge(work::CHUNK, 1)?;
        let length = match config.length_size {
            1 => u32::from(walk.u8()?),
            2 => u32::from(walk.u16_be()?),
            4 => walk.u32_be()?,
            _ => return Err(malformed("its units have a length of three bytes")),
        };
        let unit = walk.take_u32(length)?;
        if !unit.is_empty() {
            let unit = parse(unit)?;
            if is_used(&unit) {
                units.push(unit);
            }
        }
    }
    Ok(units)
}

fn parse(unit: &[u8]) -> Result<NalUnit<'_>, DecodeError> {
    // Zeros may follow a unit.
    let end = unit
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    NalUnit::parse(unit.get(..end).unwrap_or_default()).map_err(refusal)
}

fn is_used(unit: &NalUnit) -> bool {
    let is_set = matches!(unit.header.unit_type, NalUnitType::Sps | NalUnitType::Pps);
    unit.header.layer_id == 0 && (is_set || is_slice(unit))
}

fn is_slice(unit: &NalUnit) -> bool {
    unit.header.layer_id == 0 && unit.header.unit_type.is_slice()
}

/// The decoder's error, in the codec's words.
fn refusal(error: Error) -> DecodeError {
    match error {
        Error::UnexpectedEof => DecodeError::Truncated(Heic),
        Error::Unimplemented(what) => DecodeError::unsupported(Heic, Cow::Borrowed(what)),
        error => DecodeError::corrupt(Heic, error),
    }
}
