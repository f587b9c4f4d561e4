//! Reads the picture of a request, for all routes that take one.

use actix_web::{HttpRequest, web::Payload};
use domain::{
    RequestFingerprint, ShownNames, Threshold, UploadSource,
    service::{TaggerChoice, Upload},
};
use utoipa::ToSchema;

use crate::{
    disconnect,
    forwarded::Forwarded,
    problem::Problem,
    queries,
    state::State,
    upload::{self, Sent},
};

/// A picture in base64, or its URL: exactly one of them.
#[derive(ToSchema)]
#[schema(as = Upload)]
#[expect(
    dead_code,
    reason = "for the documentation: the body is never held as a whole"
)]
pub(super) struct UploadBody {
    /// The image in base64: JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC.
    ///
    /// Line breaks and blanks, a `data:...;base64,` prefix, the URL-safe alphabet and missing
    /// padding are tolerated. Other members of the object are ignored.
    #[schema(format = Byte, min_length = 1, nullable = false, example = "R0lGODlhAQABAIAAAMBAIAAAACwAAAAAAQABAAACAkQBADs=")]
    data: Option<String>,
    /// In place of `data`: where the server fetches the image. By default `http` and `https` at their usual
    /// ports, from addresses that are public.
    #[schema(
        format = "uri",
        nullable = false,
        example = "https://example.org/photo.jpg"
    )]
    url: Option<String>,
}

// Described as OpenAPI 3.0 did: generators of clients pass over a body without a schema.
/// The bytes of an image.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(
    dead_code,
    reason = "for the documentation: the body is never held as a whole"
)]
pub(super) struct RawBody(Vec<u8>);

/// A form with one file.
#[derive(ToSchema)]
#[schema(as = FileUpload)]
#[expect(
    dead_code,
    reason = "for the documentation: the body is never held as a whole"
)]
pub(super) struct FileBody {
    /// The image: JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC. The part may have any name and needs a file name; there
    /// must be no other part.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
}

/// The body of an upload, and where it came from.
pub(super) struct Incoming {
    sent: Sent,
    threshold: Option<Threshold>,
    taggers: TaggerChoice,
    /// The names that the answer shows.
    pub(super) names: ShownNames,
    pub(super) origin: Forwarded,
}

/// Reads the body of an upload. The query and the headers are checked before any of it is read.
pub(super) async fn read(
    request: &HttpRequest,
    body: Payload,
    state: &State,
) -> Result<Incoming, Problem> {
    let asked = queries::upload(request.query_string())?;
    let names = state.names(asked.language.as_deref()).await?;
    let taggers = state.taggers_named(asked.provider.as_deref())?;
    let origin = Forwarded::of(request, &state.settings.trusted_proxies);
    let sent = upload::receive(
        body,
        request.headers(),
        origin.client,
        &state.uploads,
        &state.settings,
    )
    .await?;
    Ok(Incoming {
        sent,
        threshold: asked.threshold,
        taggers,
        names,
        origin,
    })
}

impl Incoming {
    /// What makes the request what it is. The language is not part of it: it changes the answer alone.
    pub(super) fn fingerprint(&self) -> RequestFingerprint {
        let source = match &self.sent {
            Sent::Image(image) => UploadSource::Bytes(&image.digest),
            Sent::Url(url) => UploadSource::Url(url),
        };
        let fingerprint = RequestFingerprint::of_upload(source, self.threshold);
        match self.taggers.names() {
            None => fingerprint,
            Some(names) => fingerprint.with_providers(names),
        }
    }

    /// The picture, which is fetched if a URL was sent.
    pub(super) async fn upload(
        self,
        request: &HttpRequest,
        state: &State,
    ) -> Result<Upload, Problem> {
        let client = self.origin.client;
        let received = match self.sent {
            Sent::Image(image) => image,
            Sent::Url(url) => upload::fetch(&url, client, &state.uploads, &state.settings).await?,
        };
        Ok(Upload {
            bytes: received.bytes,
            digest: received.digest,
            threshold: self.threshold.unwrap_or(state.settings.default_threshold),
            taggers: self.taggers,
            file_name: received.file_name,
            imported: None,
            request: None,
            context: disconnect::context(request, client),
        })
    }
}
