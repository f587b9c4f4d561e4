//! `[limits]`: what an upload may cost.

use std::{num::NonZeroUsize, time::Duration};

use super::{
    HOUR, SECOND,
    error::{SettingsError, ValueError},
    values::Values,
};

/// The most bytes an image may have, whatever is set: it is in memory as a whole.
const MAX_IMAGE: u64 = 1 << 30;

/// The most memory that uploads may hold, for files as for pixels.
const MAX_MEMORY: u64 = 1 << 40;

/// The least memory for pixels: enough for a small picture.
const MIN_PIXEL_BYTES: u64 = 1 << 20;

/// The shortest time in which anything can be decoded.
const MIN_DECODE_TIMEOUT: Duration = Duration::from_millis(1);

/// The most pixels that a decoder is trusted with.
const MAX_PIXELS: u64 = 1 << 32;

/// The highest rate that may be asked of an upload, in bytes a second.
const MAX_RATE: u64 = 1 << 30;
/// The most work that a picture may be allowed.
const MAX_WORK: u64 = 1 << 40;

/// The section `[limits]`.
#[derive(Debug, Clone)]
pub struct LimitsSettings {
    /// Largest image, in bytes.
    pub image_bytes: NonZeroUsize,
    /// Largest image in pixels, width times height.
    pub image_pixels: u64,
    /// Most units of work that an image may cost.
    pub image_work: u64,
    /// How long the work on an image may take.
    pub decode_timeout: Duration,
    /// Bytes of memory that the pixels of all images may take together.
    pub pixel_bytes: u64,
    /// Bytes of memory that the files of all uploads may take together; at least one image.
    pub memory_bytes: NonZeroUsize,
    /// Lowest mean rate of an upload, in bytes a second; 0 is none.
    pub upload_rate: u64,
    /// How long a client may take to send its request.
    pub request_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub unread_timeout: Duration,
    /// How long a connection without a request is kept.
    pub idle_timeout: Duration,
}

impl LimitsSettings {
    pub(super) fn read(values: &Values) -> Result<Self, SettingsError> {
        let limits = Self {
            image_bytes: values.count("limits.image_bytes", MAX_IMAGE)?,
            image_pixels: values.whole("limits.image_pixels", 1..=MAX_PIXELS)?,
            image_work: values.whole("limits.image_work", 1..=MAX_WORK)?,
            decode_timeout: values.duration("limits.decode_timeout", MIN_DECODE_TIMEOUT..=HOUR)?,
            memory_bytes: values.count("limits.memory_bytes", MAX_MEMORY)?,
            upload_rate: values.whole("limits.upload_rate", 0..=MAX_RATE)?,
            pixel_bytes: values.whole("limits.pixel_bytes", MIN_PIXEL_BYTES..=MAX_MEMORY)?,
            request_timeout: values.duration("limits.request_timeout", SECOND..=HOUR)?,
            unread_timeout: values.duration("limits.unread_timeout", SECOND..=HOUR)?,
            idle_timeout: values.duration("limits.idle_timeout", SECOND..=HOUR)?,
        };
        if limits.memory_bytes < limits.image_bytes {
            let problem = ValueError::LessThan {
                value: limits.memory_bytes.get(),
                other: "limits.image_bytes",
                least: limits.image_bytes.get(),
            };
            return Err(values.impossible("limits.memory_bytes", problem));
        }
        Ok(limits)
    }
}
