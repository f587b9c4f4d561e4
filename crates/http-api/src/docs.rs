//! `GET /openapi.json` and `GET /docs/`: the documentation of the interface, without network access.

use std::sync::{Arc, LazyLock};

use actix_web::{HttpRequest, HttpResponse, http::header, web::ServiceConfig};
use domain::ports::cause;
use gallery::File;
use utoipa_swagger_ui::Config;

use crate::{
    embedded,
    openapi::openapi,
    problem::{Code, Problem},
    routes::readable,
};

static DOCUMENT: LazyLock<Result<File, serde_json::Error>> = LazyLock::new(|| {
    let document = openapi().to_json()?;
    Ok(File::new("application/json", document.into_bytes()))
});

/// The page shows this document; it calls no online validator.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("../openapi.json").validator_url("none")));

/// Registers the routes of the documentation.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(readable("/openapi.json", openapi_json))
        .service(readable("/docs", to_page))
        .service(readable("/docs/{file:.*}", file));
}

/// Clients ask again each time, and are told if they have it: it changes with the version of the server.
async fn openapi_json(request: HttpRequest) -> Result<HttpResponse, Problem> {
    match &*DOCUMENT {
        Ok(document) => embedded::answer(&request, document, "no-cache", "Accept-Encoding"),
        Err(error) => Err(Problem::internal(cause(error.to_string()))),
    }
}

/// The page is in a folder, because its files are.
async fn to_page() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "docs/"))
        .finish()
}

/// A file of the page.
async fn file(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.match_info().query("file");
    let file = utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG))
        .map_err(|error| Problem::internal(cause(error.to_string())))?
        .ok_or_else(|| Problem::new(Code::RouteNotFound, "no such route"))?;
    Ok(HttpResponse::Ok()
        .content_type(file.content_type)
        .body(file.bytes.into_owned()))
}
