//! The routes, one module each.

mod delete_image;
mod fallback;
mod get_confidences;
mod get_file;
mod get_image;
mod get_info;
mod get_similar;
mod get_thumbnail;
mod health;
mod image_tags;
mod imagga;
mod incoming;
mod jobs;
mod keys;
mod list_images;
mod list_taggers;
mod list_tags;
mod metrics;
mod page;
mod path;
mod photoprism;
mod post_image;
mod post_tag;
mod repeatable;
mod session;
mod vocabulary;
mod webhooks;

use std::future::ready;

use actix_web::{
    Error, FromRequest, Handler, HttpRequest, Resource, Responder,
    body::BoxBody,
    dev::{HttpServiceFactory, ServiceFactory, ServiceRequest, ServiceResponse},
    guard::fn_guard,
    http::Method,
    middleware::{Next, from_fn},
    web::{self, Data, ServiceConfig},
};

use crate::{
    access,
    middleware::check_costly_read,
    problem::{Dialect, Problem},
    rights::{self, Right},
    state::State,
};

pub(super) use self::{
    delete_image::__path_delete_image, get_confidences::__path_get_confidences,
    get_file::__path_get_file, get_image::__path_get_image, get_info::__path_get_info,
    get_similar::__path_get_duplicates, get_similar::__path_get_similar,
    get_thumbnail::__path_get_thumbnail, health::__path_livez, health::__path_readyz,
    image_tags::__path_edit_tags, image_tags::__path_get_tags, image_tags::__path_retag,
    imagga::__path_imagga_delete_upload, imagga::__path_imagga_get_tags,
    imagga::__path_imagga_post_tags, imagga::__path_imagga_post_upload,
    imagga::__path_imagga_usage, jobs::__path_delete_job, jobs::__path_get_job,
    jobs::__path_list_jobs, jobs::__path_post_job, keys::__path_delete_key, keys::__path_list_keys,
    keys::__path_post_key, list_images::__path_list_images, list_taggers::__path_list_taggers,
    list_tags::__path_list_tags, metrics::__path_metrics, photoprism::__path_photoprism_labels,
    post_image::__path_post_image, post_tag::__path_post_tag, session::__path_delete_session,
    session::__path_post_session, vocabulary::__path_delete_entry, vocabulary::__path_get_entry,
    vocabulary::__path_list_vocabulary, vocabulary::__path_put_entry,
    webhooks::__path_delete_webhook, webhooks::__path_list_webhooks, webhooks::__path_post_webhook,
    webhooks::__path_replay_webhook,
};

pub(super) use self::{keys::ScopeBody, metrics::scrape, webhooks::EventBody};

/// The methods of a route that is read.
const READABLE: &str = "GET, HEAD, OPTIONS";

/// The methods of a route that takes uploads.
const WRITABLE: &str = "POST, OPTIONS";

/// The methods of the other routes.
const IMAGE: &str = "GET, HEAD, DELETE, OPTIONS";
const IMAGE_TAGS: &str = "GET, HEAD, PATCH, OPTIONS";
const JOBS: &str = "GET, HEAD, POST, OPTIONS";
const JOB: &str = "GET, HEAD, DELETE, OPTIONS";
const KEYS: &str = "GET, HEAD, POST, OPTIONS";
const WEBHOOKS: &str = "GET, HEAD, POST, OPTIONS";
const REMOVABLE: &str = "DELETE, OPTIONS";
const ENTRY: &str = "GET, HEAD, PUT, DELETE, OPTIONS";
const TAGGING: &str = "GET, HEAD, POST, OPTIONS";
const SESSION: &str = "POST, DELETE, OPTIONS";

/// Registers the routes of the interface, and what answers where there is none.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .configure(jobs_and_keys)
        .configure(webhook_routes)
        .configure(compatible)
        .service(with_rest("/image", WRITABLE).route(web::post().to(post_image::post_image)))
        .service(with_rest("/tag", WRITABLE).route(web::post().to(post_tag::post_tag)))
        .service(
            with_rest("/image/{id}", IMAGE)
                .route(web::get().to(get_image::get_image))
                .route(web::head().to(get_image::get_image))
                .route(web::delete().to(delete_image::delete_image)),
        )
        .service(
            with_rest("/image/{id}/tags", IMAGE_TAGS)
                .route(web::get().to(image_tags::get_tags))
                .route(web::head().to(image_tags::get_tags))
                .route(web::patch().to(image_tags::edit_tags)),
        )
        .service(with_rest("/image/{id}/retag", WRITABLE).route(web::post().to(image_tags::retag)))
        .service(readable("/image/{id}/file", get_file::get_file))
        .service(readable("/image/{id}/info", get_info::get_info))
        .service(readable("/image/{id}/similar", get_similar::get_similar))
        .service(readable(
            "/image/{id}/duplicates",
            get_similar::get_duplicates,
        ))
        .service(readable(
            "/image/{id}/thumbnail",
            get_thumbnail::get_thumbnail,
        ))
        .service(readable("/images", list_images::list_images))
        .service(readable("/tags", list_tags::list_tags))
        .service(readable(
            "/tags/{tag}/confidences",
            get_confidences::get_confidences,
        ))
        .service(readable("/vocabulary", vocabulary::list_vocabulary))
        .service(
            with_rest("/vocabulary/{tag}", ENTRY)
                .route(web::get().to(vocabulary::get_entry))
                .route(web::head().to(vocabulary::get_entry))
                .route(web::put().to(vocabulary::put_entry))
                .route(web::delete().to(vocabulary::delete_entry)),
        )
        .service(readable("/taggers", list_taggers::list_taggers))
        .service(
            guarded("/", READABLE)
                .guard(fn_guard(page::asks_for_page))
                .route(web::get().to(page::page))
                .route(web::head().to(page::page)),
        )
        .service(readable("/ui/{file:.*}", page::file))
        .service(readable("/livez", health::livez))
        .service(readable("/readyz", health::readyz))
        .service(readable("/metrics", metrics::metrics))
        .default_service(web::to(fallback::no_route));
}

/// Registers the routes that are compatible with other services.
fn compatible(config: &mut ServiceConfig) {
    config
        .service(
            with_rest(COSTLY_READ, TAGGING)
                .route(web::get().to(imagga::imagga_get_tags))
                .route(web::head().to(imagga::imagga_get_tags))
                .route(web::post().to(imagga::imagga_post_tags)),
        )
        .service(
            with_rest("/v2/uploads", WRITABLE).route(web::post().to(imagga::imagga_post_upload)),
        )
        .service(
            with_rest("/v2/uploads/{id}", REMOVABLE)
                .route(web::delete().to(imagga::imagga_delete_upload)),
        )
        .service(readable("/v2/usage", imagga::imagga_usage))
        .service(
            with_rest("/api/v1/vision/labels", WRITABLE)
                .route(web::post().to(photoprism::photoprism_labels)),
        );
}

/// Registers the routes of jobs, keys and sessions.
fn jobs_and_keys(config: &mut ServiceConfig) {
    config
        .service(
            with_rest("/jobs", JOBS)
                .route(web::get().to(jobs::list_jobs))
                .route(web::head().to(jobs::list_jobs))
                .route(web::post().to(jobs::post_job)),
        )
        .service(
            with_rest("/jobs/{id}", JOB)
                .route(web::get().to(jobs::get_job))
                .route(web::head().to(jobs::get_job))
                .route(web::delete().to(jobs::delete_job)),
        )
        .service(
            with_rest("/keys", KEYS)
                .route(web::get().to(keys::list_keys))
                .route(web::head().to(keys::list_keys))
                .route(web::post().to(keys::post_key)),
        )
        .service(with_rest("/keys/{id}", REMOVABLE).route(web::delete().to(keys::delete_key)))
        .service(
            with_rest("/session", SESSION)
                .route(web::post().to(session::post_session))
                .route(web::delete().to(session::delete_session)),
        );
}

/// Registers the routes of webhooks.
fn webhook_routes(config: &mut ServiceConfig) {
    config
        .service(
            with_rest("/webhooks", WEBHOOKS)
                .route(web::get().to(webhooks::list_webhooks))
                .route(web::head().to(webhooks::list_webhooks))
                .route(web::post().to(webhooks::post_webhook)),
        )
        .service(
            with_rest("/webhooks/{id}", REMOVABLE)
                .route(web::delete().to(webhooks::delete_webhook)),
        )
        .service(
            with_rest("/webhooks/{id}/replay", WRITABLE)
                .route(web::post().to(webhooks::replay_webhook)),
        );
}

/// A route that answers `GET`, and `HEAD` likewise: the outermost layer leaves the body out.
pub(super) fn readable<F, Args>(path: &'static str, handler: F) -> impl HttpServiceFactory + 'static
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    with_rest(path, READABLE)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

/// A route that says what it can do, refuses everything else, and lets nobody pass without the right that its row in
/// the table names.
fn with_rest(
    path: &'static str,
    methods: &'static str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    guarded(path, methods)
        .route(web::method(Method::OPTIONS).to(move || ready(fallback::options(methods))))
        .default_service(web::to(move || ready(fallback::no_method(methods))))
}

/// A route that lets nobody pass without the right that its row in the table names.
///
/// # Panics
/// If a method has no row: a route must not be open because somebody forgot it.
fn guarded(
    path: &'static str,
    methods: &'static str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    let is_known = |method: &str| {
        let method = Method::from_bytes(method.as_bytes());
        method.is_ok_and(|it| it == Method::OPTIONS || rights::right(path, &it).is_some())
    };
    assert!(
        methods.split(", ").all(is_known),
        "a method of {path} has no row in the table of rights"
    );
    web::resource(path).wrap(from_fn(move |request, next| {
        guard(path, methods, request, next)
    }))
}

/// Lets a request to a route pass if it has the right to. A method without a row never gets to a handler.
async fn guard(
    path: &str,
    methods: &'static str,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    if *request.method() == Method::OPTIONS {
        return next.call(request).await;
    }
    let outcome = match (
        rights::right(path, request.method()),
        request.app_data::<Data<State>>().cloned(),
    ) {
        (Some(right), Some(state)) => admit(&state, request.request(), path, right).await,
        _ => fallback::no_method(methods).map(drop),
    };
    match outcome {
        Ok(()) => next.call(request).await,
        Err(problem) => Ok(request.error_response(problem)),
    }
}

/// The route whose `GET` costs a tagging: pages of other sites must not cause it.
const COSTLY_READ: &str = "/v2/tags";

/// Fails unless a request to a route has the right to it.
async fn admit(
    state: &Data<State>,
    request: &HttpRequest,
    path: &str,
    right: Right,
) -> Result<(), Problem> {
    if path == COSTLY_READ && matches!(*request.method(), Method::GET | Method::HEAD) {
        let settings = &state.settings;
        check_costly_read(request, &settings.cors_origins, &settings.trusted_proxies)?;
    }
    access::authorize(state, request, right, Dialect::of_path(path)).await
}
