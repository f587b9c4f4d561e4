//! Answers to requests that no route takes.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};

use crate::problem::{Code, Problem};

/// The methods that some route has.
const ANY: &str = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";

/// `OPTIONS` of a route.
pub(super) fn options(methods: &'static str) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ALLOW, methods))
        .finish()
}

/// A method that the route does not have.
pub(super) fn no_method(methods: &'static str) -> Result<HttpResponse, Problem> {
    let detail = format!("this route takes {methods}");
    Err(Problem::new(Code::MethodNotAllowed, detail).allow(methods))
}

/// A path without a route. `OPTIONS *` asks for the server as a whole (RFC 9110 §9.3.7).
pub(super) async fn no_route(request: HttpRequest) -> Result<HttpResponse, Problem> {
    if request.method() == Method::OPTIONS && request.path() == "*" {
        return Ok(options(ANY));
    }
    Err(Problem::new(Code::RouteNotFound, "no such route"))
}
