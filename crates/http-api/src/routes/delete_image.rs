//! `DELETE /image/{id}`.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::path;
use crate::{problem::Problem, queries, state::State};

/// Delete an image.
///
/// It is gone from every list and statistic at once, for good. Its original is removed once no image refers to it.
#[utoipa::path(
    delete,
    path = "/image/{id}",
    operation_id = "delete_image",
    tag = "images",
    params((
        "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
        description = "The id of the image: a UUID of 36 characters."
    )),
    responses((status = 204, description = "The image is deleted.")),
)]
pub(crate) async fn delete_image(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let id = path::id(&request)?;
    let editing = state.editing.clone();
    if state.read(async move { editing.delete(&id).await }).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(path::no_image(&id))
    }
}
