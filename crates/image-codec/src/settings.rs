//! How the codec works.

use std::time::Duration;

use crate::work::DEFAULT_WORK;

/// How a [`PictureCodec`](crate::PictureCodec) works.
#[derive(Debug, Clone, Copy)]
pub struct CodecSettings {
    /// Most pixels of an original, width times height.
    pub max_pixels: u64,
    /// Memory for the pixels of all pictures that are being decoded or are still held, in bytes. It is never
    /// exceeded: a picture that needs more than all of it is refused.
    pub pixel_bytes: u64,
    /// Most units of work that a picture may cost.
    pub max_work: u64,
    /// How long the work on a picture may take, not counting the wait for its turn.
    pub decode_timeout: Duration,
    /// How many pictures are worked on at a time, apart from one cheap one more; 0 means as many as there are
    /// processor cores.
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
