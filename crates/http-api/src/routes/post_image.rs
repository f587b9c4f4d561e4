//! `POST /image`: registers an image.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, ContentType},
    web::{Data, Payload},
};
use domain::{Image, ImageId};

use super::{
    get_image,
    incoming::{self, FileBody, Incoming, RawBody, UploadBody},
    path,
    repeatable::{self, Request},
};
use crate::{
    forwarded::Forwarded,
    idempotency::{self, Attempt},
    prefer,
    problem::Problem,
    response::{self, Head, ImageBody, Presentation},
    state::State,
};

/// Names the preference that was followed (RFC 7240 §3).
const PREFERENCE_APPLIED: &str = "Preference-Applied";

/// Register an image.
///
/// The image is tagged, kept and recorded. Every call registers an image of its own, also one that
/// is known already, unless an `Idempotency-Key` marks it as a repetition. The body is a JSON object, the bytes of the picture, or a form with one file.
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
            "provider" = Option<String>, Query, example = "local",
            description = "The names of the tag providers that tag it, separated by commas, among those of \
                           `GET /taggers`. Without it all of them do."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the answer. A tag without a name in it keeps \
                            its own; `en` are the names that tags have in the store. One that the server does \
                            not have is refused."
        ),
        (
            "Prefer" = Option<String>, Header, nullable = false, example = "return=minimal",
            description = "`return=minimal` (RFC 7240) asks for the answer without `data`."
        ),
        (
            "Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255,
            example = "8e03978e-40d5-43e8-bc93-6894a57f9324",
            description = "Makes it safe to repeat the request: with the same key, image and parameters it answers \
                           the image that was registered first, for 24 hours. Visible ASCII without blanks. Keys \
                           of different API keys are apart."
        ),
    ),
    request_body(
        content(
            (UploadBody = "application/json"),
            (inline(RawBody) = "image/*"),
            (inline(RawBody) = "application/octet-stream"),
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
    let key = idempotency::key(request.headers())?;
    let incoming = incoming::read(&request, body, &state).await?;
    let attempt = match key {
        None => None,
        Some(key) => {
            match repeatable::begin(&state, &request, key, incoming.fingerprint()).await? {
                Request::New(attempt) => Some(attempt),
                Request::Done(id) => return repeated(&request, &state, &incoming, id).await,
            }
        }
    };
    register(&request, &state, incoming, attempt).await
}

async fn register(
    request: &HttpRequest,
    state: &State,
    incoming: Incoming,
    attempt: Option<Attempt>,
) -> Result<HttpResponse, Problem> {
    let origin = incoming.origin.clone();
    let shown = shown(state, &incoming);
    let upload = match incoming.upload(request, state).await {
        Ok(upload) => upload,
        Err(problem) => {
            if let Some(attempt) = attempt {
                attempt.settle(false).await;
            }
            return Err(problem);
        }
    };
    let bytes = upload.bytes.clone();
    let image = state.ingest(upload, attempt).await?;
    let mut answer = answer(&origin, &image.id);
    if prefer::is_minimal(request.headers()) {
        return minimal(answer, &image, &shown);
    }
    let head = Head::new(&image, &shown)?;
    let catalog = state.catalog.clone();
    let reopen = Box::pin(async move { catalog.content(&image).await });
    let patience = state.settings.answer_hold;
    let body = response::from_bytes(&state.runtime, head, bytes, patience, reopen);
    Ok(answer.body(body))
}

/// The answer to a request that was carried out before, from what is stored.
async fn repeated(
    request: &HttpRequest,
    state: &State,
    incoming: &Incoming,
    id: ImageId,
) -> Result<HttpResponse, Problem> {
    let shown = shown(state, incoming);
    let mut answer = answer(&incoming.origin, &id);
    let catalog = state.catalog.clone();
    if prefer::is_minimal(request.headers()) {
        let image = state.read(async move { path::image(&catalog, &id).await });
        return minimal(answer, &image.await?, &shown);
    }
    let found = state.read(async move { get_image::find(&catalog, &id, &shown).await });
    Ok(answer.body(found.await?.body(&state.runtime)))
}

fn shown(state: &State, incoming: &Incoming) -> Presentation {
    Presentation {
        zone: state.settings.timezone,
        names: incoming.names.clone(),
    }
}

fn answer(origin: &Forwarded, id: &ImageId) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(ContentType::json())
        .insert_header((header::LOCATION, format!("{}/image/{id}", origin.prefix)));
    answer
}

/// The answer without `data`.
fn minimal(
    mut answer: HttpResponseBuilder,
    image: &Image,
    shown: &Presentation,
) -> Result<HttpResponse, Problem> {
    answer.insert_header((PREFERENCE_APPLIED, prefer::MINIMAL));
    Ok(answer.body(response::to_json(&ImageBody::new(image, shown))?))
}
