//! `GET /image/{id}`: an image with its bytes.

use actix_web::{HttpRequest, HttpResponse, http::header::ContentType, web::Data};
use domain::{
    ImageId,
    service::{Catalog, CatalogError},
};

use super::path;
use crate::{
    problem::Problem,
    queries,
    response::{self, Head, Presentation, WithData},
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
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the answer. A tag without a name in it keeps \
                            its own; `en` are the names that tags have in the store. One that the server does \
                            not have is refused."
        ),
    ),
    responses(
        (status = 200, body = response::ImageWithDataBody, description = "The image."),
    )
)]
pub(crate) async fn get_image(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let language = queries::image(request.query_string())?;
    let shown = Presentation {
        zone: state.settings.timezone,
        names: state.names(language.as_deref()).await?,
    };
    let id = path::id(&request)?;
    let catalog = state.catalog.clone();
    let answer = state
        .read(async move { find(&catalog, &id, &shown).await })
        .await?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(answer.body(&state.runtime)))
}

/// The image with that id, and its bytes if they are few.
pub(super) async fn find(
    catalog: &Catalog,
    id: &ImageId,
    shown: &Presentation,
) -> Result<WithData, Problem> {
    let Some(found) = catalog.find(id).await? else {
        return Err(path::no_image(id));
    };
    let head = Head::new(&found.image, shown)?;
    let answer = WithData::new(head, found.content).await;
    answer.map_err(|error| CatalogError::from(error).into())
}
