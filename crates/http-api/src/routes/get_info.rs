//! `GET /image/{id}/info`: what is known of a picture.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::path;
use crate::{
    problem::Problem,
    queries,
    response::{self, InfoBody},
    state::State,
};

/// Read what is known of the picture.
///
/// Time and camera are those that the camera wrote into the file (EXIF).
#[utoipa::path(
    get,
    path = "/image/{id}/info",
    operation_id = "get_image_info",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
        (
            "location" = Option<bool>, Query, example = true,
            description = "Whether the answer has `location`; `false` without it."
        ),
    ),
    responses((status = 200, body = InfoBody, description = "What is known."))
)]
pub(crate) async fn get_info(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let has_location = queries::info(request.query_string())?;
    let id = path::id(&request)?;
    let catalog = state.catalog.clone();
    let (image, info) = state
        .read(async move {
            let image = path::image(&catalog, &id).await?;
            let mut infos = catalog.infos(&[id]).await?;
            Ok::<_, Problem>((image, infos.remove(&id).unwrap_or_default()))
        })
        .await?;
    let default = state.settings.default_threshold;
    response::json(&InfoBody::new(&image, info, default, has_location))
}
