//! How large bodies may be, and how much memory they take.

use crate::{
    error::BodyError,
    kind::BodyKind,
    multipart::{ENVELOPE, HEAD},
    scanner::SKELETON,
};

/// What a body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// The largest image, in bytes.
    pub image_bytes: usize,
}

impl BodyLimits {
    /// The largest body of that kind, in bytes. Base64 is a third longer than the image; line breaks and
    /// escapes make it up to an eighth longer again; a prefix, other members and the headers of a part want
    /// room too.
    pub fn body_bytes(self, kind: &BodyKind) -> u64 {
        let image = self.image_bytes as u64;
        match kind {
            BodyKind::Json => (image / 3 + 1) * 4 / 8 * 9 + SKELETON as u64,
            BodyKind::Raw => image,
            BodyKind::Multipart(_) => image + ENVELOPE as u64,
        }
    }

    /// Checks how long a body is, or says it is.
    pub fn check_length(self, kind: &BodyKind, length: u64) -> Result<(), BodyError> {
        let most = self.body_bytes(kind);
        if length <= most {
            return Ok(());
        }
        Err(match kind {
            BodyKind::Raw => BodyError::ImageTooLarge(self.image_bytes),
            BodyKind::Json | BodyKind::Multipart(_) => BodyError::BodyTooLarge(most),
        })
    }

    /// How much memory a body of that length can take while it is read, in bytes, [`buffers`] included. A
    /// body of unknown length can take the most.
    pub fn memory(self, kind: &BodyKind, length: Option<u64>) -> u64 {
        let body = length.unwrap_or(u64::MAX).min(self.body_bytes(kind));
        let beside = body.min(match kind {
            BodyKind::Json => SKELETON as u64,
            BodyKind::Raw => 0,
            BodyKind::Multipart(_) => HEAD as u64,
        });
        // What grows by doubling takes up to twice what is in it.
        self.image(kind, body) + 2 * beside + buffers(length)
    }

    /// The largest image in a body of that length, in bytes.
    fn image(self, kind: &BodyKind, length: u64) -> u64 {
        let image = match kind {
            BodyKind::Json => length.saturating_sub(SKELETON as u64) / 4 * 3 + 3,
            BodyKind::Raw | BodyKind::Multipart(_) => length,
        };
        image.min(self.image_bytes as u64)
    }

    /// Room for the image of a body of that length, so that it never moves while it grows.
    pub(crate) fn room(self, kind: &BodyKind, length: Option<u64>) -> usize {
        let length = length.unwrap_or(u64::MAX);
        let image = match kind {
            BodyKind::Json => length / 4 * 3 + 3,
            BodyKind::Raw | BodyKind::Multipart(_) => length,
        };
        usize::try_from(image).map_or(self.image_bytes, |image| image.min(self.image_bytes))
    }
}

/// Most that is buffered of a body before it is taken, in bytes: 128 KiB of text in the HTTP library's read
/// buffer, up to 160 KiB in its queue of pieces, and a decoded piece here.
const MOST_BUFFERED: u64 = 384 << 10;

/// What a connection costs at least while a body is read, in bytes.
const LEAST_BUFFERED: u64 = 16 << 10;

/// How much memory the buffers of a body of that length take, in bytes.
pub fn buffers(length: Option<u64>) -> u64 {
    let length = length.unwrap_or(u64::MAX);
    length
        .saturating_mul(2)
        .clamp(LEAST_BUFFERED, MOST_BUFFERED)
}
