//! `GET /image/{id}/file`: the original as it was uploaded.

use std::ops::Range;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web::Data,
};
use domain::{Image, service::Catalog};

use super::{incoming::RawBody, path};
use crate::{
    conditions::{self, Selection},
    disposition,
    problem::Problem,
    queries,
    response::{Raw, immutable},
    state::State,
};

/// Read the original: the bytes as they were uploaded.
///
/// The whole is compared with its SHA-256 while it is sent, unless that was done before; if it differs, the
/// connection breaks off before its end. A range cannot be compared. More than one range, and a range that is
/// not understood, are answered with the whole.
#[utoipa::path(
    get,
    path = "/image/{id}/file",
    operation_id = "get_image_file",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
        (
            "Range" = Option<String>, Header, example = "bytes=0-65535",
            description = "A range of bytes (RFC 9110, section 14)."
        ),
        (
            "If-None-Match" = Option<String>, Header,
            description = "Entity tags that the client has: 304 if the original is among them."
        ),
    ),
    responses(
        (
            status = 200, description = "The original.", content_type = "image/*", body = inline(RawBody),
            headers(
                ("ETag" = String, description = "The SHA-256 of the bytes; strong."),
                ("Accept-Ranges" = String, description = "`bytes`"),
                ("Content-Disposition" = String, description = "`inline`, and a file name."),
                ("Cache-Control" = String, description = "`private, max-age=31536000, immutable`"),
            )
        ),
        (
            status = 206, description = "The range.", content_type = "image/*", body = inline(RawBody),
            headers(("Content-Range" = String, description = "`bytes FIRST-LAST/LENGTH`"))
        ),
        (status = 304, description = "The client has the bytes."),
    )
)]
pub(crate) async fn get_file(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let id = path::id(&request)?;
    let catalog = state.catalog.clone();
    let (image, file_name) = state
        .read(async move {
            let image = path::image(&catalog, &id).await?;
            let mut infos = catalog.infos(&[id]).await?;
            let name = infos.remove(&id).and_then(|info| info.file_name);
            Ok::<_, Problem>((image, name))
        })
        .await?;
    let etag = format!("\"{}\"", image.digest);
    let len = image.facts.byte_size;
    let selection = conditions::select(request.method(), request.headers(), &etag, len)?;
    let mut answer = head(&image, file_name.as_deref(), &etag);
    let range = match selection {
        Selection::NotModified => return Ok(answer.status(StatusCode::NOT_MODIFIED).finish()),
        Selection::Whole => None,
        Selection::Part(range) => Some(range),
    };
    if let Some(Range { start, end }) = &range {
        let content_range = format!("bytes {start}-{}/{len}", end - 1);
        answer
            .status(StatusCode::PARTIAL_CONTENT)
            .insert_header((header::CONTENT_RANGE, content_range));
    }
    let catalog = state.catalog.clone();
    let content_type = image.facts.media_type.as_str();
    let raw = state
        .read(async move { open(&catalog, &image, range).await })
        .await?;
    Ok(answer
        .content_type(content_type)
        .body(raw.body(&state.runtime)))
}

async fn open(catalog: &Catalog, image: &Image, range: Option<Range<u64>>) -> Result<Raw, Problem> {
    let raw = match range {
        None => Raw::new(image.facts.byte_size, catalog.content(image).await?).await,
        Some(range) => {
            let len = range.end - range.start;
            Raw::new(len, catalog.part(image, range).await?).await
        }
    };
    Ok(raw?)
}

/// What every answer with the original says of it.
fn head(image: &Image, file_name: Option<&str>, etag: &str) -> HttpResponseBuilder {
    let mut answer = immutable(etag);
    answer
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            disposition::inline(file_name, &image.id, image.facts.media_type),
        ));
    answer
}
