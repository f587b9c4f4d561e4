//! Writers of files, most of them designed to be expensive.

use image::{RgbImage, imageops};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zlib_rs::{Deflate, DeflateFlush, Status, crc32::crc32};

use crate::samples::PHOTOS;

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";

/// Bits, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.held |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.held.to_le_bytes()[0]);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    fn align(&mut self) {
        self.put(0, (8 - self.count) % 8);
    }
}

/// Compresses consecutive parts.
pub(super) fn compressed<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut deflate = Deflate::new(1, true, 15);
    let (mut data, mut room) = (Vec::new(), vec![0; 1 << 16]);
    let mut put = |deflate: &mut Deflate, mut part: &[u8], flush| {
        loop {
            let (read, written) = (deflate.total_in(), deflate.total_out());
            let status = deflate.compress(part, &mut room, flush).unwrap();
            let written = usize::try_from(deflate.total_out() - written).unwrap();
            data.extend(&room[..written]);
            part = &part[usize::try_from(deflate.total_in() - read).unwrap()..];
            if status == Status::StreamEnd || part.is_empty() && flush != DeflateFlush::Finish {
                return;
            }
        }
    };
    for part in parts {
        put(&mut deflate, part, DeflateFlush::NoFlush);
    }
    put(&mut deflate, &[], DeflateFlush::Finish);
    data
}

/// `count` zeros, compressed.
pub(super) fn zeros(count: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 16];
    compressed(std::iter::repeat_n(&zeros[..], count >> 16))
}

/// `count` bytes of a pattern.
pub(super) fn fill(count: usize) -> Vec<u8> {
    vec![7; count]
}

fn chunk(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let checked = [&kind, body].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[..], &checked, &crc32(0, &checked).to_be_bytes()].concat()
}

fn ihdr(width: u32, height: u32, depth: u8, colour: u8, is_interlaced: bool) -> Vec<u8> {
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let rest = [depth, colour, 0, 0, is_interlaced.into()];
    chunk(*b"IHDR", &[&sides[..], &rest].concat())
}

/// A PNG of one colour, whose rows all have the most expensive filter.
pub(super) fn png(width: u32, height: u32, depth: u8, colour: u8, is_interlaced: bool) -> Vec<u8> {
    let samples = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let bits = width as usize * samples * usize::from(depth);
    let row = [&[4][..], &vec![0; bits.div_ceil(8)]].concat();
    let data = compressed(std::iter::repeat_n(&row[..], height as usize));
    let mut file = PNG.to_vec();
    file.extend(ihdr(width, height, depth, colour, is_interlaced));
    if colour == 3 {
        file.extend(chunk(*b"PLTE", &[9; 768]));
        file.extend(chunk(*b"tRNS", &[99; 256]));
    }
    file.extend(chunk(*b"IDAT", &data));
    file.extend(chunk(*b"IEND", &[]));
    file
}

/// An RGB PNG with extra chunks before its pixels, and extra data after them.
pub(super) fn png_of(
    width: u32,
    height: u32,
    chunks: &[([u8; 4], Vec<u8>)],
    more: &[u8],
) -> Vec<u8> {
    let pixels = vec![0; (1 + 3 * width as usize) * height as usize];
    let mut file = [PNG, &ihdr(width, height, 8, 2, false)].concat();
    for (kind, body) in chunks {
        file.extend(chunk(*kind, body));
    }
    let data = compressed([&pixels[..], more].into_iter());
    file.extend(chunk(*b"IDAT", &data));
    file.extend(chunk(*b"IEND", &[]));
    file
}

/// An interlaced PNG: the filters of all rows are 0, so the passes need no boundaries.
pub(super) fn adam7(side: u32) -> Vec<u8> {
    let length = 3 * u64::from(side) * u64::from(side) + 8 * u64::from(side);
    let data = zeros(usize::try_from(length).unwrap() + (1 << 16));
    let mut file = [PNG, &ihdr(side, side, 8, 2, true)].concat();
    file.extend(chunk(*b"IDAT", &data));
    file.extend(chunk(*b"IEND", &[]));
    file
}

/// Incompressible noise.
pub(super) fn noise_png(side: u32) -> Vec<u8> {
    let pixels = RgbImage::from_fn(side, side, |x, y| {
        let noise = (x.wrapping_mul(0x9E37_79B1) ^ y).wrapping_mul(0x85EB_CA77);
        let [a, b, c, _] = (noise ^ noise >> 15)
            .wrapping_mul(0xC2B2_AE3D)
            .to_le_bytes();
        image::Rgb([a, b, c])
    });
    crate::samples::encoded(pixels, image::ImageFormat::Png)
}

/// Deflated zeros after empty blocks with tables of their own.
pub(super) fn deflated_blocks(zeros: u16, blocks: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.bytes.extend(b"\x78\x01");
    for _ in 0..blocks {
        empty_block(&mut bits);
    }
    bits.put(1, 1);
    bits.put(0, 2);
    bits.align();
    let mut data = bits.bytes;
    data.extend([zeros.to_le_bytes(), (!zeros).to_le_bytes()].concat());
    data.extend(vec![0; zeros.into()]);
    let checksum = u32::from(zeros) << 16 | 1;
    data.extend(checksum.to_be_bytes());
    data
}

/// RFC 1951, section 3.2.7: minimal tables, and the end of the block.
fn empty_block(bits: &mut Bits) {
    bits.put(0, 1);
    bits.put(2, 2);
    bits.put(0, 5);
    bits.put(0, 5);
    // The code lengths of code lengths: 18 has one bit, 0 and 1 have two.
    bits.put(18 - 4, 4);
    for length in [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2] {
        bits.put(length, 3);
    }
    // The code 0, 254 unused codes, the code 256; one distance code.
    bits.put(3, 2);
    for run in [138, 117] {
        bits.put(0, 1);
        bits.put(run - 11, 7);
    }
    bits.put(3, 2);
    bits.put(3, 2);
    bits.put(1, 1);
}

/// A PNG with that many blocks of data.
pub(super) fn tiny_blocks(blocks: u32) -> Vec<u8> {
    let mut file = [PNG, &ihdr(64, 64, 8, 2, false)].concat();
    file.extend(chunk(*b"IDAT", &deflated_blocks(64 * 193, blocks)));
    file.extend(chunk(*b"IEND", &[]));
    file
}

/// A chunk, padded to an even length.
fn riff(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let padding = vec![0; body.len() % 2];
    [&kind[..], &length, body, &padding].concat()
}

/// A WebP of frames in frames.
pub(super) fn nested_frames(depth: usize) -> Vec<u8> {
    let header = [0, 0, 0, 0, 0, 0, 15, 0, 0, 15, 0, 0, 0, 0, 0, 0];
    let mut frames = Vec::new();
    for level in (0..depth).rev() {
        let length = u32::try_from(16 + 24 * level + 16).unwrap();
        frames.extend(b"ANMF");
        frames.extend(length.to_le_bytes());
        frames.extend(header);
    }
    frames.extend(riff(*b"ABCD", &[0; 8]));
    let canvas = riff(*b"VP8X", &[2, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
    let body = [&b"WEBP"[..], &canvas, &riff(*b"ANIM", &[0; 6]), &frames].concat();
    riff(*b"RIFF", &body)
}

/// A lossless WebP of 16 by 16 pixels, with that many groups of prefix codes, at least 256 and a multiple
/// of that. Each group has a code of 2,048 symbols for green, and takes some fifty bytes of the file.
pub(super) fn webp_of_groups(groups: u32) -> Vec<u8> {
    let bits = lossless_of_groups(Bits::default(), groups);
    let header = [0x2F, 15, 0xC0, 3, 0];
    let body = [&header[..], &bits.bytes].concat();
    riff(*b"RIFF", &[&b"WEBP"[..], &riff(*b"VP8L", &body)].concat())
}

/// A lossy WebP of 16 by 16 pixels with such alpha, in a frame or alone. The pixels themselves are missing.
pub(super) fn webp_with_alpha_of_groups(groups: u32, is_in_frame: bool) -> Vec<u8> {
    let bits = lossless_of_groups(Bits::default(), groups);
    let alpha = riff(*b"ALPH", &[&[1][..], &bits.bytes].concat());
    let pixels = riff(*b"VP8 ", &[0, 0, 0, 0x9D, 1, 0x2A, 16, 0, 16, 0]);
    let mut picture = [alpha, pixels].concat();
    let flags = if is_in_frame { 0x12 } else { 0x10 };
    if is_in_frame {
        let header = [0, 0, 0, 0, 0, 0, 15, 0, 0, 15, 0, 0, 0, 0, 0, 0];
        let frame = riff(*b"ANMF", &[&header[..], &picture].concat());
        picture = [riff(*b"ANIM", &[0; 6]), frame].concat();
    }
    let canvas = riff(*b"VP8X", &[flags, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
    let body = [&b"WEBP"[..], &canvas, &picture].concat();
    riff(*b"RIFF", &body)
}

/// A bitstream without transforms, with a cache of 2,048 colours, whose blocks all use the last group.
fn lossless_of_groups(mut bits: Bits, groups: u32) -> Bits {
    bits.put(0, 1);
    bits.put(1, 1);
    bits.put(11, 4);
    // Blocks of four by four pixels; the image of groups has no cache, and one value.
    bits.put(1, 1);
    bits.put(0, 3);
    bits.put(0, 1);
    for symbol in [255, groups / 256 - 1, 0, 0] {
        // A simple code of one symbol of eight bits.
        bits.put(0b101, 3);
        bits.put(symbol, 8);
    }
    bits.put(0b0001, 4);
    for _ in 0..groups {
        for length in [11, 8, 8, 8, 5] {
            uniform_code(&mut bits, length);
        }
    }
    // All pixels are the first symbol, which is black.
    for _ in 0..16 * 16 * 5 {
        bits.put(0, 8);
    }
    bits.align();
    bits
}

/// A code of lossless WebP whose first symbols, as many as possible, have that length.
fn uniform_code(bits: &mut Bits, length: u32) {
    bits.put(0, 1);
    // The lengths use a code of one symbol, and so take no bits.
    let order = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11];
    bits.put(15 - 4, 4);
    for symbol in order {
        bits.put(u32::from(symbol == length), 3);
    }
    // A number of twelve bits is their count.
    bits.put(1, 1);
    bits.put(5, 3);
    bits.put((1 << length) - 2, 12);
}

fn bmp(side: u32, bits: u16, compression: u32, palette: &[u8], pixels: &[u8]) -> Vec<u8> {
    let start = u32::try_from(54 + palette.len()).unwrap();
    let mut file = b"BM".to_vec();
    for field in [0, 0, start, 40, side, side] {
        file.extend(field.to_le_bytes());
    }
    file.extend([1_u16.to_le_bytes(), bits.to_le_bytes()].concat());
    for field in [compression, 0, 0, 0, 0, 0] {
        file.extend(field.to_le_bytes());
    }
    [&file, palette, pixels].concat()
}

pub(super) fn bmp_of_bits(side: u32) -> Vec<u8> {
    let row = (side as usize).div_ceil(32) * 4;
    bmp(
        side,
        1,
        0,
        &[1, 2, 3, 0, 4, 5, 6, 0],
        &vec![0xAA; row * side as usize],
    )
}

/// Rows of as few runs as possible.
pub(super) fn bmp_runs(side: u32) -> Vec<u8> {
    let (whole, rest) = (side as usize / 255, u8::try_from(side % 255).unwrap());
    let row = [&[255, 7].repeat(whole)[..], &[rest, 8, 0, 0]].concat();
    let pixels = [&row.repeat(side as usize)[..], &[0, 1]].concat();
    bmp(side, 8, 1, &[5; 1024], &pixels)
}

/// A classic file of one page; all values of a list have one type, 3 or 4.
fn page(data: &[u8], entries: &[(u16, u16, Vec<u32>)]) -> Vec<u8> {
    let mut file = [&b"II*\0\0\0\0\0"[..], data].concat();
    file.resize(file.len().next_multiple_of(2), 0);
    let mut directory = u16::try_from(entries.len()).unwrap().to_le_bytes().to_vec();
    for (tag, kind, values) in entries {
        let bytes: Vec<u8> = match kind {
            3 => (values.iter())
                .flat_map(|&value| u16::try_from(value).unwrap().to_le_bytes())
                .collect(),
            _ => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        };
        directory.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        directory.extend(u32::try_from(values.len()).unwrap().to_le_bytes());
        if bytes.len() <= 4 {
            let mut value = bytes;
            value.resize(4, 0);
            directory.extend(value);
        } else {
            directory.extend(u32::try_from(file.len()).unwrap().to_le_bytes());
            file.extend(bytes);
        }
    }
    let place = u32::try_from(file.len()).unwrap();
    file[4..8].copy_from_slice(&place.to_le_bytes());
    [&file[..], &directory, &[0; 4]].concat()
}

/// A grey TIFF with samples of that many bits, whose strips are all the same one, deflated.
pub(super) fn tiff(width: u32, height: u32, bits: u32, strip: &[u8], rows: u32) -> Vec<u8> {
    let data = compressed([strip].into_iter());
    shared_strips(width, height, bits, 8, &data, rows)
}

/// A grey TIFF of one strip of the given deflated data.
pub(super) fn tiff_deflated(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    shared_strips(width, height, 8, 8, data, height)
}

/// A black-and-white TIFF of one uncompressed strip.
pub(super) fn tiff_of_one_strip(side: u32) -> Vec<u8> {
    let data = vec![0xAA; (side as usize).div_ceil(8) * side as usize];
    shared_strips(side, side, 1, 1, &data, side)
}

fn shared_strips(
    width: u32,
    height: u32,
    bits: u32,
    compression: u32,
    data: &[u8],
    rows: u32,
) -> Vec<u8> {
    let count = height.div_ceil(rows) as usize;
    page(
        data,
        &[
            (256, 4, vec![width]),
            (257, 4, vec![height]),
            (258, 3, vec![bits]),
            (259, 3, vec![compression]),
            (262, 3, vec![1]),
            (273, 4, vec![8; count]),
            (277, 3, vec![1]),
            (278, 4, vec![rows]),
            (279, 4, vec![u32::try_from(data.len()).unwrap(); count]),
        ],
    )
}

/// A TIFF of that many strips of one row, with the given tables.
pub(super) fn tiff_of_jpegs(strips: u32, tables: &[u8]) -> Vec<u8> {
    let frame = [0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0];
    let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0x3F, 0, 0];
    let jpeg = [&[0xFF, 0xD8][..], &frame, &scan, &[0xFF, 0xD9]].concat();
    let length = u32::try_from(jpeg.len()).unwrap();
    let bytes = tables.iter().map(|&byte| u32::from(byte));
    let mut file = page(
        &jpeg,
        &[
            (256, 4, vec![1]),
            (257, 4, vec![strips]),
            (258, 3, vec![8]),
            (259, 3, vec![7]),
            (262, 3, vec![1]),
            (273, 4, vec![8; strips as usize]),
            (277, 3, vec![1]),
            (278, 4, vec![1]),
            (279, 4, vec![length; strips as usize]),
            // Longs, whose type is corrected below.
            (347, 4, bytes.collect()),
        ],
    );
    let end = file.len();
    let place = u32::try_from(end).unwrap().to_le_bytes();
    let entry = end - 4 - 12;
    file[entry + 2..entry + 4].copy_from_slice(&7_u16.to_le_bytes());
    file[entry + 8..entry + 12].copy_from_slice(&place);
    file.extend(tables);
    file
}

/// A chain of pages whose directories start four bytes apart, each with that many entries.
pub(super) fn overlapping_pages(pages: u32, entries: u16) -> Vec<u8> {
    let mut file = tiff(8, 8, 8, &[0; 64], 8);
    let end = file.len();
    let start = u32::try_from(end).unwrap();
    file[end - 4..].copy_from_slice(&start.to_le_bytes());
    // All entries have a type and a length that are skipped; the last one is followed by the offset of the
    // next page.
    let length = usize::from(entries) * 12 + 6;
    file.resize(end + length, 0);
    file[end..end + 2].copy_from_slice(&entries.to_le_bytes());
    let mut at = end + length - 4;
    for page in 1..pages {
        let next = end + 14 * page as usize;
        file.resize(file.len().max(next + length), 0);
        file[next..next + 2].copy_from_slice(&entries.to_le_bytes());
        file[at..at + 4].copy_from_slice(&u32::try_from(next).unwrap().to_le_bytes());
        at = next + length - 4;
    }
    file
}

/// Tiles of 16 by 16 pixels, with red, green and blue in separate planes.
pub(super) fn tiled_planes(
    width: u32,
    height: u32,
    pixel: impl Fn(u32, u32) -> [u8; 3],
) -> Vec<u8> {
    let (across, down) = (width.div_ceil(16), height.div_ceil(16));
    let mut data = Vec::new();
    for plane in 0..3 {
        for tile in 0..across * down {
            for place in 0..256 {
                let (x, y) = (
                    tile % across * 16 + place % 16,
                    tile / across * 16 + place / 16,
                );
                data.push(if x < width && y < height {
                    pixel(x, y)[plane]
                } else {
                    0xEE
                });
            }
        }
    }
    let tiles = 3 * across * down;
    page(
        &data,
        &[
            (256, 4, vec![width]),
            (257, 4, vec![height]),
            (258, 3, vec![8; 3]),
            (259, 3, vec![1]),
            (262, 3, vec![2]),
            (277, 3, vec![3]),
            (284, 3, vec![2]),
            (322, 3, vec![16]),
            (323, 3, vec![16]),
            (324, 4, (0..tiles).map(|tile| 8 + 256 * tile).collect()),
            (325, 4, vec![256; tiles as usize]),
        ],
    )
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length[..], body].concat()
}

/// A frame header of one component.
fn frame(marker: u8, side: u32) -> Vec<u8> {
    let side = u16::try_from(side).unwrap().to_be_bytes();
    segment(marker, &[&[8][..], &side, &side, &[1, 1, 0x11, 0]].concat())
}

/// Tables with one code each: for DC the difference 0, for AC the end of a band of 2^14 blocks and more.
fn one_code_each() -> Vec<u8> {
    let quantisation = segment(0xDB, &[&[0][..], &[1; 64]].concat());
    let codes = |class: u8, symbol: u8| {
        let mut counts = [0; 16];
        counts[0] = 1;
        segment(0xC4, &[&[class][..], &counts, &[symbol]].concat())
    };
    [quantisation, codes(0, 0), codes(0x10, 0xE0)].concat()
}

/// A grey progressive JPEG of that many scans after the first.
pub(super) fn progressive(side: u32, scans: usize) -> Vec<u8> {
    let blocks = (side as usize).div_ceil(8).pow(2);
    let mut file = [&[0xFF, 0xD8][..], &one_code_each(), &frame(0xC2, side)].concat();
    file.extend(segment(0xDA, &[1, 1, 0, 0, 0, 0]));
    file.extend(vec![0; blocks.div_ceil(8)]);
    // A run of 32,767 blocks takes 15 bits; one past the last block does no harm.
    let mut data = Vec::new();
    for _ in 0..blocks.div_ceil(16_384) {
        data.extend([0, 0]);
    }
    for number in 0..scans {
        let bits = if number == 0 { 1 } else { 0x10 };
        file.extend(segment(0xDA, &[1, 1, 0, 1, 63, bits]));
        file.extend(&data);
    }
    file.extend([0xFF, 0xD9]);
    file
}

/// A progressive JPEG of three whole components.
pub(super) fn progressive_frame(side: u32) -> Vec<u8> {
    let side = u16::try_from(side).unwrap().to_be_bytes();
    let components = [1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
    let frame = segment(0xC2, &[&[8][..], &side, &side, &[3], &components].concat());
    let mut file = [&[0xFF, 0xD8][..], &one_code_each(), &frame].concat();
    file.extend(segment(0xDA, &[3, 1, 0, 2, 0, 3, 0, 0, 0, 0]));
    file.extend([0, 0xFF, 0xD9]);
    file
}

/// A JPEG of one colour, 4:2:0.
pub(super) fn flat_jpeg(side: u32, is_progressive: bool) -> Vec<u8> {
    let pixels = vec![99; 3 * side as usize * side as usize];
    jpeg(&pixels, (side, side), is_progressive.then_some(4))
}

/// A photograph enlarged to that size, progressive, in about that many scans.
pub(super) fn photo_in_scans(width: u32, height: u32, scans: u8) -> Vec<u8> {
    let photo = image::load_from_memory(PHOTOS[2]).unwrap().into_rgb8();
    let photo = imageops::resize(&photo, width, height, imageops::FilterType::Nearest);
    jpeg(photo.as_raw(), (width, height), Some(scans))
}

fn jpeg(pixels: &[u8], (width, height): (u32, u32), scans: Option<u8>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    if let Some(scans) = scans {
        encoder.set_progressive(true);
        encoder.set_progressive_scans(scans);
    }
    let (width, height) = (width.try_into().unwrap(), height.try_into().unwrap());
    encoder
        .encode(pixels, width, height, ColorType::Rgb)
        .unwrap();
    file
}
