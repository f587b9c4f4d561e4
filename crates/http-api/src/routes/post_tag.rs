//! `POST /tag`: tags a picture without registering it.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};

use super::incoming::{self, FileBody, RawBody, UploadBody};
use crate::{
    problem::Problem,
    response::{self, TaggedBody},
    state::State,
};

/// Tag an image without registering it.
///
/// Neither the image nor a record of it is kept. The tag provider's answer is cached, so that the same image
/// costs no second call, here or when it is registered. The body is as for `POST /image`.
#[utoipa::path(
    post,
    path = "/tag",
    operation_id = "post_tag",
    tag = "tags",
    params(
        (
            "min_confidence" = Option<f64>, Query, minimum = 0, maximum = 100, example = 60,
            description = "The lowest confidence of the tags to answer, inclusive. The server's \
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
    responses((status = 200, body = TaggedBody, description = "The tags of the image.")),
)]
pub(crate) async fn post_tag(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let incoming = incoming::read(&request, body, &state).await?;
    let names = incoming.names.clone();
    let upload = incoming.upload(&request, &state).await?;
    let tagged = state.tag(upload).await?;
    response::json(&TaggedBody::new(&tagged, &names))
}
