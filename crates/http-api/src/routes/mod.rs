//! The routes, one module each.

mod fallback;
mod get_file;
mod get_image;
mod get_info;
mod health;
mod list_images;
mod list_tags;
mod path;
mod post_image;

use std::future::ready;

use actix_web::{
    FromRequest, Handler, Resource, Responder,
    http::Method,
    web::{self, ServiceConfig},
};

pub(super) use self::{
    get_file::__path_get_file, get_image::__path_get_image, get_info::__path_get_info,
    health::__path_livez, health::__path_readyz, list_images::__path_list_images,
    list_tags::__path_list_tags, post_image::__path_post_image,
};

/// The methods of a route that is read.
const READABLE: &str = "GET, HEAD, OPTIONS";

/// The methods of a route that takes uploads.
const WRITABLE: &str = "POST, OPTIONS";

/// Registers the routes of the interface, and what answers where there is none.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(with_rest("/image", WRITABLE).route(web::post().to(post_image::post_image)))
        .service(readable("/image/{id}", get_image::get_image))
        .service(readable("/image/{id}/file", get_file::get_file))
        .service(readable("/image/{id}/info", get_info::get_info))
        .service(readable("/images", list_images::list_images))
        .service(readable("/tags", list_tags::list_tags))
        .service(readable("/livez", health::livez))
        .service(readable("/readyz", health::readyz))
        .default_service(web::to(fallback::no_route));
}

/// A route that answers `GET`, and `HEAD` likewise: the outermost layer leaves the body out.
pub(super) fn readable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    with_rest(path, READABLE)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

/// A route that says what it can do, and refuses everything else.
fn with_rest(path: &str, methods: &'static str) -> Resource {
    web::resource(path)
        .route(web::method(Method::OPTIONS).to(move || ready(fallback::options(methods))))
        .default_service(web::to(move || ready(fallback::no_method(methods))))
}
