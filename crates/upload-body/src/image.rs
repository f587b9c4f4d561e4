//! The bytes of an image as they are received.

use domain::{ContentDigest, ContentHasher};

use crate::{
    decoder::Decoder, error::BodyError, held::Held, multipart::FileSink, scanner::TextSink,
};

/// The base64 that is being decoded.
pub(crate) struct Base64 {
    decoder: Decoder,
    /// What was decoded last.
    piece: Vec<u8>,
    has_text: bool,
}

/// The image bytes received so far.
pub(crate) struct Arrived {
    limit: usize,
    hasher: ContentHasher,
    bytes: Held,
}

impl Base64 {
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            piece: Vec::new(),
            has_text: false,
        }
    }

    /// Whether there was any text.
    pub(crate) fn has_text(&self) -> bool {
        self.has_text
    }

    pub(crate) fn finish(mut self, image: &mut Arrived) -> Result<(), BodyError> {
        self.piece.clear();
        self.decoder.finish(&mut self.piece)?;
        image.add(&self.piece)
    }
}

impl Arrived {
    /// Nothing yet, of at most `limit` bytes, with room for so many.
    pub(crate) fn new(limit: usize, room: usize) -> Self {
        Self {
            limit,
            hasher: ContentHasher::default(),
            bytes: Held::with_room(room),
        }
    }

    /// The bytes, and their digest.
    pub(crate) fn finish(self) -> (Held, ContentDigest) {
        (self.bytes, self.hasher.finish())
    }

    /// The digest of what was added since the last one.
    pub(crate) fn take_digest(&mut self) -> ContentDigest {
        std::mem::take(&mut self.hasher).finish()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn add(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        if self.bytes.len() + piece.len() > self.limit {
            return Err(BodyError::ImageTooLarge(self.limit));
        }
        self.hasher.update(piece);
        self.bytes.extend(piece);
        Ok(())
    }
}

impl FileSink for Arrived {
    type Error = BodyError;

    fn file(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        self.add(bytes)
    }
}

/// Decodes base64 into the image.
pub(crate) struct Decoding<'b> {
    pub(crate) base64: &'b mut Base64,
    pub(crate) image: &'b mut Arrived,
}

impl TextSink for Decoding<'_> {
    type Error = BodyError;

    fn text(&mut self, text: &[u8]) -> Result<(), BodyError> {
        let Base64 {
            decoder,
            piece,
            has_text,
        } = &mut *self.base64;
        *has_text |= !text.is_empty();
        piece.clear();
        decoder.push(text, piece)?;
        self.image.add(piece)
    }

    fn escaped(&mut self, character: char) -> Result<(), BodyError> {
        match character {
            '\n' | '\r' | '\t' | '\u{c}' => self.text(b" "),
            ' '..='~' => self.text(character.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => Err(self.base64.decoder.refuse().into()),
        }
    }
}

/// An image that has arrived.
#[derive(Debug)]
pub struct Received {
    /// Its bytes.
    pub bytes: Held,
    /// Their SHA-256.
    pub digest: ContentDigest,
    /// The name of the file that a multipart body gave: without its path and control characters, at most 255
    /// bytes of UTF-8.
    pub file_name: Option<String>,
}

impl Received {
    pub(crate) fn new(image: Arrived, file_name: Option<String>) -> Self {
        let (bytes, digest) = image.finish();
        Self {
            bytes,
            digest,
            file_name,
        }
    }
}
