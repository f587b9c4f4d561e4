//! Embedded colour profiles (ICC), converted to sRGB within bounds.

use moxcms::{
    ColorProfile, DataColorSpace, Layout, ParsingOptions, Transform8BitExecutor, TransformOptions,
};

use crate::{metadata, panics::caught};

/// The largest profile that is read, in bytes. Those of displays and cameras have some kilobytes, with tables
/// of colours half a megabyte.
const MOST_PROFILE: usize = 1 << 20;

/// The largest table of colours that is read, in entries.
const MOST_TABLE: usize = 1 << 20;

/// The primaries of BT.2020, by their number in ITU-T H.273.
const BT_2020: u16 = 9;

/// Those of Display P3.
const DISPLAY_P3: u16 = 12;

/// Turns the pixels of a row into sRGB.
type Conversion = std::sync::Arc<Transform8BitExecutor>;

/// Converts RGB pixels, rows of `width`, from the profile embedded in their file to sRGB. Leaves them as they
/// are where there is no profile, where it cannot be read, and where it is none of RGB colours.
pub(crate) fn to_srgb(file: &[u8], pixels: &mut [u8], width: u32) {
    // A decoder of profiles that panics is the profile's fault.
    let converted = caught(|| {
        let conversion = match metadata::profile(file, MOST_PROFILE) {
            Some(profile) => conversion(&profile)?,
            None => to_srgb_from(&wide(file)?)?,
        };
        convert(&conversion, pixels, width)
    });
    if !matches!(converted, Ok(Some(()))) {
        tracing::debug!("no colour profile, or one that is not used");
    }
}

fn conversion(profile: &[u8]) -> Option<Conversion> {
    let options = ParsingOptions {
        max_profile_size: MOST_PROFILE + 1,
        max_allowed_clut_size: MOST_TABLE,
        ..ParsingOptions::default()
    };
    let profile = ColorProfile::new_from_slice_with_options(profile, options).ok()?;
    to_srgb_from(&profile)
}

/// The colours of a file that has no profile, but the number of wider ones than those of sRGB. What is stored for
/// a high dynamic range is shown as if it were for the usual one.
fn wide(file: &[u8]) -> Option<ColorProfile> {
    match metadata::primaries(file)? {
        BT_2020 => Some(ColorProfile::new_bt2020()),
        DISPLAY_P3 => Some(ColorProfile::new_display_p3()),
        _ => None,
    }
}

fn to_srgb_from(profile: &ColorProfile) -> Option<Conversion> {
    if profile.color_space != DataColorSpace::Rgb {
        return None;
    }
    profile
        .create_transform_8bit(
            Layout::Rgb,
            &ColorProfile::new_srgb(),
            Layout::Rgb,
            TransformOptions::default(),
        )
        .ok()
}

/// Converts row by row: a second copy of the picture would be memory that is not accounted for.
fn convert(conversion: &Conversion, pixels: &mut [u8], width: u32) -> Option<()> {
    let length = usize::try_from(width).ok()?.checked_mul(3)?;
    let mut before = vec![0; length];
    for row in pixels.chunks_exact_mut(length) {
        before.copy_from_slice(row);
        conversion.transform(&before, row).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder as _, RgbImage, codecs::png::PngEncoder};
    use proptest::prelude::*;

    use super::*;

    /// A picture of that colour with a profile.
    fn png(profile: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = PngEncoder::new(&mut file);
        encoder.set_icc_profile(profile.to_vec()).unwrap();
        RgbImage::new(2, 2).write_with_encoder(encoder).unwrap();
        file
    }

    fn converted(profile: &[u8]) -> Vec<u8> {
        let mut pixels = [200, 100, 50].repeat(4);
        to_srgb(&png(profile), &mut pixels, 2);
        pixels
    }

    fn encoded(profile: &ColorProfile) -> Vec<u8> {
        profile.encode().unwrap()
    }

    #[test]
    fn wide_colours_are_converted() {
        let pixels = converted(&encoded(&ColorProfile::new_display_p3()));
        // Display P3 is wider: the same numbers are a stronger red, which sRGB writes as more of it.
        let [red, green, blue] = pixels[..3] else {
            panic!("a pixel");
        };
        assert!(
            red > 205 && green < 100 && blue < 50,
            "{red} {green} {blue}"
        );
        assert_eq!(pixels[3..6], pixels[..3]);
    }

    #[test]
    fn srgb_stays_as_it_is() {
        let pixels = converted(&encoded(&ColorProfile::new_srgb()));
        let differences = pixels.iter().zip([200_u8, 100, 50].into_iter().cycle());
        for (left, right) in differences {
            assert!(left.abs_diff(right) <= 1);
        }
    }

    #[test]
    fn a_profile_that_is_none_of_rgb_is_ignored() {
        let grey = encoded(&ColorProfile::new_gray_with_gamma(2.2));
        assert_eq!(converted(&grey), [200, 100, 50].repeat(4));
    }

    #[test]
    fn a_broken_or_too_large_profile_is_ignored() {
        let sound = encoded(&ColorProfile::new_display_p3());
        let large = [sound.as_slice(), &vec![0; MOST_PROFILE]].concat();
        for profile in [b"no profile", &sound[..100], large.as_slice()] {
            assert_eq!(converted(profile), [200, 100, 50].repeat(4));
        }
    }

    proptest! {
        #[test]
        fn no_profile_panics(at in 0usize..600, byte in any::<u8>()) {
            let mut profile = encoded(&ColorProfile::new_display_p3());
            if let Some(there) = profile.get_mut(at) {
                *there = byte;
            }
            converted(&profile);
        }
    }
}
