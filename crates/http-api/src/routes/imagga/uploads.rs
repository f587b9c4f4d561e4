//! `POST /v2/uploads` and `DELETE /v2/uploads/{id}`.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use domain::{UploadId, service::UploadError};
use serde::Serialize;
use utoipa::ToSchema;

use super::{SUCCESS, StatusBody, answer, form::Parameters};
use crate::{forwarded::Forwarded, problem::Problem, state::State};

/// An upload, as Imagga writes it.
#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaUpload)]
struct UploadBody {
    result: ResultBody,
    status: StatusBody,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaUploadResult)]
struct ResultBody {
    /// The id of the upload.
    #[schema(example = "0193a1c2-5f0a-7c3e-9d55-3ffa4d0cb777")]
    upload_id: String,
}

/// A form with a picture.
#[derive(ToSchema)]
#[schema(as = ImaggaUploadForm)]
#[expect(
    dead_code,
    reason = "for the documentation: forms are read as they arrive"
)]
struct FormBody {
    /// A picture, as a file of `multipart/form-data`.
    #[schema(value_type = Option<String>, format = Binary, nullable = false, content_media_type = "application/octet-stream")]
    image: Option<Vec<u8>>,
    /// A picture in base64.
    #[schema(format = Byte, nullable = false, example = "R0lGODlhAQABAIAAAMBAIAAAACwAAAAAAQABAAACAkQBADs=")]
    image_base64: Option<String>,
}

/// Upload a picture to be tagged within an hour, as to Imagga.
///
/// Nothing is registered. Every server that shares the originals' place knows the upload. The bytes are looked at when
/// they are tagged.
#[utoipa::path(
    post,
    path = "/v2/uploads",
    operation_id = "imagga_post_upload",
    tag = "compatible",
    request_body(
        content(
            (FormBody = "multipart/form-data"),
            (FormBody = "application/x-www-form-urlencoded"),
        ),
        description = "The picture.",
    ),
    responses((status = 200, body = UploadBody, description = "The id of the upload, for `image_upload_id`.")),
)]
pub(crate) async fn imagga_post_upload(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let client = Forwarded::of(&request, &state.settings.trusted_proxies).client;
    let parameters = Parameters::read(&request, Some(body), client, &state).await?;
    let bytes = parameters.picture()?.bytes;
    let temporary = state.temporary.clone();
    let id = state
        .read(async move { temporary.keep(bytes).await })
        .await?;
    answer(&UploadBody::new(&id), &state)
}

/// Delete an upload, as Imagga does.
#[utoipa::path(
    delete,
    path = "/v2/uploads/{id}",
    operation_id = "imagga_delete_upload",
    tag = "compatible",
    params((
        "id" = String, Path, example = "0193a1c2-5f0a-7c3e-9d55-3ffa4d0cb777",
        description = "The id of the upload."
    )),
    responses((status = 200, body = UploadBody, description = "The upload is deleted.")),
)]
pub(crate) async fn imagga_delete_upload(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let id = request.match_info().query("id").parse();
    let id: UploadId = id.map_err(|_| Problem::from(UploadError::NotFound))?;
    let temporary = state.temporary.clone();
    state
        .read(async move { temporary.remove(&id).await })
        .await?;
    answer(&UploadBody::new(&id), &state)
}

impl UploadBody {
    fn new(id: &UploadId) -> Self {
        Self {
            result: ResultBody {
                upload_id: id.to_string(),
            },
            status: SUCCESS,
        }
    }
}
