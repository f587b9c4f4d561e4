//! Decoded pictures, and what is sent of them.

use std::{any::Any, fmt, ops::Deref};

use bytes::Bytes;

use crate::MediaType;

/// A picture decoded from an original: oriented as it is shown, flattened to RGB, downscaled.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The media type of the original.
    pub media_type: MediaType,
    /// Pixels across of the original, as it is shown.
    pub width: u32,
    /// Pixels down of the original, as it is shown.
    pub height: u32,
    /// Pixels across of the downscaled copy.
    pub scaled_width: u32,
    /// Pixels down of the downscaled copy.
    pub scaled_height: u32,
    /// The downscaled copy: rows from the top, three bytes (red, green, blue; sRGB) a pixel.
    pub pixels: Vec<u8>,
    /// The original, if the copy has the very same pixels: neither scaled nor turned.
    pub as_uploaded: Option<Bytes>,
}

/// A picture with the memory that was granted for its pixels, given back when this is dropped.
#[derive(Debug)]
pub struct DecodedPicture {
    picture: Picture,
    _lease: Lease,
}

impl DecodedPicture {
    /// A picture whose pixels are in the memory of that lease.
    pub fn new(picture: Picture, lease: Lease) -> Self {
        Self {
            picture,
            _lease: lease,
        }
    }
}

/// A picture whose memory is not accounted for.
impl From<Picture> for DecodedPicture {
    fn from(picture: Picture) -> Self {
        Self::new(picture, Lease::default())
    }
}

impl Deref for DecodedPicture {
    type Target = Picture;

    fn deref(&self) -> &Picture {
        &self.picture
    }
}

/// Something that is held for as long as this lives, such as a share of a memory budget.
#[derive(Default)]
pub struct Lease(Option<Box<dyn Any + Send + Sync>>);

impl Lease {
    /// Holds a guard.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Some(Box::new(guard)))
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Lease(held)"
        } else {
            "Lease(none)"
        })
    }
}

/// The bytes of a picture file, as they are sent to a blob host or a tag provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPicture {
    /// The kind of picture.
    pub media_type: MediaType,
    /// The file.
    pub bytes: Bytes,
}
