//! The base64 engines (RFC 4648, standard alphabet) that uploads and answers share.

use std::sync::LazyLock;

use ::base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
type Standard = ::base64::engine::Simd;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Standard = ::base64::engine::GeneralPurpose;

/// Encodes, with padding.
pub static ENCODER: LazyLock<Standard> = LazyLock::new(|| standard(GeneralPurposeConfig::new()));

/// Decodes whole and last groups without padding; bits that encode nothing must be zero.
pub(crate) static DECODER: LazyLock<Standard> = LazyLock::new(|| {
    standard(GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone))
});

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn standard(config: GeneralPurposeConfig) -> Standard {
    Standard::standard(config)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn standard(config: GeneralPurposeConfig) -> Standard {
    Standard::new(&::base64::alphabet::STANDARD, config)
}
