//! Generates the photographs for measuring the server: baseline JPEGs of certain sizes.
//!
//! `cargo run --release -p image-codec --example pictures -- FOLDER`
//!
//! `small.jpg` has 640 × 480 pixels and 50 KB, `photo.jpg` 12 megapixels and 3 MB, `large.jpg` 24
//! megapixels and 10 MB. They show soft colours under as much grain as it takes to reach that size; the
//! output is deterministic.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::{error::Error, fs, path::PathBuf};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

type Failure = Box<dyn Error + Send + Sync>;

/// Name, width, height, bytes.
const PICTURES: [(&str, u16, u16, usize); 3] = [
    ("small.jpg", 640, 480, 50_000),
    ("photo.jpg", 4000, 3000, 3_000_000),
    ("large.jpg", 6000, 4000, 10_000_000),
];

/// The strongest grain, as a fraction of the brightness.
const STRONGEST: u32 = 1 << 10;

fn main() -> Result<(), Failure> {
    let folder: PathBuf = std::env::args().nth(1).ok_or("which folder?")?.into();
    fs::create_dir_all(&folder)?;
    for (name, width, height, size) in PICTURES {
        let file = picture(width, height, size)?;
        println!("{name}: {width} x {height}, {} bytes", file.len());
        fs::write(folder.join(name), file)?;
    }
    Ok(())
}

/// The picture with the strongest grain that fits into `size` bytes.
fn picture(width: u16, height: u16, size: usize) -> Result<Vec<u8>, Failure> {
    let (mut weak, mut strong) = (0, STRONGEST);
    let mut best = encoded(width, height, weak)?;
    while strong - weak > 1 {
        let grain = u32::midpoint(weak, strong);
        let file = encoded(width, height, grain)?;
        if file.len() > size {
            strong = grain;
        } else {
            weak = grain;
            best = file;
        }
    }
    Ok(best)
}

fn encoded(width: u16, height: u16, grain: u32) -> Result<Vec<u8>, Failure> {
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
    for y in 0..u32::from(height) {
        for x in 0..u32::from(width) {
            pixels.extend(pixel(x, y, (width.into(), height.into()), grain));
        }
    }
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 85);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&pixels, width, height, ColorType::Rgb)?;
    Ok(file)
}

fn pixel(x: u32, y: u32, (width, height): (u32, u32), grain: u32) -> [u8; 3] {
    let noise = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77);
    let noise = (noise ^ noise >> 15).wrapping_mul(0xC2B2_AE3D) >> 24;
    let noise = noise * grain / STRONGEST / 2;
    [
        x * 127 / width,
        y * 127 / height,
        (x + y) * 127 / (width + height),
    ]
    .map(|level| u8::try_from(level + noise).unwrap_or(u8::MAX))
}
