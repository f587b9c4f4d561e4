//! `GET /openapi.json` and `GET /docs/`: the documentation of the interface, without network access.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web::ServiceConfig,
};
use domain::ports::cause;
use utoipa_swagger_ui::Config;

use crate::{
    openapi::openapi,
    problem::{Code, Problem},
    routes::readable,
};

static DOCUMENT: LazyLock<Result<String, serde_json::Error>> =
    LazyLock::new(|| openapi().to_json());

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

async fn openapi_json() -> Result<HttpResponse, Problem> {
    match &*DOCUMENT {
        Ok(document) => Ok(HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(document.as_str())),
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
