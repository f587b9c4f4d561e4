//! Decoded and encoded pictures.

use std::{any::Any, fmt, ops::Deref};

use bytes::Bytes;

use crate::{MediaType, PerceptualHash};

/// A decoded picture: oriented by EXIF, flattened to RGB, downscaled.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The media type of the original.
    pub media_type: MediaType,
    /// Width of the original in pixels, after orientation.
    pub width: u32,
    /// Height of the original in pixels, after orientation.
    pub height: u32,
    /// Width of the downscaled copy in pixels.
    pub scaled_width: u32,
    /// Height of the downscaled copy in pixels.
    pub scaled_height: u32,
    /// The downscaled copy: rows from the top, three bytes (red, green, blue; sRGB) a pixel.
    pub pixels: Vec<u8>,
    /// The original file, if the copy has exactly its pixels: neither scaled nor rotated.
    pub as_uploaded: Option<Bytes>,
}

/// A picture with the lease on the memory of its pixels, released on drop.
#[derive(Debug)]
pub struct DecodedPicture {
    picture: Picture,
    hash: Option<PerceptualHash>,
    _lease: Lease,
}

impl DecodedPicture {
    /// A picture whose pixels are accounted for by `lease`.
    pub fn new(picture: Picture, lease: Lease) -> Self {
        Self {
            picture,
            hash: None,
            _lease: lease,
        }
    }

    /// The picture with its perceptual hash; `None` if it has too little structure for one.
    #[must_use]
    pub fn with_hash(self, hash: Option<PerceptualHash>) -> Self {
        Self { hash, ..self }
    }

    /// Its perceptual hash, if it has one.
    pub fn hash(&self) -> Option<PerceptualHash> {
        self.hash
    }

    /// The pixels of the copy, to be changed in place.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.picture.pixels
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

/// An opaque guard, such as a share of a memory budget, held until this is dropped.
#[derive(Default)]
pub struct Lease(Option<Box<dyn Any + Send + Sync>>);

impl Lease {
    /// Takes any guard that releases on drop.
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

/// A picture file as sent to a blob host or a tag provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPicture {
    /// The format of the file.
    pub media_type: MediaType,
    /// The complete file, ready to be sent.
    pub bytes: Bytes,
}
