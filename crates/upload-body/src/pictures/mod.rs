//! JSON with several pictures: `{"id": "…", "images": ["data:image/jpeg;base64,…", "https://…"], "url": "https://…"}`.

use std::ops::Range;

use domain::ContentDigest;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    error::{BodyError, LONGEST_URL, MAX_PICTURES, PicturesError},
    held::Held,
    image::{Arrived, Base64, Decoding},
    kind::BodyKind,
    limits::BodyLimits,
    scanner::{DocumentError, IMAGES, Scanner, TextSink},
    streamed::StreamedBody,
};

/// The schemes of URLs that are fetched. A text that begins otherwise is base64, perhaps of a data URL.
const SCHEMES: [&str; 2] = ["http:", "https:"];

/// From so many bytes on it is known what a text is.
const TELLING: usize = "https:".len();

/// One of several pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// These of the bytes of all, and their digest.
    Bytes(Range<usize>, ContentDigest),
    /// At this URL, as the client wrote it.
    Url(String),
}

/// The pictures that have arrived, at least one.
#[derive(Debug)]
pub struct Pictures {
    /// The bytes of all pictures, one behind the other.
    pub bytes: Held,
    /// The pictures in their order.
    pub list: Vec<Picture>,
    /// What the client calls its request, if it is a text.
    pub id: Option<String>,
}

/// A document with pictures that is arriving.
pub struct PicturesBody {
    limits: BodyLimits,
    taken: u64,
    scanner: Scanner,
    found: Found,
}

/// The pictures found so far.
struct Found {
    image: Arrived,
    list: Vec<Picture>,
    /// Where the current picture begins.
    start: usize,
    current: Current,
}

/// The text that is being read.
enum Current {
    /// Its first bytes.
    Undecided(Vec<u8>),
    Base64(Box<Base64>),
    Url(Vec<u8>),
}

#[derive(Deserialize)]
struct Skeleton<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
}

/// A member that is a text which is not empty.
fn text_of(value: Option<&RawValue>) -> Option<String> {
    let text: String = serde_json::from_str(value?.get()).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

impl PicturesBody {
    /// Begins a document, of that length where it is known. Its pictures together, and all of it, are bounded like a
    /// document with one picture.
    ///
    /// # Errors
    /// If it is longer than that.
    pub fn new(limits: BodyLimits, length: Option<u64>) -> Result<Self, BodyError> {
        limits.check_length(&BodyKind::Json, length.unwrap_or(0))?;
        let image = Arrived::new(limits.image_bytes, limits.room(&BodyKind::Json, length));
        Ok(Self {
            limits,
            taken: 0,
            scanner: Scanner::of(IMAGES),
            found: Found {
                image,
                list: Vec::new(),
                start: 0,
                current: Current::undecided(),
            },
        })
    }

    /// How much memory a document of that length can take while it is read, in bytes.
    pub fn memory(limits: BodyLimits, length: Option<u64>) -> u64 {
        limits.memory(&BodyKind::Json, length)
    }

    /// Ends the document.
    ///
    /// # Errors
    /// If it has no picture.
    pub fn finish(self) -> Result<Pictures, BodyError> {
        let Self {
            scanner, mut found, ..
        } = self;
        let Skeleton { id, url } = scanner
            .read()
            .map_err(BodyError::from)
            .map_err(of_pictures)?;
        if found.list.is_empty() {
            let url = text_of(url).ok_or(PicturesError::Missing)?;
            found.list.push(Picture::Url(url));
        }
        let (bytes, _) = found.image.finish();
        Ok(Pictures {
            bytes,
            list: found.list,
            id: text_of(id),
        })
    }
}

impl StreamedBody for PicturesBody {
    fn push(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.taken += piece.len() as u64;
        self.limits.check_length(&BodyKind::Json, self.taken)?;
        let pushed = self.scanner.push(piece, &mut self.found);
        pushed.map_err(of_pictures)
    }

    fn held(&self) -> u64 {
        (self.found.held() + self.scanner.held()) as u64
    }
}

/// What is wrong with a document, of which the other one would speak of another member.
fn of_pictures(error: BodyError) -> BodyError {
    match error {
        BodyError::Document(DocumentError::NotText) => PicturesError::NotTexts.into(),
        BodyError::Document(DocumentError::Repeated) => PicturesError::Repeated.into(),
        BodyError::Document(error) => PicturesError::Document(error).into(),
        error => error,
    }
}

impl Current {
    fn undecided() -> Self {
        Self::Undecided(Vec::with_capacity(TELLING))
    }
}

impl Found {
    fn held(&self) -> usize {
        let urls = self.list.iter().map(|picture| match picture {
            Picture::Url(url) => url.len(),
            Picture::Bytes(..) => 0,
        });
        self.image.len() + urls.sum::<usize>()
    }

    /// Tells from the first bytes of a text what it is.
    fn decide(&mut self, start: &[u8]) -> Result<(), BodyError> {
        let is_of = |scheme: &&str| {
            let begins = start.get(..scheme.len());
            begins.is_some_and(|it| it.eq_ignore_ascii_case(scheme.as_bytes()))
        };
        self.current = if SCHEMES.iter().any(is_of) {
            Current::Url(Vec::new())
        } else {
            Current::Base64(Box::new(Base64::new()))
        };
        self.take(start)
    }

    fn take(&mut self, text: &[u8]) -> Result<(), BodyError> {
        match &mut self.current {
            Current::Undecided(start) => {
                start.extend_from_slice(text);
                if start.len() < TELLING {
                    return Ok(());
                }
                let start = std::mem::take(start);
                self.decide(&start)
            }
            Current::Base64(base64) => {
                let (base64, image) = (&mut **base64, &mut self.image);
                Decoding { base64, image }.text(text)
            }
            Current::Url(url) if url.len() + text.len() > LONGEST_URL => {
                Err(PicturesError::LongUrl.into())
            }
            Current::Url(url) => {
                url.extend_from_slice(text);
                Ok(())
            }
        }
    }

    /// The error of a text that is no picture.
    fn not_a_picture(&self, error: BodyError) -> BodyError {
        match error {
            BodyError::Document(_) | BodyError::Text(_) => {
                PicturesError::NotAPicture(self.list.len() + 1).into()
            }
            error => error,
        }
    }

    fn end_picture(&mut self) -> Result<Picture, BodyError> {
        if let Current::Undecided(start) = &mut self.current {
            let start = std::mem::take(start);
            self.decide(&start)?;
        }
        match std::mem::replace(&mut self.current, Current::undecided()) {
            Current::Url(url) => {
                let url = String::from_utf8(url).map_err(|_| DocumentError::NotUtf8)?;
                Ok(Picture::Url(url))
            }
            Current::Base64(base64) => {
                base64.finish(&mut self.image)?;
                let range = self.start..self.image.len();
                self.start = range.end;
                Ok(Picture::Bytes(range, self.image.take_digest()))
            }
            Current::Undecided(_) => Err(PicturesError::Missing.into()),
        }
    }
}

impl TextSink for Found {
    type Error = BodyError;

    fn text(&mut self, text: &[u8]) -> Result<(), BodyError> {
        if self.list.len() == MAX_PICTURES {
            return Err(PicturesError::TooMany.into());
        }
        self.take(text).map_err(|error| self.not_a_picture(error))
    }

    fn escaped(&mut self, character: char) -> Result<(), BodyError> {
        match character {
            '\n' | '\r' | '\t' | '\u{c}' => self.text(b" "),
            _ => self.text(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    fn end(&mut self) -> Result<(), BodyError> {
        if self.list.len() == MAX_PICTURES {
            return Err(PicturesError::TooMany.into());
        }
        let picture = self.end_picture();
        let picture = picture.map_err(|error| self.not_a_picture(error))?;
        self.list.push(picture);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
