//! Decoded pixels.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    /// One: grey.
    Grey,
    /// Three: red, green, blue.
    Rgb,
}

impl Channels {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// Pixels of eight bits a channel, in the stored order of rows from the top.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    pub(crate) pixels: Vec<u8>,
}

impl Raster {
    /// Flips it vertically.
    pub(crate) fn flip(&mut self) {
        let length = self.width as usize * self.channels.count();
        let mut rest = self.pixels.as_mut_slice();
        while let Some((first, others)) = rest.split_at_mut_checked(length) {
            let Some(bottom) = others.len().checked_sub(length) else {
                return;
            };
            let (middle, last) = others.split_at_mut(bottom);
            first.swap_with_slice(last);
            rest = middle;
        }
    }
}

/// Bytes of a buffer of that many pixels.
pub(crate) fn buffer_size(width: u32, height: u32, bytes_per_pixel: u64) -> u64 {
    (u64::from(width) * u64::from(height)).saturating_mul(bytes_per_pixel)
}
