//! `GET /tags`: how tags are used.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use domain::TagQuery;

use crate::{
    problem::Problem,
    queries,
    response::{self, TagSummaryBody},
    state::State,
};

/// List the tags of images, most used first, then by name.
#[utoipa::path(
    get,
    path = "/tags",
    operation_id = "list_tags",
    tag = "tags",
    params(
        (
            "min_date" = Option<String>, Query, example = "2024-01-11 08:00:00",
            description = "The earliest date of registration of the images, as in `/images`."
        ),
        (
            "max_date" = Option<String>, Query, example = "2024-12-31 23:59:59",
            description = "The latest date of registration of the images, as in `/images`."
        ),
        (
            "prefix" = Option<String>, Query, example = "mo",
            description = "What the names in the answer begin with, in any case: for completion while a name \
                           is typed. Where there is none, what names in any language begin with."
        ),
        (
            "order" = Option<String>, Query, example = "count",
            description = "`count`: most used first, ties by name (default). `name`: by name."
        ),
        (
            "limit" = Option<u32>, Query, minimum = 1, maximum = 1000, example = 20,
            description = "The most tags of the answer; without it there is no bound."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the answer. A tag without a name in it keeps \
                            its own; `en` are the names that tags have in the store. One that the server does \
                            not have is refused."
        ),
    ),
    responses(
        (status = 200, body = Vec<TagSummaryBody>, description = "The tags."),
    )
)]
pub(crate) async fn list_tags(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let (query, language) = queries::tags(request.query_string(), state.settings.timezone)?;
    let names = state.names(language.as_deref()).await?;
    let query = TagQuery {
        names: names.clone(),
        ..query
    };
    let catalog = state.catalog.clone();
    let tags = state.read(async move { catalog.tags(query).await }).await?;
    let tags = tags.iter().map(|tag| TagSummaryBody::new(tag, &names));
    response::json(&tags.collect::<Vec<_>>())
}
