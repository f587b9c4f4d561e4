//! `GET /image/{id}/thumbnail`: a small copy.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Data,
};

use super::{incoming::RawBody, path};
use crate::{
    conditions, disconnect, forwarded::Forwarded, problem::Problem, queries, response::immutable,
    state::State,
};

/// Changes when thumbnails are made in another way.
const VERSION: u32 = 1;

/// Read a small copy of the picture.
///
/// A JPEG: upright, in sRGB, without metadata, what is transparent over white. It is made when it is first asked
/// for, and kept.
#[utoipa::path(
    get,
    path = "/image/{id}/thumbnail",
    operation_id = "get_image_thumbnail",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
        (
            "size" = Option<u32>, Query, example = 256,
            description = "The longest side in pixels, at most: 128, 256 (without it), 512, 1024 or \
                           2048. A smaller picture is not enlarged."
        ),
        (
            "If-None-Match" = Option<String>, Header,
            description = "Entity tags that the client has: 304 if the thumbnail is among them."
        ),
    ),
    responses(
        (
            status = 200, description = "The thumbnail.", content_type = "image/jpeg", body = inline(RawBody),
            headers(
                ("ETag" = String, description = "Names the original and the size; strong."),
                ("Cache-Control" = String, description = "`private, max-age=31536000, immutable`"),
            )
        ),
        (status = 304, description = "The client has the thumbnail."),
    )
)]
pub(crate) async fn get_thumbnail(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let size = queries::thumbnail(request.query_string())?;
    let id = path::id(&request)?;
    let catalog = state.catalog.clone();
    let image = state
        .read(async move { path::image(&catalog, &id).await })
        .await?;
    let etag = format!("\"{}-{}-{VERSION}\"", image.digest, size.pixels());
    let mut answer = immutable(&etag);
    if conditions::is_unmodified(request.headers(), &etag)? {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    let origin = Forwarded::of(&request, &state.settings.trusted_proxies);
    let context = disconnect::context(&request, origin.client);
    let bytes = state.rendition(image, size, context).await?;
    Ok(answer
        .insert_header((header::CONTENT_TYPE, "image/jpeg"))
        .body(bytes))
}
