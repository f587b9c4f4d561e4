//! The body of an upload, taken apart while it arrives: JSON, base64, size and digest at once.
//!
//! What is held is the decoded image and little beside it, never the text on the wire.

use domain::{ContentDigest, ContentHasher};
use thiserror::Error;

use crate::{
    decoder::{Decoder, TextError},
    held::Held,
    scanner::{DocumentError, SKELETON, Scanner, TextSink},
    syntax::SyntaxError,
};

/// What a body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// The largest image, in bytes.
    pub image_bytes: usize,
}

impl BodyLimits {
    /// The largest body, in bytes: base64 is a third longer than the image; line breaks and escapes
    /// make it up to an eighth longer again; a prefix and other members want room too.
    pub fn body_bytes(self) -> u64 {
        let image = self.image_bytes as u64;
        (image / 3 + 1) * 4 / 8 * 9 + SKELETON as u64
    }

    /// Checks how long a body is, or says it is.
    pub fn check_length(self, length: u64) -> Result<(), BodyError> {
        let most = self.body_bytes();
        if length > most {
            return Err(BodyError::BodyTooLarge(most));
        }
        Ok(())
    }

    /// How much memory a body of that length can take while it is read, in bytes, [`buffers`] included. A
    /// body of unknown length can take the most.
    pub fn memory(self, length: Option<u64>) -> u64 {
        let body = length.unwrap_or(u64::MAX).min(self.body_bytes());
        let beside = body.min(SKELETON as u64);
        let image = ((body - beside) / 4 * 3 + 3).min(self.image_bytes as u64);
        // What grows by doubling takes up to twice what is in it.
        image + 2 * beside + buffers(length)
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

/// Why a body was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is no JSON object with a text `data`.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The text is not base64.
    #[error(transparent)]
    Text(TextError),
    /// The image is too large.
    #[error("the image has more than the {0} bytes allowed")]
    ImageTooLarge(usize),
    /// The body is too large.
    #[error("the body has more than the {0} bytes allowed")]
    BodyTooLarge(u64),
}

impl BodyError {
    /// The limit that was exceeded, in bytes.
    pub fn limit(&self) -> Option<u64> {
        match self {
            Self::Document(error) => error.limit(),
            Self::Text(_) => None,
            Self::ImageTooLarge(limit) => Some(*limit as u64),
            Self::BodyTooLarge(limit) => Some(*limit),
        }
    }
}

impl From<TextError> for BodyError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Control(offset) => {
                let problem =
                    format!("a control character stands in `data` at its offset {offset}");
                Self::Document(DocumentError::NotJson(SyntaxError::new(problem)))
            }
            TextError::NotUtf8 => Self::Document(DocumentError::NotUtf8),
            error => Self::Text(error),
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
}

/// A body that is arriving.
pub struct Body {
    limits: BodyLimits,
    taken: u64,
    scanner: Scanner,
    image: Decoding,
}

/// The image that is being decoded.
struct Decoding {
    decoder: Decoder,
    /// What was decoded last.
    piece: Vec<u8>,
    decoded: Decoded,
}

/// What was decoded so far.
struct Decoded {
    limit: usize,
    hasher: ContentHasher,
    bytes: Held,
}

impl Body {
    /// Begins a body, of that length where it is known.
    pub fn new(limits: BodyLimits, length: Option<u64>) -> Self {
        Self {
            limits,
            taken: 0,
            scanner: Scanner::new(),
            image: Decoding {
                decoder: Decoder::new(),
                piece: Vec::new(),
                decoded: Decoded {
                    limit: limits.image_bytes,
                    hasher: ContentHasher::default(),
                    bytes: Held::with_room(room(limits, length)),
                },
            },
        }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.taken += piece.len() as u64;
        self.limits.check_length(self.taken)?;
        self.scanner.push(piece, &mut self.image)
    }

    /// How much memory it takes by now, in bytes.
    pub fn held(&self) -> u64 {
        (self.image.decoded.bytes.len() + self.scanner.held()) as u64
    }

    /// Ends the body.
    pub fn finish(self) -> Result<Received, BodyError> {
        self.scanner.finish()?;
        self.image.finish()
    }
}

/// Room for the image of a body of that length, so that it never moves while it grows.
fn room(limits: BodyLimits, length: Option<u64>) -> usize {
    let length = length.unwrap_or(u64::MAX);
    let image = usize::try_from(length / 4 * 3 + 3).unwrap_or(usize::MAX);
    image.min(limits.image_bytes)
}

impl Decoding {
    fn finish(mut self) -> Result<Received, BodyError> {
        self.piece.clear();
        self.decoder.finish(&mut self.piece)?;
        self.decoded.add(&self.piece)?;
        Ok(Received {
            bytes: self.decoded.bytes,
            digest: self.decoded.hasher.finish(),
        })
    }
}

impl Decoded {
    fn add(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        if self.bytes.len() + piece.len() > self.limit {
            return Err(BodyError::ImageTooLarge(self.limit));
        }
        self.hasher.update(piece);
        self.bytes.extend(piece);
        Ok(())
    }
}

impl TextSink for Decoding {
    type Error = BodyError;

    fn text(&mut self, text: &[u8]) -> Result<(), BodyError> {
        self.piece.clear();
        self.decoder.push(text, &mut self.piece)?;
        self.decoded.add(&self.piece)
    }

    fn escaped(&mut self, character: char) -> Result<(), BodyError> {
        match character {
            '\n' | '\r' | '\t' | '\u{c}' => self.text(b" "),
            ' '..='~' => self.text(character.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => Err(self.decoder.refuse().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;
    use proptest::prelude::*;

    use super::*;

    const LIMITS: BodyLimits = BodyLimits {
        image_bytes: 30_000,
    };

    fn take(document: &[u8], pieces: usize) -> Result<Received, BodyError> {
        let mut body = Body::new(LIMITS, Some(document.len() as u64));
        for piece in document.chunks(pieces.max(1)) {
            body.push(piece)?;
        }
        body.finish()
    }

    fn json(text: &str) -> Vec<u8> {
        serde_json::to_vec(&serde_json::json!({"note": "x", "data": text})).unwrap()
    }

    #[rstest::rstest]
    #[case("Q*", TextError::Character(1))]
    #[case("QUJD\u{8}", TextError::Character(4))]
    #[case("\u{8}", TextError::Character(0))]
    #[case("da\u{0}", TextError::Character(2))]
    #[case("QU\r\n*", TextError::Character(4))]
    #[case("", TextError::Empty(0))]
    fn names_the_offset_in_the_text(#[case] text: &str, #[case] error: TextError) {
        assert_eq!(take(&json(text), 7).unwrap_err(), BodyError::Text(error));
    }

    #[test]
    fn a_text_that_is_not_utf8_makes_no_document() {
        for document in [
            b"{\"data\":\"QU\xf1D\"}".as_slice(),
            b"{\"data\":\"data:\xff;base64,QUJD\"}",
        ] {
            for piece in [1, 100] {
                let error = take(document, piece).unwrap_err();
                assert_eq!(error, BodyError::Document(DocumentError::NotUtf8));
            }
        }
    }

    #[test]
    fn a_raw_control_character_is_no_json() {
        for document in [
            b"{\"data\":\"QU\nJD\"}".as_slice(),
            b"{\"data\":\"data:\n\"}",
        ] {
            let error = take(document, 100).unwrap_err();
            let BodyError::Document(DocumentError::NotJson(error)) = error else {
                panic!("{error:?}");
            };
            assert!(error.to_string().contains("a control character"), "{error}");
        }
    }

    #[test]
    fn takes_the_largest_image_however_it_is_written() {
        let image = vec![0xff; LIMITS.image_bytes];
        let text = BASE64_STANDARD.encode(&image);
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        let wrapped = format!("data:image/png;base64,{}\r\n", lines.join("\r\n"));
        for body in [
            json(&text),
            json(&wrapped),
            String::from_utf8(json(&wrapped))
                .unwrap()
                .replace('/', "\\/")
                .into_bytes(),
        ] {
            assert!(body.len() as u64 <= LIMITS.body_bytes());
            assert_eq!(take(&body, 1000).unwrap().bytes.as_ref(), image);
        }
    }

    #[test]
    fn refuses_a_larger_image_before_its_end() {
        let image = vec![0; LIMITS.image_bytes + 5000];
        let text = BASE64_STANDARD.encode(image);
        let document = format!("{{\"data\":\"{text}");
        let error = take(document.as_bytes(), 100).unwrap_err();
        assert_eq!(error, BodyError::ImageTooLarge(LIMITS.image_bytes));
    }

    #[test]
    fn refuses_a_larger_body_by_its_announcement_and_by_its_bytes() {
        let most = LIMITS.body_bytes();
        assert_eq!(LIMITS.check_length(most), Ok(()));
        assert_eq!(
            LIMITS.check_length(most + 1),
            Err(BodyError::BodyTooLarge(most))
        );
        let mut body = Body::new(LIMITS, None);
        let blanks = vec![b' '; usize::try_from(most).unwrap()];
        assert_eq!(body.push(&blanks), Ok(()));
        assert_eq!(body.push(b" "), Err(BodyError::BodyTooLarge(most)));
    }

    #[test]
    fn what_a_body_can_hold_is_bounded() {
        let limits = BodyLimits {
            image_bytes: 25 << 20,
        };
        assert!(limits.memory(Some(1000)) >= 1000);
        assert!(limits.memory(None) <= (28 << 20));
        assert_eq!(limits.memory(None), limits.memory(Some(u64::MAX)));
        // The largest picture that the first clients of the interface really send.
        assert!(limits.memory(Some(13_700_000)) < 12_500_000);
    }

    proptest! {
        #[test]
        fn what_arrives_is_what_was_sent(
            image in prop::collection::vec(any::<u8>(), 1..9000),
            pieces in 1usize..5000,
        ) {
            let received = take(&json(&BASE64_STANDARD.encode(&image)), pieces).unwrap();
            prop_assert_eq!(received.digest, ContentDigest::of(&image));
            prop_assert_eq!(received.bytes.as_ref(), &image[..]);
        }
    }
}
