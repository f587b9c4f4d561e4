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

/// A small JPEG in which a camera wrote when it was taken (`2024:01:11 10:04:35`).
pub fn taken(seed: u8, time: &str) -> Vec<u8> {
    assert_eq!(time.len(), 19, "{time}");
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    // The first directory points to the camera's, which has the time, whose text follows.
    tiff.extend(b"\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0");
    tiff.extend(b"\x01\0\x03\x90\x02\0\x14\0\0\0\x2c\0\0\0\0\0\0\0");
    tiff.extend(time.as_bytes());
    tiff.push(0);
    let mut segment = b"\xff\xe1".to_vec();
    let length = u16::try_from(2 + 6 + tiff.len()).unwrap();
    segment.extend(length.to_be_bytes());
    segment.extend(b"Exif\0\0");
    segment.extend(tiff);
    let mut file = jpeg(seed);
    file.splice(2..2, segment);
    file
}
