//! Generated pictures.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// A smooth picture; another seed makes another picture.
pub fn picture(width: u32, height: u32, seed: u8) -> DynamicImage {
    let shade = |position: u32, length: u32| u8::try_from(position * 255 / length.max(1)).unwrap();
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([shade(x, width), shade(y, height), seed])
    })
    .into()
}

/// The same, encoded in the given format.
pub fn file(format: ImageFormat, width: u32, height: u32, seed: u8) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture(width, height, seed)
        .write_to(&mut file, format)
        .unwrap();
    file.into_inner()
}

/// A small JPEG; another seed makes another one.
pub fn jpeg(seed: u8) -> Vec<u8> {
    file(ImageFormat::Jpeg, 64, 48, seed)
}
