//! Answers with files that are part of the program.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
};
use gallery::File;

use crate::{conditions, problem::Problem};

/// Answers with a file, compressed where the client takes that, or with 304 where it has it already.
pub(crate) fn answer(
    request: &HttpRequest,
    file: &'static File,
    cache: &'static str,
    vary: &'static str,
) -> Result<HttpResponse, Problem> {
    let gzip = file
        .gzip
        .as_deref()
        .filter(|_| accepts_gzip(request.headers()));
    let coding = if gzip.is_some() { "-gzip" } else { "" };
    let etag = format!("\"{}{coding}\"", file.digest);
    let is_known = conditions::is_unmodified(request.headers(), &etag)?;
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((header::ETAG, etag))
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::VARY, vary));
    if is_known {
        return Ok(response.finish());
    }
    response.content_type(file.media_type);
    Ok(match gzip {
        Some(bytes) => response
            .insert_header((header::CONTENT_ENCODING, "gzip"))
            .body(bytes),
        None => response.body(file.bytes.as_slice()),
    })
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::ACCEPT_ENCODING)
        .filter_map(|it| it.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused(parameters)
    })
}

/// Whether the parameters of a media range or a coding have a quality of zero.
pub(crate) fn is_refused(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>() == Ok(0.0)
    })
}
