//! Perceptual hashes of decoded pictures.

use domain::{PerceptualHash, Picture};
use image::GrayImage;
use image_hasher::{HashAlg, HasherConfig};

/// Width and height of the grey copy that is hashed. Averaging over areas makes it independent of the size of the
/// picture, and costs less than the library's scaling of the whole.
const SIDE: u32 = 64;

/// The lowest standard deviation of the grey copy, of 255. Hashes of flatter pictures would be noise, and the same for
/// all blank ones.
const FLATTEST: f64 = 4.0;

/// The hash of a picture; `None` if it is nearly of one colour.
pub(crate) fn of(picture: &Picture) -> Option<PerceptualHash> {
    let grey = grey(picture)?;
    if deviation(&grey) < FLATTEST {
        return None;
    }
    let hasher = HasherConfig::with_bytes_type::<[u8; 8]>()
        .hash_size(8, 8)
        .hash_alg(HashAlg::Median)
        .preproc_dct()
        .to_hasher();
    let hash = hasher.hash_image(&grey).into_inner();
    Some(PerceptualHash(u64::from_be_bytes(hash)))
}

/// A square copy in grey: each pixel is the mean of an area. A picture that is smaller repeats its pixels.
fn grey(picture: &Picture) -> Option<GrayImage> {
    let (width, height) = (picture.scaled_width, picture.scaled_height);
    let mut grey = GrayImage::new(SIDE, SIDE);
    for (x, y, pixel) in grey.enumerate_pixels_mut() {
        let (columns, rows) = (part(x, width), part(y, height));
        let (mut sum, mut count) = (0_u64, 0);
        for row in rows {
            let start = (u64::from(row) * u64::from(width) + u64::from(columns.start)) * 3;
            let length = 3 * (columns.end - columns.start) as usize;
            let start = usize::try_from(start).ok()?;
            let samples = picture.pixels.get(start..)?.get(..length)?;
            let (pixels, _) = samples.as_chunks::<3>();
            sum += pixels.iter().copied().map(luminance).sum::<u64>();
            count += pixels.len() as u64;
        }
        let mean = sum.checked_div(count * 256)?;
        pixel.0 = [u8::try_from(mean).unwrap_or(u8::MAX)];
    }
    Some(grey)
}

/// The columns or rows of the picture that one of the copy stands for; at least one.
fn part(place: u32, length: u32) -> std::ops::Range<u32> {
    let at = |place: u32| u64::from(place) * u64::from(length) / u64::from(SIDE);
    let from = u32::try_from(at(place)).unwrap_or(u32::MAX);
    let to = u32::try_from(at(place + 1)).unwrap_or(u32::MAX);
    from..to.max(from + 1)
}

/// The luminance of a pixel by ITU-R BT.601, times 256.
fn luminance([red, green, blue]: [u8; 3]) -> u64 {
    u64::from(red) * 77 + u64::from(green) * 150 + u64::from(blue) * 29
}

fn deviation(grey: &GrayImage) -> f64 {
    let count = f64::from(SIDE * SIDE);
    let mean = grey.as_raw().iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let squares = grey.as_raw().iter().map(|v| (f64::from(*v) - mean).powi(2));
    (squares.sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use domain::MediaType;
    use image::{DynamicImage, imageops::FilterType};

    use super::*;

    fn photo(name: &str) -> DynamicImage {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/photos");
        image::open(format!("{folder}/{name}")).unwrap()
    }

    fn picture(photo: &DynamicImage) -> Picture {
        let (width, height) = (photo.width(), photo.height());
        Picture {
            media_type: MediaType::Jpeg,
            width,
            height,
            scaled_width: width,
            scaled_height: height,
            pixels: photo.to_rgb8().into_raw(),
            as_uploaded: None,
        }
    }

    fn distance(one: &DynamicImage, other: &DynamicImage) -> u32 {
        let [one, other] = [one, other].map(|photo| of(&picture(photo)).unwrap().0);
        (one ^ other).count_ones()
    }

    #[test]
    fn scaled_pictures_have_nearly_the_same_hash() {
        for name in ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"] {
            let photo = photo(name);
            for side in [900, 333, 200, 100] {
                let scaled = photo.resize(side, side, FilterType::Lanczos3);
                let distance = distance(&photo, &scaled);
                assert!(distance <= 4, "{name} {side}: {distance}");
            }
        }
    }

    /// How far the hashes of copies are from that of their photo, and those of different parts of photos from each
    /// other; `--nocapture` prints it. Parts that share much of a photo are the hardest to tell apart.
    #[test]
    fn copies_are_nearer_than_other_pictures() {
        let (mut copies, mut others, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for name in ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"] {
            let photo = photo(name);
            for side in [640, 320, 160, 100] {
                for quality in [90, 50, 20] {
                    let scaled = photo.resize(side, side, FilterType::Triangle).to_rgb8();
                    let mut file = Vec::new();
                    let encoder =
                        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, quality);
                    scaled.write_with_encoder(encoder).unwrap();
                    let copy = image::load_from_memory(&file).unwrap();
                    copies.push(distance(&photo, &copy));
                }
            }
            for (column, row) in (0..8).flat_map(|column| (0..8).map(move |row| (column, row))) {
                let (width, height) = (photo.width() / 3, photo.height() / 3);
                let (x, y) = (photo.width() * column / 12, photo.height() * row / 12);
                parts.push(photo.crop_imm(x, y, width, height));
            }
        }
        let hashes = parts.iter().filter_map(|part| of(&picture(part)));
        let hashes: Vec<u64> = hashes.map(|hash| hash.0).collect();
        for (at, one) in hashes.iter().enumerate() {
            let rest = hashes[at + 1..].iter();
            others.extend(rest.map(|other| (one ^ other).count_ones()));
        }
        let within = |most: u32| others.iter().filter(|distance| **distance <= most).count();
        let farthest = copies.iter().max().unwrap();
        let shares = [4, 6, 8, 10, 12].map(|most| (most, within(most)));
        println!(
            "copies: at most {farthest} of {}; of {} pairs of parts within: {shares:?}",
            copies.len(),
            others.len()
        );
        assert!(*farthest <= 8, "{copies:?}");
        assert!(within(8) * 1000 < others.len(), "{shares:?}");
    }

    #[test]
    fn other_pictures_have_other_hashes() {
        let distance = distance(&photo("coffee.jpg"), &photo("rocket.jpg"));
        assert!(distance > 16, "{distance}");
    }

    #[test]
    fn flat_pictures_have_none() {
        let white = DynamicImage::new_luma8(300, 200);
        assert_eq!(of(&picture(&white)), None);
    }

    #[test]
    fn every_size_has_a_copy() {
        for (width, height) in [(1, 1), (1, 500), (65, 3), (640, 480)] {
            let pixels = (0..width * height * 3).map(|at| u8::try_from(at * 7 % 251).unwrap());
            let picture = Picture {
                width,
                height,
                scaled_width: width,
                scaled_height: height,
                pixels: pixels.collect(),
                ..picture(&DynamicImage::new_rgb8(1, 1))
            };
            assert!(grey(&picture).is_some(), "{width} x {height}");
        }
    }
}
