//! Reads the picture of a request, for all routes that take one.

use actix_web::{HttpRequest, web::Payload};
use domain::service::Upload;
use utoipa::ToSchema;

use crate::{disconnect, forwarded::Forwarded, problem::Problem, queries, state::State, upload};

/// A picture in base64, or its URL: exactly one of them.
#[derive(ToSchema)]
#[schema(as = Upload)]
#[expect(
    dead_code,
    reason = "for the documentation: the body is never held as a whole"
)]
pub(super) struct UploadBody {
    /// The image in base64: JPEG, PNG, WebP, GIF, BMP or TIFF.
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

/// A form with one file.
#[derive(ToSchema)]
#[schema(as = FileUpload)]
#[expect(
    dead_code,
    reason = "for the documentation: the body is never held as a whole"
)]
pub(super) struct FileBody {
    /// The image: JPEG, PNG, WebP, GIF, BMP or TIFF. The part may have any name and needs a file name; there
    /// must be no other part.
    #[schema(value_type = String, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
}

/// A picture that has been read, and where it came from.
pub(super) struct Incoming {
    pub(super) upload: Upload,
    pub(super) origin: Forwarded,
}

/// Reads the picture of a request. The query and the headers are checked before any of the body is read.
pub(super) async fn read(
    request: &HttpRequest,
    body: Payload,
    state: &State,
) -> Result<Incoming, Problem> {
    let threshold = queries::upload(request.query_string(), state.settings.default_threshold)?;
    let origin = Forwarded::of(request, &state.settings.trusted_proxies);
    let received = upload::receive(
        body,
        request.headers(),
        origin.client,
        &state.uploads,
        &state.settings,
    )
    .await?;
    let upload = Upload {
        bytes: received.bytes,
        digest: received.digest,
        threshold,
        file_name: received.file_name,
        context: disconnect::context(request, origin.client),
    };
    Ok(Incoming { upload, origin })
}
