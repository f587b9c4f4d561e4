//! `POST /image`: registers an image.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType, HeaderMap},
    web::{Data, Payload},
};
use domain::service::Upload;
use utoipa::ToSchema;

use crate::{
    disconnect,
    forwarded::Forwarded,
    problem::{Code, Problem},
    queries,
    response::{self, Head},
    state::State,
    upload,
};

/// An image to register.
#[derive(ToSchema)]
#[schema(as = Upload)]
#[expect(
    dead_code,
    reason = "for the documentation: the body is never held as a whole"
)]
pub(crate) struct UploadBody {
    /// The image in base64: JPEG, PNG, WebP, GIF, BMP or TIFF.
    ///
    /// Line breaks and blanks, a `data:...;base64,` prefix, the URL-safe alphabet and missing
    /// padding are tolerated. Other members of the object are ignored.
    #[schema(format = Byte, min_length = 1, example = "R0lGODlhAQABAIAAAMBAIAAAACwAAAAAAQABAAACAkQBADs=")]
    data: String,
}

/// Register an image.
///
/// The image is tagged, kept and recorded. Every call registers an image of its own, also one that
/// is known already.
#[utoipa::path(
    post,
    path = "/image",
    operation_id = "post_image",
    tag = "images",
    params(
        (
            "min_confidence" = Option<f64>, Query, minimum = 0, maximum = 100, example = 60,
            description = "The lowest confidence of the tags to record, inclusive. The server's \
                           default is 80."
        ),
    ),
    request_body(
        content = UploadBody, content_type = "application/json",
        description = "The image. By default it may have 25 MiB.",
    ),
    responses(
        (
            status = 200, body = response::ImageWithDataBody,
            description = "The image is registered.",
            headers(("Location" = String, description = "The path of the image.")),
            links(("image" = (
                operation_id = "get_image",
                parameters(("id" = "$response.body#/id")),
                description = "The image that was registered."
            ))),
        ),
    )
)]
pub(crate) async fn post_image(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let threshold = queries::upload(request.query_string(), state.settings.default_threshold)?;
    check_encoding(request.headers())?;
    let length = length(request.headers());
    let origin = Forwarded::of(&request, &state.settings.trusted_proxies);
    let received = upload::receive(
        body,
        length,
        origin.client,
        &state.admission,
        &state.settings,
    )
    .await?;
    let upload = Upload {
        bytes: received.bytes.clone(),
        digest: received.digest,
        threshold,
        file_name: None,
        context: disconnect::context(&request, origin.client),
    };
    let image = state.ingest(upload).await?;
    let settings = &state.settings;
    let head = Head::new(&image, settings.timezone)?;
    let location = format!("{}/image/{}", origin.prefix, image.id);
    let catalog = state.catalog.clone();
    let reopen = Box::pin(async move { catalog.content(&image).await });
    let patience = settings.answer_hold;
    let answer = response::from_bytes(&state.runtime, head, received.bytes, patience, reopen);
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((header::LOCATION, location))
        .body(answer))
}

/// The length of the body, where the client tells it.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// The content type that is taken.
const JSON: &str = "application/json";

/// How much of a foreign header is repeated in an answer, in characters.
const HEADER_SHOWN: usize = 64;

/// Takes JSON that is not compressed.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_json = only(headers, &header::CONTENT_TYPE).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(JSON)
    });
    if !is_json {
        let got = shown(headers, &header::CONTENT_TYPE);
        return Err(unsupported(&format!("{got}; the body must be {JSON}")));
    }
    let is_plain = !headers.contains_key(header::CONTENT_ENCODING)
        || only(headers, &header::CONTENT_ENCODING)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("identity"));
    if !is_plain {
        let got = shown(headers, &header::CONTENT_ENCODING);
        return Err(unsupported(&format!(
            "{got}; the body must not be compressed"
        )));
    }
    Ok(())
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(Code::UnsupportedMediaType, detail)
}

/// What a header says, for the client that sent it.
fn shown(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let title = match *name {
        header::CONTENT_TYPE => "Content-Type",
        _ => "Content-Encoding",
    };
    match (headers.get_all(name).count(), only(headers, name)) {
        (0, _) => format!("the header {title} is missing"),
        (1, Some("")) => format!("the header {title} is empty"),
        (1, Some(value)) => {
            let value: String = value.chars().take(HEADER_SHOWN).collect();
            format!("the header {title} is `{value}`")
        }
        (1, None) => format!("the header {title} is not ASCII text"),
        _ => format!("the header {title} is given more than once"),
    }
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn check(lines: &[(&str, &str)]) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        check_encoding(&headers)
    }

    #[rstest::rstest]
    #[case(&[("content-type", "application/json")])]
    #[case(&[("content-type", "Application/JSON; charset=utf-8")])]
    #[case(&[("content-type", "application/json ;v=1;w=2")])]
    #[case(&[("content-type", "application/json"), ("content-encoding", "identity")])]
    fn takes_json(#[case] headers: &[(&str, &str)]) {
        assert!(check(headers).is_ok());
    }

    #[rstest::rstest]
    #[case(&[], "Content-Type is missing; the body must be application/json")]
    #[case(&[("content-type", "")], "Content-Type is empty")]
    #[case(&[("content-type", "text/json")], "`text/json`; the body must be application/json")]
    #[case(&[("content-type", "text/plain")], "`text/plain`")]
    #[case(&[("content-type", "application/jsonp")], "`application/jsonp`")]
    #[case(&[("content-type", "application/problem+json")], "`application/problem+json`")]
    #[case(&[("content-type", "application/x-www-form-urlencoded")], "urlencoded`")]
    #[case(&[("content-type", "multipart/form-data")], "`multipart/form-data`")]
    #[case(&[("content-type", "ñ")], "is not ASCII text")]
    #[case(&[("content-type", "application/json"), ("content-type", "text/plain")], "more than once")]
    #[case(
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        "Content-Encoding is `gzip`; the body must not be compressed"
    )]
    fn refuses_everything_else(#[case] headers: &[(&str, &str)], #[case] what: &str) {
        let problem = check(headers).unwrap_err();
        assert_eq!(problem.code(), Code::UnsupportedMediaType);
        assert!(problem.to_string().contains(what), "{problem}");
    }

    #[test]
    fn a_long_content_type_is_shown_in_part() {
        let long = "x".repeat(1000);
        let problem = check(&[("content-type", &long)]).unwrap_err();
        assert!(problem.to_string().len() < 200, "{problem}");
    }
}
