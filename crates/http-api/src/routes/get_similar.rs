//! `GET /image/{id}/similar` and `/duplicates`: images that look like one.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use domain::{
    ImageId,
    service::{LookAlikes, LookAlikesError, Match},
};
use futures_util::{FutureExt, future::BoxFuture};

use super::path;
use crate::{
    disconnect,
    forwarded::Forwarded,
    problem::Problem,
    queries::{self, MatchQuery},
    response::{self, MatchBody, Presentation},
    state::State,
};

/// Find images that look alike, most alike first.
///
/// They are compared by the features that the local tagger computes. The image itself is left out.
#[utoipa::path(
    get,
    path = "/image/{id}/similar",
    operation_id = "get_similar",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
        (
            "limit" = Option<u32>, Query, minimum = 1, maximum = 200, example = 20,
            description = "The most images of the answer; 20 without it."
        ),
        (
            "info" = Option<bool>, Query, example = true,
            description = "Whether each image has `type`, `width`, `height`, `file_name` and \
                           `taken_at` as well; `false` without it."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the answer. A tag without a name in it keeps \
                            its own; `en` are the names that tags have in the store. One that the server does \
                            not have is refused."
        ),
    ),
    responses((status = 200, body = Vec<MatchBody>, description = "The images."))
)]
pub(crate) async fn get_similar(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    answer(&request, &state, |service, id, asked, context| {
        async move { service.similar(&id, asked.limit, &context).await }.boxed()
    })
    .await
}

/// Find the same picture in other files, scaled or compressed again, most alike first.
///
/// They are compared by perceptual hashes, with any tagger. The image itself is left out.
#[utoipa::path(
    get,
    path = "/image/{id}/duplicates",
    operation_id = "get_duplicates",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
        (
            "limit" = Option<u32>, Query, minimum = 1, maximum = 200, example = 20,
            description = "The most images of the answer; 20 without it."
        ),
        (
            "info" = Option<bool>, Query, example = true,
            description = "Whether each image has `type`, `width`, `height`, `file_name` and \
                           `taken_at` as well; `false` without it."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the answer, as for `/image/{id}/similar`."
        ),
    ),
    responses((status = 200, body = Vec<MatchBody>, description = "The images."))
)]
pub(crate) async fn get_duplicates(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    answer(&request, &state, |service, id, asked, context| {
        async move { service.duplicates(&id, asked.limit, &context).await }.boxed()
    })
    .await
}

/// What finds images; `None` if there is no such image.
type Found = Result<Option<Vec<Match>>, LookAlikesError>;

async fn answer(
    request: &HttpRequest,
    state: &State,
    find: impl FnOnce(
        LookAlikes,
        ImageId,
        MatchQuery,
        domain::ports::CallContext,
    ) -> BoxFuture<'static, Found>,
) -> Result<HttpResponse, Problem> {
    let asked = queries::matches(request.query_string())?;
    let shown = Presentation {
        zone: state.settings.timezone,
        names: state.names(asked.language.as_deref()).await?,
    };
    let id = path::id(request)?;
    let origin = Forwarded::of(request, &state.settings.trusted_proxies);
    let context = disconnect::context(request, origin.client);
    let (with_info, catalog) = (asked.info, state.catalog.clone());
    let found = find(state.look_alikes.clone(), id, asked, context);
    let (matches, infos) = state
        .look(async move {
            let matches = found.await?.ok_or_else(|| path::no_image(&id))?;
            let ids: Vec<ImageId> = matches.iter().map(|found| found.image.id).collect();
            let infos = if with_info {
                Some(catalog.infos(&ids).await?)
            } else {
                None
            };
            Ok((matches, infos))
        })
        .await?;
    let bodies = matches.iter();
    let bodies: Vec<MatchBody<'_>> = bodies
        .map(|found| MatchBody::new(found, infos.as_ref(), &shown))
        .collect();
    response::json(&bodies)
}
