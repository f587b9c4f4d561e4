//! The fields of a form.

use super::Form;
use crate::{
    error::{BodyError, FIELDS, FormError, MOST_FIELDS},
    image::{Arrived, Base64, Decoding, Received},
    multipart::{FileSink, PartHead},
    scanner::TextSink as _,
};

/// The field with the picture as a file.
const FILE: &str = "image";

/// The field with the picture as text.
const TEXT: &str = "image_base64";

/// Where the bytes of a field go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Current {
    /// To the picture as they are.
    File,
    /// To the picture, decoded.
    Text,
    /// To the last of the other fields.
    Other,
}

/// The fields of a form that is arriving.
pub(super) struct Fields {
    picture: Arrived,
    /// Whether there was a field with a picture.
    has_picture: bool,
    file_name: Option<String>,
    base64: Option<Box<Base64>>,
    current: Current,
    others: Vec<(String, Vec<u8>)>,
    /// The bytes of the other fields.
    len: usize,
}

impl Fields {
    pub(super) fn new(picture: Arrived) -> Self {
        Self {
            picture,
            has_picture: false,
            file_name: None,
            base64: None,
            current: Current::Other,
            others: Vec::new(),
            len: 0,
        }
    }

    /// How much memory they take, in bytes.
    pub(super) fn held(&self) -> usize {
        self.picture.len() + 2 * self.len
    }

    /// Whether the bytes that come next are base64.
    pub(super) fn is_base64(&self) -> bool {
        self.current == Current::Text
    }

    /// A field begins.
    pub(super) fn begin_field(&mut self, name: &str) -> Result<(), BodyError> {
        if name == TEXT {
            self.begin_picture(Current::Text)?;
            self.base64 = Some(Box::new(Base64::new()));
            return Ok(());
        }
        self.current = Current::Other;
        self.count(name.len())?;
        if self.others.len() == MOST_FIELDS {
            return Err(FormError::TooLarge.into());
        }
        self.others.push((name.to_owned(), Vec::new()));
        Ok(())
    }

    fn begin_picture(&mut self, current: Current) -> Result<(), BodyError> {
        if self.has_picture {
            return Err(FormError::SecondPicture.into());
        }
        self.has_picture = true;
        self.current = current;
        Ok(())
    }

    /// The next bytes of the field.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        match self.current {
            Current::File => self.picture.add(bytes),
            Current::Text => self.decode(bytes),
            Current::Other => {
                self.count(bytes.len())?;
                if let Some((_, value)) = self.others.last_mut() {
                    value.extend_from_slice(bytes);
                }
                Ok(())
            }
        }
    }

    fn count(&mut self, len: usize) -> Result<(), BodyError> {
        self.len += len;
        (self.len <= FIELDS)
            .then_some(())
            .ok_or_else(|| FormError::TooLarge.into())
    }

    /// Decodes base64, in which there may be line breaks.
    fn decode(&mut self, text: &[u8]) -> Result<(), BodyError> {
        let Some(base64) = self.base64.as_deref_mut() else {
            return Ok(());
        };
        let image = &mut self.picture;
        let mut decoding = Decoding { base64, image };
        text.split(|byte| matches!(byte, b'\r' | b'\n' | b'\t'))
            .try_for_each(|line| decoding.text(line))
            .map_err(base64_error)
    }

    pub(super) fn finish(mut self) -> Result<Form, BodyError> {
        match self.base64.take() {
            // An empty text is an empty picture.
            Some(base64) if base64.has_text() => {
                base64.finish(&mut self.picture).map_err(base64_error)?;
            }
            _ => {}
        }
        let picture = self.picture;
        let picture = self
            .has_picture
            .then(|| Received::new(picture, self.file_name));
        let others = self.others.into_iter();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Form {
            picture,
            fields: others.map(|(name, value)| (name, text(value))).collect(),
        })
    }
}

/// What is wrong with base64, which is no JSON here.
fn base64_error(error: BodyError) -> BodyError {
    match error {
        BodyError::Document(_) | BodyError::Text(_) => FormError::NotBase64.into(),
        error => error,
    }
}

impl FileSink for Fields {
    type Error = BodyError;

    fn begin(&mut self, part: PartHead) -> Result<(), BodyError> {
        let name = part.name.unwrap_or_default();
        if name != FILE {
            return self.begin_field(&name);
        }
        if part.is_encoded {
            return Err(FormError::Encoded.into());
        }
        self.file_name = part.file_name;
        self.begin_picture(Current::File)
    }

    fn file(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        self.bytes(bytes)
    }
}
