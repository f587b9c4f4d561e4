//! `GET /images`: images by date and tags.

use actix_web::{HttpRequest, HttpResponse, http::header::ContentType, web::Data};

use crate::http::{
    answer::{self, ImageBody},
    params::Query,
    problem::Problem,
    state::State,
};

const PARAMETERS: &[&str] = &["min_date", "max_date", "tags"];

/// List images, newest first.
///
/// The list has no bound; it is sent while it is read. An answer that breaks off is not a whole one.
#[utoipa::path(
    get,
    path = "/images",
    operation_id = "list_images",
    tag = "images",
    params(
        (
            "min_date" = Option<String>, Query, example = "2024-01-11 08:00:00",
            description = "The earliest date of registration, inclusive, in the server's time zone. \
                           Also understood: `T` between date and time, fractions of a second, an \
                           offset as in RFC 3339, and a bare date (its first instant)."
        ),
        (
            "max_date" = Option<String>, Query, example = "2024-12-31 23:59:59",
            description = "The latest date of registration, inclusive to the second; a bare date \
                           includes the whole day."
        ),
        (
            "tags" = Option<String>, Query, example = "car,motor vehicle",
            description = "Names of tags, separated by commas. The images carry all of them. Upper \
                           and lower case are the same; an empty name is carried by no image."
        ),
    ),
    responses(
        (status = 200, body = Vec<ImageBody>, description = "The images."),
    )
)]
pub(in crate::http) async fn list_images(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let zone = state.settings.timezone;
    let query = Query::parse(request.query_string(), PARAMETERS)?;
    let (window, labels) = (query.window(zone)?, query.labels());
    let catalog = state.catalog.clone();
    let pages = state
        .read(async move { catalog.list(window, labels).await })
        .await?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(answer::images(&state.runtime, pages, zone)))
}
