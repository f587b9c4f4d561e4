//! Forms with a picture among other fields: in `image` as a file, or in `image_base64` as text; encoded as
//! `multipart/form-data` or `application/x-www-form-urlencoded`.

mod fields;
mod url_encoded;

use self::{fields::Fields, url_encoded::UrlEncoded};
use crate::{
    error::{BodyError, FIELDS},
    image::{Arrived, Received},
    kind::{Boundary, ContentTypeError},
    limits::{BodyLimits, buffers},
    multipart::{ENVELOPE, HEAD, Multipart},
    parameters::Parameters,
    streamed::StreamedBody,
};

/// How a form is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormKind {
    /// `multipart/form-data` (RFC 7578).
    Multipart(Boundary),
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
}

/// A form that has arrived.
#[derive(Debug)]
pub struct Form {
    /// The picture, if there is one; it may be empty.
    pub picture: Option<Received>,
    /// The other fields in their order, names and values. What is not UTF-8 in them is replaced.
    pub fields: Vec<(String, String)>,
}

/// A form that is arriving.
pub struct FormBody {
    limits: BodyLimits,
    taken: u64,
    reader: Reader,
    fields: Fields,
}

enum Reader {
    Multipart(Box<Multipart>),
    UrlEncoded(UrlEncoded),
}

impl FormKind {
    /// The kind that a `Content-Type` names.
    ///
    /// # Errors
    /// If it is another one.
    pub fn from_content_type(value: &str) -> Result<Self, ContentTypeError> {
        let parameters = Parameters::parse(value);
        match parameters.main.to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Ok(Self::UrlEncoded),
            "multipart/form-data" => {
                let boundary = parameters.get("boundary");
                let boundary = boundary.ok_or(ContentTypeError::NoBoundary)?;
                Boundary::parse(boundary).map(Self::Multipart)
            }
            _ => Err(ContentTypeError::Unsupported),
        }
    }
}

impl FormBody {
    /// Begins a form of that kind, of that length where it is known.
    ///
    /// # Errors
    /// If it is too long.
    pub fn new(
        kind: &FormKind,
        limits: BodyLimits,
        length: Option<u64>,
    ) -> Result<Self, BodyError> {
        Self::check_length(limits, length.unwrap_or(0))?;
        let room = length.unwrap_or(u64::MAX).min(limits.image_bytes as u64);
        let room = usize::try_from(room).unwrap_or(limits.image_bytes);
        Ok(Self {
            limits,
            taken: 0,
            reader: match kind {
                FormKind::Multipart(boundary) => {
                    Reader::Multipart(Box::new(Multipart::of_form(boundary)))
                }
                FormKind::UrlEncoded => Reader::UrlEncoded(UrlEncoded::default()),
            },
            fields: Fields::new(Arrived::new(limits.image_bytes, room)),
        })
    }

    /// How much memory a form of that length can take while it is read, in bytes, [`buffers`] included.
    pub fn memory(limits: BodyLimits, length: Option<u64>) -> u64 {
        let length_or_most = length.unwrap_or(u64::MAX);
        let picture = length_or_most.min(limits.image_bytes as u64);
        // What grows by doubling takes up to twice what is in it.
        let beside = 2 * length_or_most.min((FIELDS + HEAD) as u64);
        picture + beside + buffers(length)
    }

    /// Checks how long a form is, or says it is. Base64 is a third longer than the picture; line breaks and
    /// percent-encoding make it up to half as long again.
    ///
    /// # Errors
    /// If it is longer than one with the largest picture.
    pub fn check_length(limits: BodyLimits, length: u64) -> Result<(), BodyError> {
        let base64 = (limits.image_bytes as u64 / 3 + 1) * 4;
        let most = base64 + base64 / 2 + (FIELDS + ENVELOPE) as u64;
        (length <= most)
            .then_some(())
            .ok_or(BodyError::BodyTooLarge(most))
    }

    /// Ends the form.
    ///
    /// # Errors
    /// If it breaks off.
    pub fn finish(self) -> Result<Form, BodyError> {
        let Self {
            reader, mut fields, ..
        } = self;
        match reader {
            Reader::Multipart(multipart) => drop(multipart.finish_form()?),
            Reader::UrlEncoded(form) => form.finish(&mut fields)?,
        }
        fields.finish()
    }
}

impl StreamedBody for FormBody {
    fn push(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.taken += piece.len() as u64;
        Self::check_length(self.limits, self.taken)?;
        match &mut self.reader {
            Reader::Multipart(multipart) => multipart.push(piece, &mut self.fields),
            Reader::UrlEncoded(form) => form.push(piece, &mut self.fields),
        }
    }

    fn held(&self) -> u64 {
        let beside = match &self.reader {
            Reader::Multipart(multipart) => multipart.held(),
            Reader::UrlEncoded(form) => form.held(),
        };
        (self.fields.held() + beside) as u64
    }
}

#[cfg(test)]
mod tests;
