//! Small copies of pictures, for showing.

use std::num::NonZeroU32;

use thiserror::Error;

use crate::ContentDigest;

/// Names a rendition: a JPEG copy of an original, upright, in sRGB, without metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RenditionKey {
    /// Names the original.
    pub digest: ContentDigest,
    /// Its longest side at most.
    pub size: RenditionSize,
}

/// The longest side that a rendition has at most, in pixels: 128, 256, 512, 1024 or 2048.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionSize(NonZeroU32);

/// The number is none of the sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is none of 128, 256, 512, 1024, 2048")]
pub struct RenditionSizeError;

impl RenditionSize {
    /// All sizes, the smallest first.
    pub const ALL: [Self; 5] = [
        Self::of(128),
        Self::of(256),
        Self::of(512),
        Self::of(1024),
        Self::of(2048),
    ];

    /// Takes one of the sizes.
    pub fn new(pixels: u32) -> Result<Self, RenditionSizeError> {
        let found = Self::ALL.into_iter().find(|size| size.0.get() == pixels);
        found.ok_or(RenditionSizeError)
    }

    /// The longest side in pixels.
    pub fn pixels(self) -> NonZeroU32 {
        self.0
    }

    const fn of(pixels: u32) -> Self {
        match NonZeroU32::new(pixels) {
            Some(pixels) => Self(pixels),
            None => Self(NonZeroU32::MIN),
        }
    }
}

impl Default for RenditionSize {
    /// 256.
    fn default() -> Self {
        Self::of(256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five_sizes() {
        for pixels in [128, 256, 512, 1024, 2048] {
            assert_eq!(RenditionSize::new(pixels).unwrap().pixels().get(), pixels);
        }
        for pixels in [0, 1, 255, 257, 4096] {
            assert_eq!(RenditionSize::new(pixels), Err(RenditionSizeError));
        }
    }
}
