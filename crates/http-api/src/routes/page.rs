//! The web page at `/`, and its files below `/ui/`.

use actix_web::{
    HttpRequest, HttpResponse,
    guard::GuardContext,
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};

use crate::{
    embedded,
    problem::{Code, Problem},
};

/// The page is asked for again each time: it names the files of its version.
const PAGE_CACHE: &str = "no-cache";

/// A file never changes: its path holds the digest of all files.
const FILE_CACHE: &str = "public, max-age=31536000, immutable";

/// Whether a request asks for a page: `GET` or `HEAD`, with an `Accept` that names `text/html` itself.
///
/// Programs that name no type, or any, get the API's answer to `/`.
pub(super) fn asks_for_page(request: &GuardContext<'_>) -> bool {
    let head = request.head();
    matches!(head.method, Method::GET | Method::HEAD) && accepts_html(&head.headers)
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::ACCEPT)
        .filter_map(|it| it.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
        kind.trim().eq_ignore_ascii_case("text/html") && !embedded::is_refused(parameters)
    })
}

/// The page.
pub(super) async fn page(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let policy = HeaderValue::from_static(gallery::POLICY);
    let mut response = embedded::answer(
        &request,
        gallery::page(),
        PAGE_CACHE,
        "Accept, Accept-Encoding",
    )?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// A file of the page.
pub(super) async fn file(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.match_info().query("file");
    let file =
        gallery::file(path).ok_or_else(|| Problem::new(Code::RouteNotFound, "no such route"))?;
    embedded::answer(&request, file, FILE_CACHE, "Accept-Encoding")
}
