//! The EXIF orientation is applied in every format that has it.

use image::codecs::{png::PngEncoder, webp::WebPEncoder};
use image::{DynamicImage, ImageEncoder, ImageFormat, metadata::Orientation};
use rstest::rstest;

use crate::samples::{BASELINE, HEIGHT, WIDTH, decode, difference, encoded, scene};

/// EXIF data with one entry: the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
}

fn jpeg(orientation: u8) -> Vec<u8> {
    let file = BASELINE.rgb(&scene(WIDTH, HEIGHT));
    let exif = exif(orientation);
    let length = u16::try_from(exif.len() + 8).unwrap().to_be_bytes();
    let segment = [&[0xFF, 0xE1], &length[..], b"Exif\0\0", &exif].concat();
    [&file[..2], &segment, &file[2..]].concat()
}

fn png(orientation: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_exif_metadata(exif(orientation)).unwrap();
    scene(WIDTH, HEIGHT).write_with_encoder(encoder).unwrap();
    file
}

fn webp(orientation: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut file);
    encoder.set_exif_metadata(exif(orientation)).unwrap();
    scene(WIDTH, HEIGHT).write_with_encoder(encoder).unwrap();
    file
}

/// Some writers prefix the EXIF data of a WebP file as in a JPEG.
fn webp_like_jpeg(orientation: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut file);
    let exif = [&b"Exif\0\0"[..], &exif(orientation)].concat();
    encoder.set_exif_metadata(exif).unwrap();
    scene(WIDTH, HEIGHT).write_with_encoder(encoder).unwrap();
    file
}

/// The orientation replaces an entry that the decoder does not need.
fn tiff(orientation: u8) -> Vec<u8> {
    let mut file = encoded(scene(WIDTH, HEIGHT), ImageFormat::Tiff);
    let resolution_unit = [0x28, 0x01, 3, 0, 1, 0, 0, 0];
    let at = file.windows(8).position(|part| part == resolution_unit);
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0];
    file[at.unwrap()..][..10].copy_from_slice(&entry);
    file
}

#[rstest]
#[tokio::test]
async fn a_picture_is_turned_upright(
    #[values(jpeg, png, webp, webp_like_jpeg, tiff)] write: fn(u8) -> Vec<u8>,
    #[values(1, 2, 3, 4, 5, 6, 7, 8)] orientation: u8,
) {
    let mut expected = DynamicImage::ImageRgb8(scene(WIDTH, HEIGHT));
    expected.apply_orientation(Orientation::from_exif(orientation).unwrap());
    let picture = decode(write(orientation)).await.unwrap();
    assert_eq!(picture.width, expected.width());
    assert_eq!(picture.height, expected.height());
    assert_eq!(picture.scaled_width, expected.width());
    assert!(difference(&picture.pixels, expected.as_bytes()) < 6.0);
}

#[tokio::test]
async fn invalid_orientation_is_ignored() {
    for orientation in [0, 9, 255] {
        let picture = decode(jpeg(orientation)).await.unwrap();
        assert_eq!((picture.width, picture.height), (WIDTH, HEIGHT));
    }
}
