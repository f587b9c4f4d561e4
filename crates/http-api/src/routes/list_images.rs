//! `GET /images`: images by date and tags.

use std::num::NonZeroU32;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType, HeaderName, HeaderValue},
    web::Data,
};
use futures_util::{StreamExt, TryStreamExt, future::try_join};

use domain::{
    Image,
    service::{Catalog, CatalogError},
};

use crate::{
    disconnect,
    forwarded::Forwarded,
    problem::Problem,
    queries::{self, List},
    response::{self, ImageBody, Infos, Presentation},
    state::State,
};

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// List images, the last registered or taken first.
///
/// Without `limit` the list has no bound; it is sent while it is read. An answer that breaks off is not
/// a whole one.
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
                           and lower case are the same; an empty name is carried by no image. \
                           Where no image has such a tag, it is the name of one in another \
                           language: first in that of `language`, then in any."
        ),
        (
            "any_tags" = Option<String>, Query, example = "car,bicycle",
            description = "Names of tags, as in `tags`. The images carry at least one of them."
        ),
        (
            "not_tags" = Option<String>, Query, example = "person",
            description = "Names of tags, as in `tags`. The images carry none of them."
        ),
        (
            "min_confidence" = Option<f64>, Query, minimum = 0, maximum = 100, example = 80,
            description = "The confidence from which on a tag counts for `tags`, `any_tags` and \
                           `not_tags`, inclusive; without it every tag counts. Images are listed \
                           with all their tags either way."
        ),
        (
            "q" = Option<String>, Query, example = "cat>=80 -dog date>=2024-01-01",
            description = "A search, beside the other parameters. Blanks mean AND, which binds tighter than \
                           `|` or `OR`; `-` or `NOT` excludes; brackets group. A term is a tag (in quotes \
                           where it holds blanks), a tag with a confidence (`cat>=80`), `untagged`, \
                           `type:jpeg`, or `date`, `taken`, `width` or `height` with `<`, `<=`, `=`, `>=` \
                           or `>`. At most 2000 characters, 100 terms and brackets 20 deep."
        ),
        (
            "order" = Option<String>, Query, example = "taken",
            description = "`registered`, the default: the last registered first. `taken`: the last taken \
                           first, by the clock of its camera; where that is unknown, the date of \
                           registration in the server's time zone stands for it."
        ),
        (
            "limit" = Option<u32>, Query, minimum = 1, maximum = 1000, example = 50,
            description = "The most images of the answer. If there are more, `Link` says where."
        ),
        (
            "cursor" = Option<String>, Query, example = "AQAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZg",
            description = "The place in the list where the answer begins, from the `Link` of the page \
                           before. The other parameters are repeated along with it, as the `Link` \
                           does; a cursor of another order is refused. Without `limit` the answer goes on to the end of the list."
        ),
        (
            "count" = Option<bool>, Query, example = true,
            description = "Whether all images that match are counted, whatever `limit` and `cursor` are: \
                           `X-Total-Count` says how many they are. The answer waits for that."
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
    responses(
        (
            status = 200, body = Vec<ImageBody>, description = "The images.",
            headers(
                (
                    "Link" = String,
                    description = "`<…>; rel=\"next\"` (RFC 8288): the next page, relative to the URL of \
                                   this one. With `limit`, and only if there are more images."
                ),
                (
                    "X-Total-Count" = u64,
                    description = "How many images match. With `count=true`, unless counting them takes \
                                   longer than a request may (`limits.request_timeout`)."
                )
            )
        ),
    )
)]
pub(crate) async fn list_images(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let zone = state.settings.timezone;
    let list = queries::images(request.query_string(), zone)?;
    let names = state.names(list.language.as_deref()).await?;
    let shown = Presentation { zone, names };
    let (window, filter, is_counted) = (list.window, list.labels.clone(), list.count);
    let counted_names = shown.names.clone();
    let count = async {
        if is_counted {
            let origin = Forwarded::of(&request, &state.settings.trusted_proxies);
            let context = disconnect::context(&request, origin.client);
            state.count(window, filter, counted_names, context).await
        } else {
            Ok(None)
        }
    };
    let listed = async {
        match list.limit {
            Some(limit) => page(&request, &state, list, limit, shown).await,
            None => whole(&state, list, shown).await,
        }
    };
    let (mut response, count) = try_join(listed, count).await?;
    if let Some(count) = count {
        response
            .headers_mut()
            .insert(TOTAL_COUNT, HeaderValue::from(count));
    }
    Ok(response)
}

/// The rest of the list from the place on.
async fn whole(state: &State, list: List, shown: Presentation) -> Result<HttpResponse, Problem> {
    let (catalog, names) = (state.catalog.clone(), shown.names.clone());
    let pages = state
        .read(async move {
            let labels = catalog.resolve(list.labels, &names).await?;
            catalog.list(list.window, labels, list.after).await
        })
        .await?;
    let catalog = list.info.then(|| state.catalog.clone());
    let pages = pages.and_then(move |images| {
        let catalog = catalog.clone();
        async move {
            let infos = infos(catalog.as_ref(), &images).await?;
            Ok((images, infos))
        }
    });
    let body = response::images(&state.runtime, pages.boxed(), shown);
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(body))
}

/// A page, and where the next one is.
async fn page(
    request: &HttpRequest,
    state: &State,
    list: List,
    limit: NonZeroU32,
    shown: Presentation,
) -> Result<HttpResponse, Problem> {
    let (catalog, names) = (state.catalog.clone(), shown.names.clone());
    let (page, infos) = state
        .read(async move {
            let labels = catalog.resolve(list.labels, &names).await?;
            let page = catalog.page(list.window, labels, list.after, limit).await?;
            let infos = infos(list.info.then_some(&catalog), &page.images).await?;
            Ok::<_, CatalogError>((page, infos))
        })
        .await?;
    let body = response::page(&page.images, infos.as_ref(), &shown)?;
    let mut response = HttpResponse::Ok();
    if let Some(next) = page.next {
        let link = queries::next(request.query_string(), next);
        response.insert_header((header::LINK, link));
    }
    Ok(response.content_type(ContentType::json()).body(body))
}

/// What is known of images beside their tags, if a catalog is asked.
async fn infos(catalog: Option<&Catalog>, images: &[Image]) -> Result<Option<Infos>, CatalogError> {
    let Some(catalog) = catalog else {
        return Ok(None);
    };
    let ids: Vec<_> = images.iter().map(|image| image.id).collect();
    catalog.infos(&ids).await.map(Some)
}
