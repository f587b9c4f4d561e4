//! What the parameters of a coded picture tell before it is decoded.

use domain::MediaType::Heic;
use heifer_hevc_dec::params::Sps;

use crate::{decode_error::DecodeError, raster::buffer_size};

/// The largest depth of samples, in bits.
const MOST_BITS: u8 = 12;

/// The profiles that the decoder knows: Main, Main 10, Main Still Picture, Range Extensions.
const PROFILES: std::ops::RangeInclusive<u8> = 1..=4;

/// The size of a picture as shown, in pixels.
pub(super) fn size(sps: &Sps) -> (u32, u32) {
    sps.output_size()
}

/// Refuses what the decoder does not know, or would decode wrongly.
pub(super) fn check(sps: &Sps) -> Result<(), DecodeError> {
    let unsupported = |what| Err(DecodeError::unsupported(Heic, what));
    if !PROFILES.contains(&sps.profile_tier_level.general_profile_idc) {
        return unsupported("it is of an unknown profile of HEVC");
    }
    if sps.separate_colour_plane_flag {
        return unsupported("its colours are coded one by one");
    }
    if sps.bit_depth_luma.max(sps.bit_depth_chroma) > MOST_BITS {
        return unsupported("it has more than 12 bits");
    }
    Ok(())
}

/// Pixels of a picture as coded: in whole blocks.
pub(super) fn coded_pixels(sps: &Sps) -> u64 {
    buffer_size(
        sps.pic_width_in_luma_samples,
        sps.pic_height_in_luma_samples,
        1,
    )
}

/// Bytes of the samples of a decoded picture.
pub(super) fn sample_bytes(sps: &Sps) -> u64 {
    let (across, down) = sps.chroma_subsampling();
    let luma = coded_pixels(sps);
    let chroma = match sps.chroma_array_type() {
        0 => 0,
        _ => 2 * (luma / u64::from(across * down)),
    };
    2 * (luma + chroma)
}

/// Memory of decoding a picture besides its samples, in bytes: a second copy of luma for the last filter, or of all
/// if the picture is cropped, and what is known of each block.
pub(super) fn decoder_bytes(sps: &Sps) -> u64 {
    let pixels = coded_pixels(sps);
    let copy = match sps.conf_win_offsets {
        [0, 0, 0, 0] => 2 * pixels,
        _ => sample_bytes(sps),
    };
    copy.saturating_add(2 * pixels)
}
