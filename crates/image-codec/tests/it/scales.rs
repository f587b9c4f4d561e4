//! A JPEG decoded at a reduced scale looks like one decoded at full size and then downscaled.

use domain::{DecodedPicture, Picture};
use image::{ImageFormat, RgbImage, imageops};
use rstest::rstest;

use crate::samples::{BASELINE, CATS, PHOTOS, decode_at, difference, encoded, greys, jpegs, scene};

/// Sides of copies of a picture with that side, for which 1/8, 1/4 and 1/2 are decoded: just enough of each
/// scale, and plenty.
fn sides(side: u32) -> [u32; 6] {
    [
        side / 15,
        side / 10,
        side / 7,
        side / 5,
        side / 3,
        side * 2 / 5,
    ]
}

/// A copy made from the pixels of the full size.
async fn from_full_size(file: &[u8], max_side: u32) -> DecodedPicture {
    let full = decode_at(65_535, file.to_vec()).await.unwrap();
    let pixels = RgbImage::from_raw(full.width, full.height, full.pixels.clone()).unwrap();
    let png = encoded(pixels, ImageFormat::Png);
    decode_at(max_side, png).await.unwrap()
}

async fn differences(name: &str, file: &[u8]) -> Vec<f64> {
    let size = image::load_from_memory(file).map(|picture| picture.width().max(picture.height()));
    let mut differences = Vec::new();
    for max_side in sides(size.unwrap()) {
        let expected = from_full_size(file, max_side).await;
        let picture = decode_at(max_side, file.to_vec()).await.expect(name);
        let size = |copy: &Picture| {
            (
                copy.width,
                copy.height,
                copy.scaled_width,
                copy.scaled_height,
            )
        };
        assert_eq!(size(&picture), size(&expected), "{name} at {max_side}");
        differences.push(difference(&picture.pixels, &expected.pixels));
    }
    differences
}

/// An enlarged photograph, soft as from a camera with many pixels.
fn enlarged(photo: &[u8]) -> RgbImage {
    let photo = image::load_from_memory(photo).unwrap().into_rgb8();
    let (width, height) = photo.dimensions();
    imageops::resize(
        &photo,
        4 * width + 3,
        4 * height + 1,
        imageops::FilterType::CatmullRom,
    )
}

#[tokio::test]
async fn photographs_look_the_same() {
    for (number, photo) in PHOTOS.into_iter().enumerate() {
        let file = BASELINE.rgb(&enlarged(photo));
        let differences = differences(&number.to_string(), &file).await;
        assert!(
            differences.iter().all(|&found| found > 0.0 && found < 2.5),
            "{differences:?}"
        );
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
        let differences = differences(name, &file).await;
        assert!(
            differences.iter().all(|&found| found > 0.0 && found < 4.5),
            "{name}: {differences:?}"
        );
    }
}

/// Sides that are no multiple of eight, and thin ones.
#[rstest]
#[tokio::test]
async fn edges_look_the_same(
    #[values((1, 1000), (1000, 1), (7, 500), (501, 9), (2, 300), (249, 251), (128, 907), (1001, 129))]
    size: (u32, u32),
) {
    let file = BASELINE.rgb(&scene(size.0, size.1));
    let differences = differences("scene", &file).await;
    assert!(
        differences.iter().all(|&found| found < 4.5),
        "{differences:?}"
    );
}
