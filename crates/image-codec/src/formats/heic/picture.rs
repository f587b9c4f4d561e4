//! The picture that a file shows: what it is made of, what it costs, and its rows.

use domain::MediaType::Heic;
use heifer_hevc_dec::{params::Sps, recon::Frame};

use super::{
    boxes::number,
    colour::{self, Coding, Converter},
    hevc::{self, Config},
    items::{Items, malformed},
    rates, sequence,
    turns::Turns,
};
use crate::{byte_reader::ByteReader, decode_error::DecodeError, meter::Meter, work};

/// What the property `auxC` of an opacity plane says.
const ALPHA: [&[u8]; 2] = [
    b"urn:mpeg:hevc:2015:auxid:1",
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
];

/// Coded pictures of the same size, side by side.
pub(super) struct Grid {
    /// Numbers of the items, row by row.
    tiles: Vec<u32>,
    columns: usize,
    /// Of a tile, in pixels.
    tile: (u32, u32),
    /// Of the whole, in pixels.
    size: (u32, u32),
    sps: Sps,
    /// Of all tiles.
    bytes: u64,
}

/// The picture that a file shows.
pub(super) struct Shown<'a> {
    items: &'a Items<'a>,
    colours: Grid,
    opacity: Option<Grid>,
    /// Whether colours are those over black already.
    is_premultiplied: bool,
    pub(super) turns: Turns,
}

impl Grid {
    fn read(items: &Items, number: u32, meter: &Meter) -> Result<Self, DecodeError> {
        let item = items.get(number)?;
        let said = items.property(item, *b"ispe").map(read_size).transpose()?;
        let said = said.ok_or_else(|| malformed("it does not tell its size"))?;
        let (tiles, columns, size) = match &item.kind {
            b"hvc1" | b"hev1" => (vec![number], 1, said),
            b"grid" => {
                let (columns, rows, size) = read_grid(&items.data(item)?)?;
                let tiles = items.referred(number, *b"dimg").to_vec();
                if tiles.len() != columns * rows {
                    return Err(malformed("it has another number of tiles"));
                }
                (tiles, columns, size)
            }
            kind => return Err(other_coding(*kind)),
        };
        if size != said {
            return Err(malformed("it has two sizes"));
        }
        Self::of_tiles(items, tiles, columns, size, meter)
    }

    fn of_tiles(
        items: &Items,
        tiles: Vec<u32>,
        columns: usize,
        size: (u32, u32),
        meter: &Meter,
    ) -> Result<Self, DecodeError> {
        let first = tiles.first().copied().unwrap_or_default();
        let (tile, config) = read_tile(items, first, columns > 1 || tiles.len() > 1)?;
        let sps = Config::read(config, meter)?.sps(meter)?;
        sequence::check(&sps)?;
        let coded = sequence::size(&sps);
        let rows = tiles.len() / columns;
        let across = u64::from(tile.0) * columns as u64;
        let down = u64::from(tile.1) * rows as u64;
        if coded.0 < tile.0
            || coded.1 < tile.1
            || u64::from(size.0) > across
            || u64::from(size.1) > down
        {
            return Err(malformed("it is larger than what it is made of"));
        }
        let mut bytes = 0_u64;
        for &number in &tiles {
            meter.charge(work::CHUNK, 1)?;
            bytes = bytes.saturating_add(items.length(items.get(number)?)?);
        }
        Ok(Self {
            tiles,
            columns,
            tile,
            size,
            sps,
            bytes,
        })
    }

    /// Units of work for decoding it.
    fn work(&self) -> u64 {
        let samples = sequence::sample_bytes(&self.sps) / 2;
        let samples = samples.saturating_mul(self.tiles.len() as u64);
        let bytes = rates::HEVC_BYTE.units(self.bytes);
        let tiles = rates::HEVC_PICTURE.units(self.tiles.len() as u64);
        rates::HEVC_SAMPLE
            .units(samples)
            .saturating_add(bytes)
            .saturating_add(tiles)
    }

    /// Memory for decoding it, in bytes: a row of tiles, and what the decoder needs for one.
    fn memory(&self) -> u64 {
        let row = sequence::sample_bytes(&self.sps).saturating_mul(self.columns as u64);
        row.saturating_add(sequence::decoder_bytes(&self.sps))
            .saturating_add(2 * self.bytes)
    }

    /// Decodes a row of tiles.
    fn row(&self, items: &Items, row: usize, meter: &Meter) -> Result<Vec<Frame>, DecodeError> {
        let tiles = self
            .tiles
            .iter()
            .skip(row * self.columns)
            .take(self.columns);
        let decode = |&number: &u32| {
            let item = items.get(number)?;
            let (tile, config) = read_tile(items, number, self.tiles.len() > 1)?;
            if tile != self.tile {
                return Err(malformed("its tiles have different sizes"));
            }
            let config = Config::read(config, meter)?;
            if config.sps(meter)? != self.sps {
                return Err(malformed("its tiles are coded in different ways"));
            }
            let data = items.data(item)?;
            hevc::decode(&config, &data, &self.sps, meter)
        };
        tiles.map(decode).collect()
    }
}

impl<'a> Shown<'a> {
    /// The primary item of a file.
    pub(super) fn read(items: &'a Items<'a>, meter: &Meter) -> Result<Self, DecodeError> {
        let colours = Grid::read(items, items.primary, meter)?;
        let mut turns = Turns::none(colours.size);
        for (kind, content) in items.properties(items.get(items.primary)?) {
            turns = turns.then(kind, content)?;
        }
        let opacity = opacity(items).map(|number| Grid::read(items, number, meter));
        let opacity = opacity.transpose()?;
        let is_same = |opacity: &Grid| opacity.size == colours.size && opacity.tile == colours.tile;
        if opacity.as_ref().is_some_and(|opacity| !is_same(opacity)) {
            return Err(DecodeError::unsupported(
                Heic,
                "its opacity has another size",
            ));
        }
        Ok(Self {
            items,
            is_premultiplied: !items.referred(items.primary, *b"prem").is_empty(),
            colours,
            opacity,
            turns,
        })
    }

    /// Of what is shown, as stored: width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.turns.area.width, self.turns.area.height)
    }

    pub(super) fn work(&self) -> u64 {
        let opacity = self.opacity.as_ref().map_or(0, Grid::work);
        self.colours.work().saturating_add(opacity)
    }

    pub(super) fn memory(&self) -> u64 {
        let opacity = self.opacity.as_ref().map_or(0, Grid::memory);
        self.colours.memory().saturating_add(opacity)
    }

    fn coding(&self) -> Coding {
        let said = of_whole_or_first(self.items, |item| colour::code_points(self.items, item));
        let said = said.map(|(_, coding)| coding);
        said.unwrap_or_else(|| colour::own_coding(&self.colours.sps))
    }

    /// Decodes it and gives away its rows, RGB over white, without what is cropped away.
    pub(super) fn rows(
        &self,
        meter: &Meter,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), DecodeError> {
        let sps = &self.colours.sps;
        let depths = [sps.bit_depth_luma, sps.bit_depth_chroma];
        let mut converter = Converter::new(self.coding(), depths, sps.chroma_array_type() == 0)?;
        let (tile_width, tile_height) = self.colours.tile;
        let area = self.turns.area;
        let mut pixels = Vec::new();
        let mut decoded: Option<(usize, Vec<Frame>, Vec<Frame>)> = None;
        for y in area.top..area.top + area.height {
            let (row, y) = ((y / tile_height) as usize, (y % tile_height) as usize);
            if decoded.as_ref().is_none_or(|(known, ..)| *known != row) {
                // Not two rows of tiles at once.
                drop(decoded.take());
                let opacity = self
                    .opacity
                    .as_ref()
                    .map(|grid| grid.row(self.items, row, meter));
                let opacity = opacity.transpose()?.unwrap_or_default();
                decoded = Some((row, self.colours.row(self.items, row, meter)?, opacity));
            }
            meter.check()?;
            let Some((_, colours, opacity)) = &decoded else {
                continue;
            };
            pixels.clear();
            let mut opacity = opacity.iter();
            for (frame, left) in colours.iter().zip((0..).step_by(tile_width as usize)) {
                let part = part(area.left, area.width, left, tile_width);
                let begin = pixels.len();
                converter.row(frame, y, part, &mut pixels);
                if pixels.len() != begin + 3 * part.1 {
                    return Err(malformed("its colours do not cover it"));
                }
                if let Some(frame) = opacity.next() {
                    let row = pixels.get_mut(begin..).unwrap_or_default();
                    self.blend(row, colour::opacity(frame, y, part));
                }
            }
            take(&pixels);
        }
        Ok(())
    }

    /// Puts pixels on white.
    fn blend(&self, row: &mut [u8], opacity: impl Iterator<Item = u8>) {
        for (pixel, opacity) in row.as_chunks_mut::<3>().0.iter_mut().zip(opacity) {
            *pixel = pixel.map(|sample| {
                if self.is_premultiplied {
                    sample.saturating_add(u8::MAX - opacity)
                } else {
                    over_white(sample, opacity)
                }
            });
        }
    }
}

/// What the primary item has, or if it is a grid its first tile.
pub(super) fn of_whole_or_first<T>(
    items: &Items,
    property: impl Fn(u32) -> Option<T>,
) -> Option<T> {
    let first = items.referred(items.primary, *b"dimg").first();
    property(items.primary).or_else(|| property(*first?))
}

/// The part of a tile that is shown: how far from its left side, and how wide.
fn part(left: u32, width: u32, tile_left: u32, tile_width: u32) -> (usize, usize) {
    let begin = left.max(tile_left);
    let end = (left + width).min(tile_left.saturating_add(tile_width));
    let skipped = begin.saturating_sub(tile_left);
    (skipped as usize, end.saturating_sub(begin) as usize)
}

/// The item with the opacity of the primary item.
fn opacity(items: &Items) -> Option<u32> {
    let is_alpha = |number: &u32| {
        let item = items.get(*number).ok();
        let kind = item.and_then(|item| items.property(item, *b"auxC"));
        let kind = kind
            .and_then(|content| content.get(4..))
            .unwrap_or_default();
        let kind = kind.split(|&byte| byte == 0).next().unwrap_or_default();
        ALPHA.contains(&kind)
    };
    items.referring(items.primary, *b"auxl").find(is_alpha)
}

/// The size of a tile, and its decoder configuration.
fn read_tile<'a>(
    items: &Items<'a>,
    number: u32,
    is_part: bool,
) -> Result<((u32, u32), &'a [u8]), DecodeError> {
    let item = items.get(number)?;
    if !matches!(&item.kind, b"hvc1" | b"hev1") {
        return Err(other_coding(item.kind));
    }
    let is_turned = |(kind, _)| matches!(&kind, b"clap" | b"irot" | b"imir");
    if is_part && items.properties(item).any(is_turned) {
        return Err(DecodeError::unsupported(Heic, "its tiles are turned"));
    }
    let size = items.property(item, *b"ispe").map(read_size).transpose()?;
    let size = size.ok_or_else(|| malformed("a tile does not tell its size"))?;
    let config = items.property(item, *b"hvcC");
    Ok((
        size,
        config.ok_or_else(|| malformed("its decoder configuration is missing"))?,
    ))
}

/// Reads a property `ispe`.
fn read_size(content: &[u8]) -> Result<(u32, u32), DecodeError> {
    let mut walk = ByteReader::new(Heic, content);
    let _version = walk.u32_be()?;
    let (width, height) = (walk.u32_be()?, walk.u32_be()?);
    if width == 0 || height == 0 {
        return Err(malformed("it has no pixels"));
    }
    Ok((width, height))
}

/// Reads the data of a grid: columns, rows, and its size in pixels.
fn read_grid(data: &[u8]) -> Result<(usize, usize, (u32, u32)), DecodeError> {
    let mut walk = ByteReader::new(Heic, data);
    let [version, flags, rows, columns] = walk.array()?;
    if version != 0 {
        return Err(DecodeError::unsupported(
            Heic,
            "its grid is of an unknown version",
        ));
    }
    let is_long = flags & 1 == 1;
    let size = (number(&mut walk, is_long)?, number(&mut walk, is_long)?);
    Ok((usize::from(columns) + 1, usize::from(rows) + 1, size))
}

/// The error for a picture that is not coded with HEVC.
fn other_coding(kind: [u8; 4]) -> DecodeError {
    let what = match &kind {
        b"av01" => "it is coded as AVIF",
        b"iovl" => "it is put together from pictures on top of each other",
        b"iden" => "it is derived from another picture",
        b"jpeg" => "it is coded as JPEG",
        _ => "it is not coded with HEVC",
    };
    DecodeError::unsupported(Heic, what)
}

/// A sample on white.
fn over_white(sample: u8, opacity: u8) -> u8 {
    let (sample, opacity) = (u32::from(sample), u32::from(opacity));
    let mixed = (sample * opacity + 255 * (255 - opacity) + 127) / 255;
    u8::try_from(mixed).unwrap_or(u8::MAX)
}
