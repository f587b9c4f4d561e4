//! Converts pictures to network inputs.

use domain::Picture;
use fast_image_resize::{
    FilterType, ResizeAlg, ResizeError, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};
use thiserror::Error;

use crate::network::Network;

/// Mean and standard deviation of red, green and blue in ImageNet, relative to 1: the normalisation used in
/// training.
const COLOURS: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

/// The part of a picture that a network sees.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View {
    /// The central square.
    Centre,
    /// All of it, without keeping the aspect ratio.
    Whole,
}

/// The pixels do not match the picture's size.
#[derive(Debug, Error)]
pub(crate) enum InputError {
    #[error("the picture's buffer does not fit its size")]
    Buffer,
    #[error("the picture cannot be resized")]
    Resize(#[from] ResizeError),
}

/// The side of the copy on which colours are judged, which averages out noise.
const COLOUR_SIDE: usize = 96;
/// A pixel whose primary colours differ by more is coloured: 0.04 of 255.
const GREYEST: u8 = 10;

/// The input of a network: planes of red, green and blue.
pub(crate) fn planes(
    picture: &Picture,
    network: &Network,
    view: View,
) -> Result<Vec<f32>, InputError> {
    let pixels = resized(picture, network.width, network.height, view)?;
    Ok(normalised(&pixels))
}

/// Whether less than a hundredth of the picture is coloured.
pub(crate) fn is_black_and_white(picture: &Picture) -> Result<bool, InputError> {
    let pixels = resized(picture, COLOUR_SIDE, COLOUR_SIDE, View::Whole)?;
    let (pixels, _) = pixels.as_chunks::<3>();
    let is_coloured = |[r, g, b]: &&[u8; 3]| {
        let (strongest, weakest) = (r.max(g).max(b), r.min(g).min(b));
        strongest - weakest > GREYEST
    };
    Ok(pixels.iter().filter(is_coloured).count() * 100 < pixels.len())
}

/// Resizes with a cubic filter that averages over all covered pixels.
fn resized(
    picture: &Picture,
    to_width: usize,
    to_height: usize,
    view: View,
) -> Result<Vec<u8>, InputError> {
    let (width, height) = (picture.scaled_width, picture.scaled_height);
    let source = TypedImageRef::<U8x3>::from_buffer(width, height, &picture.pixels)
        .map_err(|_| InputError::Buffer)?;
    let side = |side: usize| u32::try_from(side).map_err(|_| InputError::Buffer);
    let mut pixels = vec![0; 3 * to_width * to_height];
    let mut target =
        TypedImage::<U8x3>::from_buffer(side(to_width)?, side(to_height)?, &mut pixels)
            .map_err(|_| InputError::Buffer)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    let options = match view {
        View::Whole => options,
        View::Centre => {
            let (width, height) = (f64::from(width), f64::from(height));
            let side = width.min(height);
            options.crop((width - side) / 2.0, (height - side) / 2.0, side, side)
        }
    };
    Resizer::new().resize_typed(&source, &mut target, &options)?;
    drop(target);
    Ok(pixels)
}

/// Normalised planes of red, green and blue.
fn normalised(pixels: &[u8]) -> Vec<f32> {
    let (pixels, _) = pixels.as_chunks::<3>();
    let mut planes = vec![0.0; 3 * pixels.len()];
    let (red, others) = planes.split_at_mut(pixels.len());
    let (green, blue) = others.split_at_mut(pixels.len());
    // One product and one difference for each sample: divisions would take as long as the resizing.
    let [of_red, of_green, of_blue] =
        COLOURS.map(|(mean, deviation)| (1.0 / (255.0 * deviation), mean / deviation));
    let normal = |sample: u8, (scale, shift)| f32::from(sample) * scale - shift;
    for ((([r, g, b], red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
        *red = normal(*r, of_red);
        *green = normal(*g, of_green);
        *blue = normal(*b, of_blue);
    }
    planes
}

#[cfg(test)]
mod tests {
    use domain::MediaType;

    use super::*;

    /// A picture of 100 x 100 pixels, whose first rows have that colour; the others are grey.
    fn picture(rows: usize, colour: [u8; 3]) -> Picture {
        let grey = (rows..100).flat_map(|row| [[u8::try_from(row).unwrap(); 3]; 100]);
        let pixels = [colour].into_iter().cycle().take(100 * rows).chain(grey);
        Picture {
            media_type: MediaType::Png,
            width: 100,
            height: 100,
            scaled_width: 100,
            scaled_height: 100,
            pixels: pixels.flatten().collect(),
            as_uploaded: None,
        }
    }

    #[test]
    fn a_picture_is_black_and_white_up_to_a_faint_tint() {
        for (rows, colour, expected) in [
            (0, [0; 3], true),
            (100, [128, 138, 131], true),
            (100, [128, 139, 131], false),
            (100, [255, 0, 0], false),
            (0, [255, 0, 0], true),
            (3, [255, 0, 0], false),
        ] {
            let found = is_black_and_white(&picture(rows, colour)).unwrap();
            assert_eq!(found, expected, "{rows} rows of {colour:?}");
        }
    }

    #[test]
    fn colours_become_planes() {
        let planes = normalised(&[0, 255, 51, 255, 0, 51]);
        let expected = [
            (0.0 - 0.485) / 0.229,
            (1.0 - 0.485) / 0.229,
            (1.0 - 0.456) / 0.224,
            (0.0 - 0.456) / 0.224,
            (0.2 - 0.406) / 0.225,
            (0.2 - 0.406) / 0.225,
        ];
        for (found, expected) in planes.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6_f32, "{planes:?}");
        }
        assert_eq!(planes.len(), 6);
    }
}
