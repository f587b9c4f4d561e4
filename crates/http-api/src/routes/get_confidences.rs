//! `GET /tags/{tag}/confidences`: how sure the images of a tag are.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::path;
use crate::{
    problem::Problem,
    queries,
    response::{self, ConfidencesBody},
    state::State,
};

/// Count the images of a tag by the confidence that they are shown with.
///
/// A tag that no image carries has only zeros.
#[utoipa::path(
    get,
    path = "/tags/{tag}/confidences",
    operation_id = "get_confidences",
    tag = "tags",
    params(
        (
            "tag" = String, Path, example = "car",
            description = "The name of the tag, percent-encoded; a slash in it is `%2F`."
        ),
        (
            "min_date" = Option<String>, Query, example = "2024-01-11 08:00:00",
            description = "The earliest date of registration of the images, as in `/images`."
        ),
        (
            "max_date" = Option<String>, Query, example = "2024-12-31 23:59:59",
            description = "The latest date of registration of the images, as in `/images`."
        ),
    ),
    responses((status = 200, body = ConfidencesBody, description = "The numbers of images."))
)]
pub(crate) async fn get_confidences(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let window = queries::confidences(request.query_string(), state.settings.timezone)?;
    let label = path::label(&request)?;
    let catalog = state.catalog.clone();
    let tag = label.clone();
    let histogram = state
        .read(async move { catalog.confidences(&label, window).await })
        .await?;
    response::json(&ConfidencesBody::new(&tag, &histogram))
}
