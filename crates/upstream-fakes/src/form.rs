//! Parses forms strictly: no field twice, nothing malformed.

use actix_multipart::{Field, Multipart};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::call::Call;

/// The parser's own buffer is bounded; one chunk must stay well below that bound.
const CHUNK: usize = 32 * 1024;

/// One field of a form.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Whether it was sent as a file: with a file name, or as `application/octet-stream`.
    pub(crate) is_file: bool,
    pub(crate) bytes: Bytes,
}

/// Why a form is invalid.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FormError {
    #[error("the body is not a well-formed form")]
    Malformed,
    #[error("the field {0} is there more than once")]
    Repeated(String),
}

/// The fields of a form by their names.
#[derive(Debug, Default)]
pub(crate) struct Form {
    parts: Vec<Part>,
}

impl Form {
    pub(crate) async fn multipart(call: &Call) -> Result<Self, FormError> {
        let body = call.body.clone();
        let chunks = (0..body.len()).step_by(CHUNK).map(move |start| {
            Ok::<_, PayloadError>(body.slice(start..body.len().min(start + CHUNK)))
        });
        let mut fields = Multipart::new(&call.headers, stream::iter(chunks).boxed_local());
        let mut form = Self::default();
        while let Some(field) = fields.try_next().await.map_err(|_| FormError::Malformed)? {
            form.add(Part::read(field).await?)?;
        }
        Ok(form)
    }

    pub(crate) fn url_encoded(call: &Call) -> Result<Self, FormError> {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(&call.body) {
            let bytes = Bytes::from(value.into_owned());
            form.add(Part {
                name: name.into_owned(),
                is_file: false,
                bytes,
            })?;
        }
        Ok(form)
    }

    fn add(&mut self, part: Part) -> Result<(), FormError> {
        if self.part(&part.name).is_some() {
            return Err(FormError::Repeated(part.name));
        }
        self.parts.push(part);
        Ok(())
    }

    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The text of a field that is not a file.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.part(name)
            .filter(|part| !part.is_file)
            .and_then(Part::text)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.name.as_str())
    }
}

impl Part {
    async fn read(mut field: Field) -> Result<Self, FormError> {
        let name = field.name().ok_or(FormError::Malformed)?.to_owned();
        let named = field
            .content_disposition()
            .is_some_and(|d| d.get_filename().is_some());
        let binary = field
            .content_type()
            .is_some_and(|media_type| media_type.essence_str() == "application/octet-stream");
        let bytes = field
            .bytes(usize::MAX)
            .await
            .map_err(|_| FormError::Malformed)?;
        let bytes = bytes.map_err(|_| FormError::Malformed)?;
        Ok(Self {
            name,
            is_file: named || binary,
            bytes,
        })
    }

    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}
