//! Settings of the codec.

use std::time::Duration;

use crate::work::DEFAULT_WORK;

/// Settings of a [`PictureCodec`](crate::PictureCodec).
#[derive(Debug, Clone, Copy)]
pub struct CodecSettings {
    /// Most pixels of an original, width times height.
    pub max_pixels: u64,
    /// The memory budget for the pixels of all pictures being decoded or held, in bytes. Never exceeded: a
    /// picture that needs more than all of it is refused.
    pub pixel_bytes: u64,
    /// The work limit of a picture, in units.
    pub max_work: u64,
    /// The time limit of the work on a picture, not counting the wait for its turn.
    pub decode_timeout: Duration,
    /// How many pictures are processed concurrently, not counting the turn for a cheap one; 0 means the
    /// number of cores.
    pub jobs: usize,
    /// Quality of encoded copies, from 1 to 100.
    pub jpeg_quality: u8,
}

impl Default for CodecSettings {
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            pixel_bytes: 256 * 1024 * 1024,
            max_work: DEFAULT_WORK,
            decode_timeout: Duration::from_secs(30),
            jobs: 0,
            jpeg_quality: 85,
        }
    }
}
