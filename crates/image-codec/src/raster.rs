//! Decoded pixels on their way.

/// How many bytes make a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    /// One: grey.
    Grey,
    /// Three: red, green, blue.
    Rgb,
}

/// Pixels of eight bits a channel, rows from the top as they are stored in the file.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    pub(crate) pixels: Vec<u8>,
}

/// Bytes of a buffer for so many pixels.
pub(crate) fn buffer_size(width: u32, height: u32, bytes_per_pixel: u64) -> u64 {
    (u64::from(width) * u64::from(height)).saturating_mul(bytes_per_pixel)
}
