//! Downscaling, and applying the orientation.

use std::error::Error;

use fast_image_resize::{
    FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::{U8, U8x3},
};
use image::{DynamicImage, GrayImage, RgbImage, metadata::Orientation};

use crate::{
    decode_error::DecodeError,
    raster::{Channels, Raster},
};

/// How much larger than the copy a picture must be after averaging: with less, the final filter blurs what
/// it should only average (measured: twice the difference from a copy of the full size at 1.05 as at 1.5).
pub(crate) const ENOUGH: f64 = 1.25;

/// The size of a copy whose longest side is at most `max_side`. No side becomes 0.
pub(crate) fn fit(width: u32, height: u32, max_side: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= max_side {
        return (width, height);
    }
    let scale = |side: u32| {
        let product = u64::from(side) * u64::from(max_side) + u64::from(longest / 2);
        let scaled = u32::try_from(product / u64::from(longest));
        scaled.unwrap_or(max_side).max(1)
    };
    (scale(width), scale(height))
}

/// Makes the copy, with a filter that averages over all covered pixels. `extent` is how much of the raster,
/// from its first pixel on, the picture covers.
pub(crate) fn downscale(
    raster: Raster,
    (width, height): (u32, u32),
    extent: (f64, f64),
) -> Result<Raster, DecodeError> {
    if (width, height) == (raster.width, raster.height) {
        return Ok(raster);
    }
    let pixels = match raster.channels {
        Channels::Grey => resized::<U8>(&raster, (width, height), extent),
        Channels::Rgb => resized::<U8x3>(&raster, (width, height), extent),
    };
    Ok(Raster {
        width,
        height,
        pixels: pixels.map_err(DecodeError::Failed)?,
        ..raster
    })
}

/// Monomorphic: the dynamic interface would link the code of all pixel types, some megabytes.
fn resized<P: PixelTrait>(
    raster: &Raster,
    (width, height): (u32, u32),
    extent: (f64, f64),
) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let source = TypedImageRef::<P>::from_buffer(raster.width, raster.height, &raster.pixels)?;
    let mut pixels = vec![0; width as usize * height as usize * P::size()];
    let mut copy = TypedImage::<P>::from_buffer(width, height, &mut pixels)?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Hamming))
        .crop(0.0, 0.0, extent.0, extent.1);
    Resizer::new().resize_typed(&source, &mut copy, &options)?;
    Ok(pixels)
}

/// Applies the orientation and converts to RGB.
pub(crate) fn upright(raster: Raster, orientation: Orientation) -> Result<RgbImage, DecodeError> {
    let Raster {
        width,
        height,
        channels,
        pixels,
    } = raster;
    let picture = match channels {
        Channels::Grey => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        Channels::Rgb => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
    };
    let mut picture = picture.ok_or(DecodeError::Failed("a buffer of the wrong size".into()))?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// The size of a picture after the orientation is applied.
pub(crate) fn upright_size(width: u32, height: u32, orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case((4000, 3000), (1024, 768))]
    #[case((3000, 4000), (768, 1024))]
    #[case((1024, 1024), (1024, 1024))]
    #[case((1025, 1), (1024, 1))]
    #[case((1, 10_000), (1, 1024))]
    #[case((65_535, 65_535), (1024, 1024))]
    #[case((1, 1), (1, 1))]
    fn a_copy_fits(#[case] (width, height): (u32, u32), #[case] expected: (u32, u32)) {
        assert_eq!(fit(width, height, 1024), expected);
    }

    fn stripes(channels: Channels, width: u32, height: u32) -> Raster {
        let bytes = if channels == Channels::Grey { 1 } else { 3 };
        let pixel = |at: u32| vec![if at.is_multiple_of(2) { 0 } else { 255 }; bytes];
        Raster {
            width,
            height,
            channels,
            pixels: (0..width * height).flat_map(pixel).collect(),
        }
    }

    #[rstest]
    #[case(Channels::Grey)]
    #[case(Channels::Rgb)]
    fn every_pixel_counts(#[case] channels: Channels) {
        let copy = downscale(stripes(channels, 640, 480), (16, 12), (640.0, 480.0)).unwrap();
        assert_eq!((copy.width, copy.height), (16, 12));
        assert!(
            copy.pixels
                .iter()
                .all(|&sample| (120..136).contains(&sample)),
            "stripes of one pixel become grey: {:?}",
            copy.pixels
        );
    }

    #[test]
    fn small_picture_is_not_scaled() {
        let copy = downscale(stripes(Channels::Rgb, 10, 3), (10, 3), (10.0, 3.0)).unwrap();
        assert_eq!(copy.pixels, stripes(Channels::Rgb, 10, 3).pixels);
    }

    #[test]
    fn orientation_turns_the_pixels_and_the_size() {
        let row = Raster {
            width: 3,
            height: 1,
            channels: Channels::Grey,
            pixels: vec![1, 2, 3],
        };
        let turned = upright(row, Orientation::Rotate90).unwrap();
        assert_eq!(
            turned.dimensions(),
            upright_size(3, 1, Orientation::Rotate90)
        );
        assert_eq!(turned.into_raw(), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
    }
}
