//! The product of what a TIFF file may be: each shows the scene. The files are written here, by a writer that
//! shares nothing with the decoder but the compression.

use domain::ports::CodecError;
use image::Rgb;
use weezl::{BitOrder, encode::Configuration};

use crate::samples::{decode, difference, refusal, scene};

const WIDTH: u32 = 37;
const HEIGHT: u32 = 21;

/// What a pixel is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Colour {
    White0,
    Black0,
    Rgb,
    Palette,
    Cmyk,
}

/// How the file is written.
#[derive(Debug, Clone)]
struct Kind {
    colour: Colour,
    bits: usize,
    /// `ExtraSamples`.
    extras: Vec<u16>,
    is_planar: bool,
    /// Width and height of tiles, or 0 and the rows of a strip.
    part: (u32, u32),
    compression: u16,
    predictor: u16,
    is_bit_reversed: bool,
    is_big_endian: bool,
}

impl Kind {
    fn plain(colour: Colour, bits: usize) -> Self {
        Self {
            colour,
            bits,
            extras: vec![],
            is_planar: false,
            part: (0, 8),
            compression: 1,
            predictor: 1,
            is_bit_reversed: false,
            is_big_endian: false,
        }
    }

    fn colours(&self) -> usize {
        match self.colour {
            Colour::Rgb => 3,
            Colour::Cmyk => 4,
            _ => 1,
        }
    }

    fn samples(&self) -> usize {
        self.colours() + self.extras.len()
    }

    fn most(&self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The samples of a pixel.
    fn pixel(&self, x: u32, y: u32) -> Vec<u32> {
        let Rgb(rgb) = *scene(WIDTH, HEIGHT).get_pixel(x, y);
        let scaled = |sample: u8| (u32::from(sample) * self.most() + 127) / 255;
        let grey = rgb[0];
        let mut pixel = match self.colour {
            Colour::Black0 => vec![scaled(grey)],
            Colour::White0 => vec![scaled(255 - grey)],
            Colour::Rgb => rgb.map(scaled).to_vec(),
            Colour::Palette => vec![(x + y) & self.most()],
            Colour::Cmyk => [255 - rgb[0], 255 - rgb[1], 255 - rgb[2], 0]
                .map(scaled)
                .to_vec(),
        };
        for kind in &self.extras {
            pixel.push(match kind {
                // Wholly opaque, so that premultiplied colours are the same.
                1 | 2 => self.most(),
                _ => (x * 5 + y * 3) & self.most(),
            });
        }
        pixel
    }

    /// What must be shown.
    fn shown(&self, x: u32, y: u32) -> [u8; 3] {
        let level =
            |sample: u32| u8::try_from((sample * 255 + self.most() / 2) / self.most()).unwrap();
        let pixel = self.pixel(x, y);
        match self.colour {
            Colour::Black0 => [level(pixel[0]); 3],
            Colour::White0 => [255 - level(pixel[0]); 3],
            Colour::Rgb => [0, 1, 2].map(|channel| level(pixel[channel])),
            Colour::Palette => palette(pixel[0]),
            Colour::Cmyk => [0, 1, 2].map(|channel| 255 - level(pixel[channel])),
        }
    }

    fn expected(&self) -> Vec<u8> {
        let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        pixels.flat_map(|(x, y)| self.shown(x, y)).collect()
    }

    /// A row of a strip or tile, packed. Tiles stick out: what is beyond the picture is noise.
    fn row(&self, left: u32, y: u32, width: u32, samples: std::ops::Range<usize>) -> Vec<u8> {
        let noise = |x: u32| vec![x.wrapping_mul(77) & self.most(); self.samples()];
        let pixels = (left..left + width).map(|x| {
            if x < WIDTH && y < HEIGHT {
                self.pixel(x, y)
            } else {
                noise(x)
            }
        });
        let mut row: Vec<u32> = pixels
            .flat_map(|pixel| pixel[samples.clone()].to_vec())
            .collect();
        if self.predictor == 2 {
            let stride = samples.len();
            for at in (stride..row.len()).rev() {
                row[at] = row[at].wrapping_sub(row[at - stride]) & self.most();
            }
        }
        match self.bits {
            16 => row
                .iter()
                .flat_map(|sample| self.short(u16::try_from(*sample).unwrap()))
                .collect(),
            bits => {
                let bits_of = |sample: u32| (0..bits).rev().map(move |bit| sample >> bit & 1);
                let all: Vec<u32> = row.into_iter().flat_map(bits_of).collect();
                let byte = |bits: &[u32]| {
                    let byte = bits.iter().fold(0, |byte, bit| byte << 1 | bit);
                    u8::try_from(byte << (8 - bits.len())).unwrap()
                };
                all.chunks(8).map(byte).collect()
            }
        }
    }

    fn short(&self, value: u16) -> [u8; 2] {
        if self.is_big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    fn long(&self, value: u32) -> [u8; 4] {
        if self.is_big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    fn compressed(&self, data: &[u8]) -> Vec<u8> {
        let mut data = match self.compression {
            5 => Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
                .build()
                .encode(data)
                .unwrap(),
            8 => deflated(data),
            32_773 => data
                .chunks(100)
                .flat_map(|part| [&[u8::try_from(part.len() - 1).unwrap()], part].concat())
                .collect(),
            _ => data.to_vec(),
        };
        if self.is_bit_reversed {
            turn_bits(&mut data);
        }
        data
    }

    /// The strips or tiles.
    fn parts(&self) -> Vec<Vec<u8>> {
        let (width, rows) = match self.part {
            (0, rows) => (WIDTH, rows),
            tile => tile,
        };
        let of_plane = if self.is_planar { 1 } else { self.samples() };
        let planes = (0..self.samples()).step_by(of_plane);
        let planes = planes.map(|first| first..first + of_plane);
        let mut parts = vec![];
        for plane in planes {
            for top in (0..HEIGHT).step_by(rows as usize) {
                for left in (0..WIDTH).step_by(width as usize) {
                    let bottom = if self.part.0 == 0 {
                        HEIGHT.min(top + rows)
                    } else {
                        top + rows
                    };
                    let rows = (top..bottom).flat_map(|y| self.row(left, y, width, plane.clone()));
                    parts.push(self.compressed(&rows.collect::<Vec<u8>>()));
                }
            }
        }
        parts
    }

    /// The file; `edit` may change its entries.
    fn written(&self, edit: impl FnOnce(&mut Vec<(u16, Vec<u32>)>)) -> Vec<u8> {
        let front: &[u8] = if self.is_big_endian { b"MM" } else { b"II" };
        let mut file = [front, &self.short(42), &[0; 4]].concat();
        let (mut offsets, mut lengths) = (vec![], vec![]);
        for part in self.parts() {
            offsets.push(u32::try_from(file.len()).unwrap());
            lengths.push(u32::try_from(part.len()).unwrap());
            file.extend(part);
        }
        let photometric = match self.colour {
            Colour::White0 => 0,
            Colour::Black0 => 1,
            Colour::Rgb => 2,
            Colour::Palette => 3,
            Colour::Cmyk => 5,
        };
        let bits = vec![u32::try_from(self.bits).unwrap(); self.samples()];
        let mut entries = vec![
            (256, vec![WIDTH]),
            (257, vec![HEIGHT]),
            (258, bits),
            (259, vec![self.compression.into()]),
            (262, vec![photometric]),
            (266, vec![if self.is_bit_reversed { 2 } else { 1 }]),
            (277, vec![u32::try_from(self.samples()).unwrap()]),
            (284, vec![if self.is_planar { 2 } else { 1 }]),
            (317, vec![self.predictor.into()]),
        ];
        if self.colour == Colour::Palette {
            let channel = |channel: usize| {
                (0..=self.most()).map(move |at| 257 * u32::from(palette(at)[channel]))
            };
            entries.push((320, (0..3).flat_map(channel).collect()));
        }
        if self.part.0 == 0 {
            entries.extend([(273, offsets), (278, vec![self.part.1]), (279, lengths)]);
        } else {
            entries.extend([(322, vec![self.part.0]), (323, vec![self.part.1])]);
            entries.extend([(324, offsets), (325, lengths)]);
        }
        if !self.extras.is_empty() {
            entries.push((
                338,
                self.extras.iter().map(|kind| u32::from(*kind)).collect(),
            ));
        }
        edit(&mut entries);
        entries.sort();
        self.finished(file, &entries)
    }

    /// Adds the directory.
    fn finished(&self, mut file: Vec<u8>, entries: &[(u16, Vec<u32>)]) -> Vec<u8> {
        let mut directory = self.short(u16::try_from(entries.len()).unwrap()).to_vec();
        for (tag, values) in entries {
            let bytes: Vec<u8> = values.iter().flat_map(|value| self.long(*value)).collect();
            directory.extend(self.short(*tag));
            directory.extend(self.short(4));
            directory.extend(self.long(u32::try_from(values.len()).unwrap()));
            if bytes.len() == 4 {
                directory.extend(bytes);
            } else {
                directory.extend(self.long(u32::try_from(file.len()).unwrap()));
                file.extend(bytes);
            }
        }
        directory.extend([0; 4]);
        let at = self.long(u32::try_from(file.len()).unwrap());
        file[4..8].copy_from_slice(&at);
        file.extend(directory);
        file
    }

    fn file(&self) -> Vec<u8> {
        self.written(|_| {})
    }
}

fn turn_bits(data: &mut [u8]) {
    for byte in data {
        *byte = byte.reverse_bits();
    }
}

fn palette(place: u32) -> [u8; 3] {
    [3, 5, 7].map(|factor| u8::try_from(place * factor % 256).unwrap())
}

/// Stored blocks.
fn deflated(data: &[u8]) -> Vec<u8> {
    let mut file = vec![0x78, 0x01];
    for part in data.chunks(1000) {
        let length = u16::try_from(part.len()).unwrap();
        file.push(0);
        file.extend(length.to_le_bytes());
        file.extend((!length).to_le_bytes());
        file.extend(part);
    }
    file.extend([1, 0, 0, 0xFF, 0xFF]);
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    file.extend((b << 16 | a).to_be_bytes());
    file
}

/// Every combination that is a sound file.
fn product() -> Vec<Kind> {
    let colours = [
        (Colour::White0, vec![1, 2, 4, 8, 12, 16]),
        (Colour::Black0, vec![1, 2, 4, 8, 12, 16]),
        (Colour::Palette, vec![1, 4, 8]),
        (Colour::Rgb, vec![8, 16]),
        (Colour::Cmyk, vec![8, 16]),
    ];
    let mut kinds = vec![];
    for (colour, bits) in colours {
        for bits in bits {
            for extras in [vec![], vec![0], vec![1], vec![2], vec![0, 2], vec![2, 0]] {
                for is_planar in [false, true] {
                    for part in [(0, 8), (0, 100), (16, 16), (48, 32)] {
                        for (compression, predictor) in
                            [(1, 1), (1, 2), (5, 1), (5, 2), (8, 2), (32_773, 1)]
                        {
                            let predictor = if compression == 1 || bits >= 8 {
                                predictor
                            } else {
                                1
                            };
                            if predictor == 2 && bits == 12 && compression != 1 {
                                continue;
                            }
                            kinds.push(Kind {
                                extras: extras.clone(),
                                is_planar,
                                part,
                                compression,
                                predictor: if compression == 1 { 1 } else { predictor },
                                is_bit_reversed: (kinds.len() / 3) % 2 == 1,
                                is_big_endian: (kinds.len() / 5) % 2 == 1,
                                ..Kind::plain(colour, bits)
                            });
                        }
                    }
                }
            }
        }
    }
    kinds
}

#[tokio::test]
async fn the_product_of_all_kinds_shows_the_scene() {
    let kinds = product();
    assert!(kinds.len() > 5000, "{}", kinds.len());
    // Each one takes part in some run of a stride that shares no factor with the lists above.
    for kind in kinds.iter().step_by(7) {
        let picture = decode(kind.file()).await;
        let picture = picture.unwrap_or_else(|refusal| panic!("{kind:?}: {refusal:?}"));
        let difference = difference(&picture.pixels, &kind.expected());
        assert!(difference < 0.01, "{kind:?}: {difference}");
    }
}

#[tokio::test]
async fn a_predictor_means_nothing_without_its_compression() {
    let kind = Kind::plain(Colour::Rgb, 8);
    for compression in [1, 32_773] {
        let kind = Kind {
            compression,
            ..kind.clone()
        };
        let file = kind.written(|entries| set(entries, 317, &[2]));
        assert_eq!(decode(file).await.unwrap().pixels, kind.expected());
    }
}

fn set(entries: &mut Vec<(u16, Vec<u32>)>, tag: u16, values: &[u32]) {
    entries.retain(|(old, _)| *old != tag);
    entries.push((tag, values.to_vec()));
}

#[tokio::test]
async fn lengths_may_be_missing_or_too_long() {
    for compression in [1, 5, 8, 32_773] {
        for part in [(0, 8), (16, 16)] {
            let kind = Kind {
                part,
                compression,
                ..Kind::plain(Colour::Rgb, 8)
            };
            let tag = if part.0 == 0 { 279 } else { 325 };
            let without = kind.written(|entries| entries.retain(|(old, _)| *old != tag));
            let zero = kind.written(|entries| {
                let lengths = entries.iter_mut().find(|(old, _)| *old == tag).unwrap();
                lengths.1.fill(0);
            });
            let long = kind.written(|entries| {
                let lengths = entries.iter_mut().find(|(old, _)| *old == tag).unwrap();
                *lengths.1.last_mut().unwrap() = 1_000_000;
            });
            for file in [without, zero, long] {
                let picture = decode(file).await.expect("it is whole");
                assert_eq!(picture.pixels, kind.expected(), "{kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn tiles_have_a_largest_size() {
    let kind = Kind {
        part: (48, 32),
        ..Kind::plain(Colour::Rgb, 8)
    };
    let file = kind.written(|entries| set(entries, 322, &[65_536]));
    assert_eq!(
        refusal(file).await,
        "the TIFF is corrupt: its tiles are too large"
    );
}

#[tokio::test]
async fn pages_may_lead_back() {
    let kind = Kind::plain(Colour::Rgb, 8);
    let mut file = kind.file();
    let end = file.len() - 4;
    let first = file[4..8].to_vec();
    file[end..].copy_from_slice(&first);
    assert_eq!(decode(file).await.unwrap().pixels, kind.expected());
}

#[tokio::test]
async fn alpha_of_every_kind_is_laid_over_white() {
    // Half of black, by its own, multiplied, and by an unrelated third sample.
    let cases = [
        (Colour::Rgb, vec![2], [0, 0, 0, 127], [128; 3]),
        (Colour::Rgb, vec![1], [0, 0, 0, 127], [128; 3]),
        (Colour::Rgb, vec![0], [0, 0, 0, 127], [0; 3]),
        (Colour::Black0, vec![2], [0, 127, 0, 0], [128; 3]),
        (Colour::White0, vec![2], [255, 127, 0, 0], [128; 3]),
        (Colour::White0, vec![1], [127, 127, 0, 0], [128; 3]),
        (Colour::Black0, vec![0], [7, 127, 0, 0], [7; 3]),
        (Colour::Cmyk, vec![2], [0, 0, 0, 255], [128; 3]),
    ];
    for (colour, extras, pixel, shown) in cases {
        let kind = Kind {
            extras,
            ..Kind::plain(colour, 8)
        };
        let mut row = pixel.to_vec();
        row.resize(kind.samples(), 127);
        row.truncate(kind.samples());
        let file = [b"II*\0\x08\0\0\0", &[0; 0][..]].concat();
        let entries = |offset: u32| {
            vec![
                (256, vec![1]),
                (257, vec![1]),
                (258, vec![8; kind.samples()]),
                (
                    262,
                    vec![match colour {
                        Colour::White0 => 0,
                        Colour::Black0 => 1,
                        Colour::Rgb => 2,
                        _ => 5,
                    }],
                ),
                (273, vec![offset]),
                (277, vec![u32::try_from(kind.samples()).unwrap()]),
                (
                    338,
                    kind.extras.iter().map(|kind| u32::from(*kind)).collect(),
                ),
            ]
        };
        let file = kind.finished([file, row].concat(), &entries(8));
        let picture = decode(file).await.expect("it is whole");
        assert_eq!(picture.pixels, shown, "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_not_read_is_named() {
    let rgb = Kind::plain(Colour::Rgb, 8);
    let named = |tag, value: u32| rgb.written(|entries| set(entries, tag, &[value]));
    let cases = [
        (
            named(259, 50_000),
            "RGB pixels of 3 samples of 8 bits, compression Zstandard",
        ),
        (
            named(259, 50_001),
            "RGB pixels of 3 samples of 8 bits, compression WebP",
        ),
        (
            named(259, 6),
            "RGB pixels of 3 samples of 8 bits, compression old-style JPEG",
        ),
        (
            named(259, 4),
            "RGB pixels of 3 samples of 8 bits, compression CCITT Group 4",
        ),
        (
            named(259, 4711),
            "RGB pixels of 3 samples of 8 bits, compression of the unknown kind 4711",
        ),
        (
            named(262, 8),
            "CIE L*a*b* pixels of 3 samples of 8 bits, compression none",
        ),
        (
            named(262, 6),
            "YCbCr pixels of 3 samples of 8 bits with subsampled chroma, compression none",
        ),
        (
            named(339, 2),
            "RGB pixels of 3 signed samples of 8 bits, compression none",
        ),
        (
            named(339, 3),
            "RGB pixels of 3 floating-point samples of 8 bits, compression none",
        ),
        (named(277, 5), "samples whose meaning it does not tell"),
    ];
    for (file, what) in cases {
        let expected = format!("this kind of TIFF is not supported: {what}; convert it to JPEG");
        assert_eq!(refusal(file).await, expected);
    }
}

#[tokio::test]
async fn a_preview_is_not_the_picture() {
    let kind = Kind::plain(Colour::Rgb, 8);
    let raw = kind.written(|entries| {
        set(entries, 254, &[1]);
        set(entries, 330, &[8]);
    });
    assert_eq!(
        refusal(raw).await,
        "RAW is not supported; convert it to JPEG"
    );
    let dng = kind.written(|entries| set(entries, 50_706, &[1]));
    assert_eq!(
        refusal(dng).await,
        "RAW is not supported; convert it to JPEG"
    );
    for (tag, value) in [(254, 1), (255, 2)] {
        let thumbnail = kind.written(|entries| set(entries, tag, &[value]));
        assert_eq!(refusal(thumbnail).await, THUMBNAIL);
    }
}

const THUMBNAIL: &str =
    "this kind of TIFF is not supported: its first page is only a thumbnail; convert it to JPEG";

#[tokio::test]
async fn what_other_directories_hold_is_not_missed() {
    let kind = Kind::plain(Colour::Rgb, 8);
    let length = kind.written(|entries| set(entries, 330, &[0])).len();
    let at = u32::try_from(length).unwrap();
    let inner = |size: u32, photometric: u32| {
        let mut file = kind.written(|entries| set(entries, 330, &[at]));
        file.extend([3, 0]);
        for (tag, value) in [(256_u16, size), (257, size), (262, photometric)] {
            file.extend(tag.to_le_bytes());
            file.extend([4, 0, 1, 0, 0, 0]);
            file.extend(value.to_le_bytes());
        }
        file.extend([0; 4]);
        file
    };
    let raw = "RAW is not supported; convert it to JPEG";
    assert_eq!(refusal(inner(9, 32_803)).await, raw);
    assert_eq!(refusal(inner(9, 34_892)).await, raw);
    assert_eq!(refusal(inner(4000, 2)).await, THUMBNAIL);
    // Smaller copies.
    let picture = decode(inner(9, 2)).await.unwrap();
    assert_eq!(picture.pixels, kind.expected());
    // A later page.
    let mut file = inner(9, 32_803);
    let next = length - 4;
    assert_eq!(file[next..length], [0; 4]);
    file[next..length].copy_from_slice(&at.to_le_bytes());
    let tag = file[..length]
        .windows(4)
        .rposition(|entry| entry == [0x4A, 0x01, 4, 0]);
    file[tag.unwrap()..][..2].copy_from_slice(&0x7FFF_u16.to_le_bytes());
    assert_eq!(refusal(file).await, raw);
}

#[tokio::test]
async fn colours_that_are_not_told_rightly_are_refused() {
    let palette = Kind::plain(Colour::Palette, 8);
    let short = palette.written(|entries| set(entries, 320, &[7; 767]));
    assert_eq!(
        refusal(short).await,
        "the TIFF is corrupt: its palette is too short"
    );
    // YCbCr of 3 x 1 pixels, plainly; then with another luma, and another range.
    let ycbcr = |tag: u16, quotients: &[(u32, u32)]| {
        let kind = Kind::plain(Colour::Rgb, 8);
        let file = [b"II*\0\0\0\0\0", &[76, 85, 255][..]].concat();
        let at = u32::try_from(file.len()).unwrap();
        let mut file = file;
        for (above, below) in quotients {
            file.extend([above.to_le_bytes(), below.to_le_bytes()].concat());
        }
        let entries = vec![
            (256, vec![1]),
            (257, vec![1]),
            (258, vec![8; 3]),
            (262, vec![6]),
            (273, vec![8]),
            (277, vec![3]),
            (530, vec![1, 1]),
            (tag, vec![at]),
        ];
        let mut file = kind.finished(file, &entries);
        let entry = file.len() - 16;
        assert_eq!(file[entry..][..2], tag.to_le_bytes());
        file[entry + 2] = 5;
        file[entry + 4] = u8::try_from(quotients.len()).unwrap();
        file
    };
    let usual = [(299, 1000), (587, 1000), (114, 1000)];
    assert_eq!(
        decode(ycbcr(529, &usual)).await.unwrap().pixels,
        [254, 0, 0]
    );
    let other = [(2125, 10_000), (7154, 10_000), (721, 10_000)];
    let narrow = [(16, 1), (235, 1), (128, 1), (240, 1), (128, 1), (240, 1)];
    for (file, what) in [
        (ycbcr(529, &other), "of unusual luma"),
        (ycbcr(532, &narrow), "of a reduced range"),
    ] {
        let expected = format!(
            "this kind of TIFF is not supported: YCbCr pixels of 3 samples of 8 bits {what}, compression none; \
             convert it to JPEG"
        );
        assert_eq!(refusal(file).await, expected);
    }
}

/// Before TIFF 6.0: codes from the lowest bit on, which grow one later.
#[tokio::test]
async fn old_lzw_is_read_in_either_order_of_bits() {
    let kind = Kind {
        part: (0, 100),
        ..Kind::plain(Colour::Rgb, 8)
    };
    let data = &kind.parts()[0];
    let old = Configuration::new(BitOrder::Lsb, 8)
        .build()
        .encode(data)
        .unwrap();
    assert!(old[0] == 0 && old[1] & 1 == 1);
    for order in [1, 2] {
        let mut old = old.clone();
        if order == 2 {
            turn_bits(&mut old);
        }
        let place = |file: &[u8]| u32::try_from(file.len()).unwrap();
        let set_all = |entries: &mut Vec<(u16, Vec<u32>)>, at: u32| {
            set(entries, 259, &[5]);
            set(entries, 266, &[order]);
            set(entries, 273, &[at]);
            set(entries, 279, &[u32::try_from(old.len()).unwrap()]);
        };
        let at = place(&kind.written(|entries| set_all(entries, 0)));
        let file = kind.written(|entries| set_all(entries, at));
        let picture = decode([file, old.clone()].concat()).await.unwrap();
        assert_eq!(picture.pixels, kind.expected(), "{order}");
    }
}

#[tokio::test]
async fn cut_files_are_never_shown_with_pixels_missing() {
    for kind in product().into_iter().step_by(211) {
        let file = kind.file();
        // The directory comes last, and at its end the place of another one, which there is not.
        for cut in (0..file.len() - 4).step_by(file.len() / 23 + 1) {
            assert!(
                decode(file[..cut].to_vec()).await.is_err(),
                "{kind:?} cut at {cut}"
            );
        }
        // The last strip or tile follows the directory, and is cut.
        let last = kind.parts().pop().unwrap();
        let end = file.len();
        let tag = if kind.part.0 == 0 { 273 } else { 324 };
        let moved = kind.written(|entries| {
            let offsets = entries.iter_mut().find(|(old, _)| *old == tag).unwrap();
            *offsets.1.last_mut().unwrap() = u32::try_from(end).unwrap();
        });
        assert_eq!(moved.len(), end);
        let whole = [moved.as_slice(), &last].concat();
        assert_eq!(
            decode(whole.clone()).await.unwrap().pixels,
            kind.expected(),
            "{kind:?}"
        );
        for cut in end..whole.len() {
            match decode(whole[..cut].to_vec()).await {
                // What sticks out of a tile, and end marks, are no pixels.
                Ok(picture) => assert_eq!(picture.pixels, kind.expected(), "{kind:?} {cut}"),
                Err(refusal) => assert!(matches!(refusal, CodecError::NotAnImage { .. })),
            }
        }
        assert!(decode(whole[..end].to_vec()).await.is_err(), "{kind:?}");
    }
}
