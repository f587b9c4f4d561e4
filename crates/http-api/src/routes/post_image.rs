//! `POST /image`: registers an image.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web::{Data, Payload},
};

use super::incoming::{self, FileBody, Incoming, UploadBody};
use crate::{
    prefer,
    problem::Problem,
    response::{self, Head, ImageBody},
    state::State,
};

/// Names the preference that was followed (RFC 7240 §3).
const PREFERENCE_APPLIED: &str = "Preference-Applied";

/// Register an image.
///
/// The image is tagged, kept and recorded. Every call registers an image of its own, also one that
/// is known already. The body is a JSON object, the bytes of the picture, or a form with one file.
#[utoipa::path(
    post,
    path = "/image",
    operation_id = "post_image",
    tag = "images",
    params(
        (
            "min_confidence" = Option<f64>, Query, minimum = 0, maximum = 100, example = 60,
            description = "The lowest confidence of the tags to record, inclusive. The server's \
                           default is 80."
        ),
        (
            "Prefer" = Option<String>, Header, nullable = false, example = "return=minimal",
            description = "`return=minimal` (RFC 7240) asks for the answer without `data`."
        ),
    ),
    request_body(
        content(
            (UploadBody = "application/json"),
            ("image/*"),
            ("application/octet-stream"),
            (FileBody = "multipart/form-data"),
        ),
        description = "The image. By default it may have 25 MiB. Its format is detected from its bytes, whatever \
                       the content type says.",
    ),
    responses(
        (
            status = 200, body = inline(response::RegisteredBody),
            description = "The image is registered.",
            headers(
                ("Location" = String, description = "The path of the image."),
                (
                    "Preference-Applied" = String,
                    description = "`return=minimal` where the answer has no `data`."
                ),
            ),
            links(("image" = (
                operation_id = "get_image",
                parameters(("id" = "$response.body#/id")),
                description = "The image that was registered."
            ))),
        ),
    )
)]
pub(crate) async fn post_image(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let Incoming { upload, origin } = incoming::read(&request, body, &state).await?;
    let bytes = upload.bytes.clone();
    let image = state.ingest(upload).await?;
    let zone = state.settings.timezone;
    let location = format!("{}/image/{}", origin.prefix, image.id);
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(ContentType::json())
        .insert_header((header::LOCATION, location));
    if prefer::is_minimal(request.headers()) {
        answer.insert_header((PREFERENCE_APPLIED, prefer::MINIMAL));
        return Ok(answer.body(response::to_json(&ImageBody::new(&image, zone))?));
    }
    let head = Head::new(&image, zone)?;
    let catalog = state.catalog.clone();
    let reopen = Box::pin(async move { catalog.content(&image).await });
    let patience = state.settings.answer_hold;
    let body = response::from_bytes(&state.runtime, head, bytes, patience, reopen);
    Ok(answer.body(body))
}
