//! A JPEG decoded at a reduced scale looks like one decoded at its full size and then downscaled.

use domain::{Picture, ports::ImageCodec};
use image::{ImageFormat, RgbImage};

use crate::samples::{CATS, PHOTOS, codec, codec_for, difference, encoded, greys, jpegs};

/// The copy made of a file's full-size pixels.
async fn from_full_size(file: &[u8], max_side: u32) -> Picture {
    let full = codec().decode(file.to_vec().into()).await.unwrap();
    assert_eq!(
        (full.width, full.height),
        (full.scaled_width, full.scaled_height)
    );
    let pixels = RgbImage::from_raw(full.width, full.height, full.pixels).unwrap();
    let png = encoded(pixels, ImageFormat::Png);
    codec_for(max_side).decode(png.into()).await.unwrap()
}

async fn check(name: &str, file: &[u8], max_side: u32, most: f64) {
    let expected = from_full_size(file, max_side).await;
    let picture = codec_for(max_side).decode(file.to_vec().into()).await;
    let picture = picture.expect(name);
    assert_eq!(
        (picture.width, picture.height),
        (expected.width, expected.height)
    );
    assert_eq!(picture.scaled_width, expected.scaled_width, "{name}");
    assert_eq!(picture.scaled_height, expected.scaled_height, "{name}");
    let difference = difference(&picture.pixels, &expected.pixels);
    println!(
        "{name} {max_side} {:.2} {difference:.2}",
        f64::from(picture.width.max(picture.height)) / f64::from(max_side)
    );
    assert!(difference < most, "{name} at {max_side}: {difference}");
}

#[tokio::test]
async fn photographs_look_the_same() {
    for (number, photo) in PHOTOS.into_iter().enumerate() {
        for max_side in [
            20, 40, 56, 64, 75, 80, 90, 100, 112, 128, 150, 170, 200, 225, 256, 300,
        ] {
            check(&number.to_string(), photo, max_side, 99.0).await;
        }
    }
}

#[tokio::test]
async fn every_kind_of_jpeg_looks_the_same() {
    let mut files = jpegs();
    files.extend(
        greys()
            .into_iter()
            .filter(|(name, _)| name.starts_with("jpeg")),
    );
    files.push((CATS[0].0, CATS[0].1.to_vec()));
    for (name, file) in files {
        for max_side in [10, 18, 25, 37, 50, 75] {
            check(name, &file, max_side, 99.0).await;
        }
    }
}
