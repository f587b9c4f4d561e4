//! `GET /openapi.json` and `GET /docs/`: the documentation of the interface, without any network.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
};
use domain::ports::cause;
use utoipa_swagger_ui::Config;

use crate::{
    openapi,
    problem::{Code, Problem},
};

static DOCUMENT: LazyLock<Result<String, serde_json::Error>> =
    LazyLock::new(|| openapi().to_json());

/// The page shows this document; it asks nobody on the network to validate it.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("../openapi.json").validator_url("none")));

/// The OpenAPI document.
pub(super) async fn openapi_json() -> Result<HttpResponse, Problem> {
    match &*DOCUMENT {
        Ok(document) => Ok(HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(document.as_str())),
        Err(error) => Err(Problem::internal(cause(error.to_string()))),
    }
}

/// The page lives in a folder, because its files do.
pub(super) async fn to_page() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "docs/"))
        .finish()
}

/// A file of the page.
pub(super) async fn file(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.match_info().query("file");
    let file = utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG))
        .map_err(|error| Problem::internal(cause(error.to_string())))?
        .ok_or_else(|| Problem::new(Code::RouteNotFound, "nothing lives at this path"))?;
    Ok(HttpResponse::Ok()
        .content_type(file.content_type)
        .body(file.bytes.into_owned()))
}
