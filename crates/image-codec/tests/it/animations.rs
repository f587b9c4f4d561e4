//! The first frame of an animation is decoded.

use image::{Frame, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage, codecs::gif::GifEncoder};

use crate::samples::{decode, encoded};

const SIZE: (u32, u32) = (20, 10);
const FIRST: u8 = 200;
const SECOND: u8 = 0;

fn frame(level: u8, format: ImageFormat) -> Vec<u8> {
    encoded(
        RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([level; 3])),
        format,
    )
}

async fn shows_the_first(file: Vec<u8>) {
    let picture = decode(file).await.unwrap();
    assert_eq!((picture.width, picture.height), SIZE);
    assert_eq!(picture.pixels.len(), 20 * 10 * 3);
    // Blending a WebP frame over its canvas rounds.
    assert!(
        picture
            .pixels
            .iter()
            .all(|&sample| sample.abs_diff(FIRST) <= 1)
    );
}

#[tokio::test]
async fn gif() {
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new(&mut file);
    for level in [FIRST, SECOND, 100] {
        let frame = RgbaImage::from_pixel(SIZE.0, SIZE.1, Rgba([level, level, level, 255]));
        encoder.encode_frame(Frame::new(frame)).unwrap();
    }
    drop(encoder);
    shows_the_first(file).await;
}

/// A chunk of a RIFF file.
fn riff(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let padding = &[0][..body.len() % 2];
    [&kind[..], &length, body, padding].concat()
}

#[tokio::test]
async fn webp() {
    let (width, height) = (19, 9);
    // An offset, a size less one, a duration; then the picture as in a separate file.
    let frame_header = [0, 0, 0, 0, 0, 0, width, 0, 0, height, 0, 0, 100, 0, 0, 0];
    let frame = |level| {
        let still = frame(level, ImageFormat::WebP);
        riff(*b"ANMF", &[&frame_header, &still[12..]].concat())
    };
    let canvas = riff(*b"VP8X", &[0b10, 0, 0, 0, width, 0, 0, height, 0, 0]);
    let forever = riff(*b"ANIM", &[0; 6]);
    let body = [
        &b"WEBP"[..],
        &canvas,
        &forever,
        &frame(FIRST),
        &frame(SECOND),
    ]
    .concat();
    shows_the_first(riff(*b"RIFF", &body)).await;
}

/// A chunk of a PNG file.
fn png_chunk(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let checked = [&kind[..], body].concat();
    let checksum = checked.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 * (sum & 1))
        })
    });
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[..], &checked, &(!checksum).to_be_bytes()].concat()
}

#[tokio::test]
async fn apng() {
    // The signature and IHDR; then the pixels, which end 12 bytes (IEND) before the file does.
    let (first, second) = (
        frame(FIRST, ImageFormat::Png),
        frame(SECOND, ImageFormat::Png),
    );
    let data = |file: &[u8]| {
        let at = file.windows(4).position(|part| part == b"IDAT").unwrap() + 4;
        file[at..file.len() - 12 - 4].to_vec()
    };
    let control = |number: u8| {
        let size = [0, 0, 0, 20, 0, 0, 0, 10];
        let rest = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 10, 0, 0];
        png_chunk(*b"fcTL", &[&[0, 0, 0, number], &size[..], &rest].concat())
    };
    let file = [
        &first[..33],
        &png_chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
        &control(0),
        &png_chunk(*b"IDAT", &data(&first)),
        &control(1),
        &png_chunk(*b"fdAT", &[&[0, 0, 0, 2], &data(&second)[..]].concat()),
        &first[first.len() - 12..],
    ];
    shows_the_first(file.concat()).await;
}
