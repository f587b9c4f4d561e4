//! `GET /v2/tags` and `POST /v2/tags`.

use domain::{
    EncodedPicture,
    ports::{PictureSource, UpstreamError, cause},
};
use reqwest::{
    Method, RequestBuilder, Url,
    multipart::{Form, Part},
};
use thiserror::Error;

use crate::{Delivery, Imagga};

/// A picture in the form it is sent.
pub(crate) enum Pulled {
    File(EncodedPicture),
    Url(String),
}

#[derive(Debug, Clone, Copy, Error)]
#[error("the picture's URL is no http or https URL")]
struct NoUrl;

impl Imagga {
    /// Pulls a picture in the configured form.
    pub(crate) async fn pull(&self, picture: &dyn PictureSource) -> Result<Pulled, UpstreamError> {
        match self.delivery {
            Delivery::File => picture.jpeg(self.max_side).await.map(Pulled::File),
            Delivery::PublicUrl => picture.public_url(self.max_side).await.map(Pulled::Url),
        }
    }

    pub(crate) fn request(&self, picture: Pulled) -> Result<RequestBuilder, UpstreamError> {
        match picture {
            Pulled::File(file) => self.by_file(file),
            Pulled::Url(url) => self.by_url(&url),
        }
    }

    fn by_url(&self, text: &str) -> Result<RequestBuilder, UpstreamError> {
        // Parsed, so that it is a correctly encoded URL, and then encoded once more as a parameter.
        let image_url = Url::parse(text).map_err(|_| refused(NoUrl))?;
        if !matches!(image_url.scheme(), "https" | "http") {
            return Err(refused(NoUrl));
        }
        let mut url = self.base_url.route(&["v2", "tags"]);
        url.query_pairs_mut()
            .append_pair("image_url", image_url.as_str())
            .append_pair("language", self.identity.language());
        Ok(self.service.request(Method::GET, url))
    }

    fn by_file(&self, picture: EncodedPicture) -> Result<RequestBuilder, UpstreamError> {
        let length = picture.bytes.len() as u64;
        let image = Part::stream_with_length(picture.bytes, length)
            .file_name("picture")
            .mime_str(picture.media_type.as_str())
            .map_err(refused)?;
        let form = Form::new()
            .text("language", self.identity.language().to_owned())
            .part("image", image);
        let url = self.base_url.route(&["v2", "tags"]);
        Ok(self.service.request(Method::POST, url).multipart(form))
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> UpstreamError {
    UpstreamError::Refused(cause(error))
}
