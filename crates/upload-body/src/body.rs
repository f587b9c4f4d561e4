//! The body of an upload, taken apart while it arrives: the picture, its size and its digest at once.
//!
//! What is held is the picture and little beside it, never the text on the wire.

use crate::{
    error::BodyError,
    image::{Arrived, Base64, Decoding, Received},
    kind::BodyKind,
    limits::BodyLimits,
    multipart::{FilePart, Multipart, MultipartError},
    scanner::{Scanner, Source},
    streamed::StreamedBody,
};

/// What a body turned out to be.
#[derive(Debug)]
pub enum Content {
    /// An image.
    Image(Received),
    /// The URL of one, as the client wrote it: at most a megabyte of any text.
    Url(String),
}

/// A body that is arriving.
pub struct Body {
    kind: BodyKind,
    limits: BodyLimits,
    taken: u64,
    reader: Reader,
    image: Arrived,
}

/// Extracts the image from a body.
enum Reader {
    Json(Box<(Scanner, Base64)>),
    Raw,
    Multipart(Box<Multipart>),
}

impl Body {
    /// Begins a body of that kind, of that length where it is known.
    pub fn new(kind: BodyKind, limits: BodyLimits, length: Option<u64>) -> Self {
        let reader = match &kind {
            BodyKind::Json => Reader::Json(Box::new((Scanner::new(), Base64::new()))),
            BodyKind::Raw => Reader::Raw,
            BodyKind::Multipart(boundary) => Reader::Multipart(Box::new(Multipart::new(boundary))),
        };
        Self {
            image: Arrived::new(limits.image_bytes, limits.room(&kind, length)),
            kind,
            limits,
            taken: 0,
            reader,
        }
    }

    /// Ends the body.
    pub fn finish(self) -> Result<Content, BodyError> {
        let Self {
            reader, mut image, ..
        } = self;
        let file_name = match reader {
            Reader::Json(json) => {
                let (scanner, base64) = *json;
                if let Source::Url(url) = scanner.finish()? {
                    return Ok(Content::Url(url));
                }
                base64.finish(&mut image)?;
                None
            }
            Reader::Raw if image.is_empty() => return Err(BodyError::Empty),
            Reader::Raw => None,
            Reader::Multipart(multipart) => {
                let FilePart { name, file_name } = multipart.finish()?;
                if image.is_empty() {
                    return Err(MultipartError::EmptyFile(name).into());
                }
                file_name
            }
        };
        Ok(Content::Image(Received::new(image, file_name)))
    }
}

impl StreamedBody for Body {
    fn push(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.taken += piece.len() as u64;
        self.limits.check_length(&self.kind, self.taken)?;
        let image = &mut self.image;
        match &mut self.reader {
            Reader::Json(json) => {
                let (scanner, base64) = &mut **json;
                scanner.push(piece, &mut Decoding { base64, image })
            }
            Reader::Raw => image.add(piece),
            Reader::Multipart(multipart) => multipart.push(piece, image),
        }
    }

    fn held(&self) -> u64 {
        let beside = match &self.reader {
            Reader::Json(json) => json.0.held(),
            Reader::Raw => 0,
            Reader::Multipart(multipart) => multipart.held(),
        };
        (self.image.len() + beside) as u64
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;
    use domain::ContentDigest;
    use proptest::prelude::*;

    use super::*;
    use crate::{decoder::TextError, kind::Boundary, scanner::DocumentError};

    const LIMITS: BodyLimits = BodyLimits {
        image_bytes: 30_000,
    };

    fn take(document: &[u8], pieces: usize) -> Result<Received, BodyError> {
        take_as(BodyKind::Json, document, pieces)
    }

    fn take_as(kind: BodyKind, bytes: &[u8], pieces: usize) -> Result<Received, BodyError> {
        let need = LIMITS.memory(&kind, Some(bytes.len() as u64));
        let mut body = Body::new(kind, LIMITS, Some(bytes.len() as u64));
        for piece in bytes.chunks(pieces.max(1)) {
            body.push(piece)?;
            assert!(body.held() <= need);
        }
        match body.finish()? {
            Content::Image(image) => Ok(image),
            Content::Url(url) => panic!("{url} in place of an image"),
        }
    }

    #[test]
    fn json_may_name_a_url_in_place_of_data() {
        let url = |document: &str| -> Result<String, BodyError> {
            let mut body = Body::new(BodyKind::Json, LIMITS, None);
            body.push(document.as_bytes())?;
            match body.finish()? {
                Content::Url(url) => Ok(url),
                Content::Image(image) => panic!("{image:?}"),
            }
        };
        let error = |document: &str| url(document).unwrap_err();
        assert_eq!(url(r#"{"url":"https:\/\/a/b"}"#).unwrap(), "https://a/b");
        assert_eq!(url(r#"{"note":{"url":1},"url":""}"#).unwrap(), "");
        let both = error(r#"{"url":"https://a","data":"QUJD"}"#);
        assert_eq!(both, BodyError::Document(DocumentError::Both));
        for document in [r#"{"url":5}"#, r#"{"url":["https://a"]}"#] {
            let expected = BodyError::Document(DocumentError::UrlNotText);
            assert_eq!(error(document), expected);
        }
        let neither = error(r#"{"url":null}"#);
        assert_eq!(neither, BodyError::Document(DocumentError::Missing));
        assert!(take(br#"{"url":null,"data":"QUJD"}"#, 5).is_ok());
    }

    fn multipart() -> BodyKind {
        BodyKind::Multipart(Boundary::parse("b").unwrap())
    }

    /// A multipart body with that file.
    fn form(file: &[u8]) -> Vec<u8> {
        let head = "--b\r\nContent-Disposition: form-data; name=f; filename=a.jpg\r\n\r\n";
        [head.as_bytes(), file, b"\r\n--b--\r\n"].concat()
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
            assert!(body.len() as u64 <= LIMITS.body_bytes(&BodyKind::Json));
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
        let most = LIMITS.body_bytes(&BodyKind::Json);
        assert_eq!(LIMITS.check_length(&BodyKind::Json, most), Ok(()));
        assert_eq!(
            LIMITS.check_length(&BodyKind::Json, most + 1),
            Err(BodyError::BodyTooLarge(most))
        );
        let mut body = Body::new(BodyKind::Json, LIMITS, None);
        let blanks = vec![b' '; usize::try_from(most).unwrap()];
        assert_eq!(body.push(&blanks), Ok(()));
        assert_eq!(body.push(b" "), Err(BodyError::BodyTooLarge(most)));
    }

    #[test]
    fn bytes_and_files_are_bounded_as_images_are() {
        let largest = vec![7; LIMITS.image_bytes];
        let larger = vec![7; LIMITS.image_bytes + 1];
        let error = BodyError::ImageTooLarge(LIMITS.image_bytes);
        for (kind, taken, refused) in [
            (BodyKind::Raw, largest.clone(), larger.clone()),
            (multipart(), form(&largest), form(&larger)),
        ] {
            let received = take_as(kind.clone(), &taken, 999).unwrap();
            assert_eq!(received.bytes.as_ref(), largest);
            assert_eq!(take_as(kind.clone(), &refused, 999).unwrap_err(), error);
            let most = LIMITS.body_bytes(&kind);
            assert_eq!(LIMITS.check_length(&kind, most), Ok(()));
            let refused = LIMITS.check_length(&kind, most + 1).unwrap_err();
            assert_eq!(refused.limit(), Some(most));
        }
    }

    #[test]
    fn a_picture_without_bytes_is_refused() {
        assert_eq!(
            take_as(BodyKind::Raw, b"", 1).unwrap_err(),
            BodyError::Empty
        );
        let error = take_as(multipart(), &form(b""), 1).unwrap_err();
        assert_eq!(error.to_string(), "the file of the part `f` is empty");
        assert_eq!(error.limit(), None);
    }

    #[test]
    fn json_can_hold_the_most() {
        let json = LIMITS.memory(&BodyKind::Json, None);
        for kind in [BodyKind::Raw, multipart()] {
            assert!(LIMITS.memory(&kind, None) < json);
        }
    }

    #[test]
    fn what_a_body_can_hold_is_bounded() {
        let limits = BodyLimits {
            image_bytes: 25 << 20,
        };
        assert!(limits.memory(&BodyKind::Json, Some(1000)) >= 1000);
        assert!(limits.memory(&BodyKind::Json, None) <= (28 << 20));
        assert_eq!(
            limits.memory(&BodyKind::Json, None),
            limits.memory(&BodyKind::Json, Some(u64::MAX))
        );
        // The largest picture that the first clients of the interface really send.
        assert!(limits.memory(&BodyKind::Json, Some(13_700_000)) < 12_500_000);
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

        #[test]
        fn bytes_and_files_arrive_as_they_were_sent(
            image in prop::collection::vec(any::<u8>(), 1..9000),
            pieces in 1usize..5000,
        ) {
            let (raw, form) = (BodyKind::Raw, form(&image));
            let raw = take_as(raw, &image, pieces).unwrap();
            let file = take_as(multipart(), &form, pieces).unwrap();
            for received in [&raw, &file] {
                prop_assert_eq!(received.digest, ContentDigest::of(&image));
                prop_assert_eq!(received.bytes.as_ref(), &image[..]);
            }
            prop_assert_eq!(raw.file_name, None);
            prop_assert_eq!(file.file_name.as_deref(), Some("a.jpg"));
        }
    }
}
