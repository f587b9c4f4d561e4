//! `GET /v2/tags` and `POST /v2/tags`.

use domain::{
    EncodedPicture,
    ports::{TagSource, UpstreamError, cause},
};
use reqwest::{
    Method, RequestBuilder, Url,
    multipart::{Form, Part},
};
use thiserror::Error;

use crate::{ImageAccess, Imagga};

/// A source that cannot be sent.
#[derive(Debug, Clone, Copy, Error)]
enum Unfit {
    #[error("the picture comes in another form than the one that is set")]
    Form,
    #[error("the picture's URL is no http or https URL")]
    Url,
}

impl Imagga {
    pub(crate) fn request(&self, source: &TagSource) -> Result<RequestBuilder, UpstreamError> {
        match (self.access, source) {
            (ImageAccess::PublicUrl, TagSource::PublicUrl(url)) => self.by_url(url),
            (ImageAccess::Bytes, TagSource::Bytes(picture)) => self.by_bytes(picture),
            _ => Err(refused(Unfit::Form)),
        }
    }

    fn by_url(&self, text: &str) -> Result<RequestBuilder, UpstreamError> {
        // Parsed, so that what Imagga is given is encoded as a URL must be, and then encoded once
        // more as a parameter.
        let image_url = Url::parse(text).map_err(|_| refused(Unfit::Url))?;
        if !matches!(image_url.scheme(), "https" | "http") {
            return Err(refused(Unfit::Url));
        }
        let mut url = self.base_url.route(&["v2", "tags"]);
        url.query_pairs_mut()
            .append_pair("image_url", image_url.as_str())
            .append_pair("language", &self.identity.language);
        Ok(self.service.request(Method::GET, url))
    }

    fn by_bytes(&self, picture: &EncodedPicture) -> Result<RequestBuilder, UpstreamError> {
        let length = picture.bytes.len() as u64;
        let image = Part::stream_with_length(picture.bytes.clone(), length)
            .file_name("picture")
            .mime_str(picture.media_type.as_str())
            .map_err(refused)?;
        let form = Form::new()
            .text("language", self.identity.language.clone())
            .part("image", image);
        let url = self.base_url.route(&["v2", "tags"]);
        Ok(self.service.request(Method::POST, url).multipart(form))
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> UpstreamError {
    UpstreamError::Refused(cause(error))
}
