//! Writes responses: small ones at once, large ones streamed.

mod data;
mod dto;
mod image_tags;
mod info;
mod jobs;
mod pages;
mod raw;
mod streamed;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{self, ContentType},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;

pub(super) use self::{
    data::{Head, WithData, from_bytes},
    dto::{
        ConfidencesBody, ImageBody, ImageWithDataBody, MatchBody, Presentation, RegisteredBody,
        TagSummaryBody, TaggedBody,
    },
    image_tags::ImageTagsBody,
    info::InfoBody,
    jobs::{JobBody, jobs},
    pages::{Infos, images, page},
    raw::Raw,
};
use super::problem::Problem;

/// A JSON response small enough to be held in memory.
pub(super) fn json(document: &impl Serialize) -> Result<HttpResponse, Problem> {
    let text = to_json(document)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(text))
}

/// An answer with bytes of a picture, which never change. They are a stranger's: a browser must neither guess
/// what they are nor run anything in them.
pub(super) fn immutable(etag: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::ETAG, etag))
        .insert_header((
            header::CACHE_CONTROL,
            "private, max-age=31536000, immutable",
        ))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"));
    answer
}

/// A time as responses show it.
pub(super) fn date(at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    local.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Serialises a document as JSON.
pub(super) fn to_json(document: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(document).map_err(|error| Problem::internal(domain::ports::cause(error)))
}
