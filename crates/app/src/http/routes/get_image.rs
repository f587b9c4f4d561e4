//! `GET /image/{id}`: an image with its bytes.

use actix_web::{HttpRequest, HttpResponse, http::header::ContentType, web::Data};
use domain::ImageId;

use crate::http::{
    answer::{self, Head},
    problem::{Code, Problem},
    queries,
    state::State,
};

/// Read an image, with its bytes.
#[utoipa::path(
    get,
    path = "/image/{id}",
    operation_id = "get_image",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
    ),
    responses(
        (status = 200, body = answer::ImageWithDataBody, description = "The image."),
    )
)]
pub(in crate::http) async fn get_image(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::image(request.query_string())?;
    let id: ImageId = request
        .match_info()
        .query("id")
        .parse()
        .map_err(|error| Problem::new(Code::InvalidId, format!("{error}")))?;
    let catalog = state.catalog.clone();
    let found = state.read(async move { catalog.find(&id).await }).await?;
    let Some(found) = found else {
        let detail = format!("there is no image {id}");
        return Err(Problem::new(Code::ImageNotFound, detail));
    };
    let head = Head::new(&found.image, state.settings.timezone)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(answer::from_content(&state.runtime, head, found.content)))
}
