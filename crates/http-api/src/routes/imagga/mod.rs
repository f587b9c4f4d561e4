//! The part of Imagga's interface, version 2, that tags pictures: for programs that were written for it.
//!
//! Unknown parameters are ignored, and errors are Imagga's (see [`Dialect`](crate::problem::Dialect)).

mod form;
mod tags;
mod uploads;
mod usage;

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use domain::ports::Quota;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::{
    tags::{__path_imagga_get_tags, __path_imagga_post_tags, imagga_get_tags, imagga_post_tags},
    uploads::{
        __path_imagga_delete_upload, __path_imagga_post_upload, imagga_delete_upload,
        imagga_post_upload,
    },
    usage::{__path_imagga_usage, imagga_usage},
};
use crate::{problem::Problem, response, state::State};

/// The status of an answer that is no error.
#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaStatus)]
struct StatusBody {
    /// Empty.
    #[schema(example = "")]
    text: &'static str,
    /// `success`.
    #[serde(rename = "type")]
    #[schema(example = "success")]
    kind: &'static str,
}

/// Nothing went wrong.
const SUCCESS: StatusBody = StatusBody {
    text: "",
    kind: "success",
};

/// The quota of the first tagger that has one.
fn quota(state: &State) -> Option<Quota> {
    let mut taggers = state.taggers.iter();
    taggers.find_map(|tagger| tagger.provider.quota())
}

/// An answer with the tagger's quota in its headers, as far as it is known.
fn answer(document: &impl Serialize, state: &State) -> Result<HttpResponse, Problem> {
    let mut answer = response::json(document)?;
    let Some(quota) = quota(state) else {
        return Ok(answer);
    };
    let resets_at = quota.resets_at.map(|at| at.timestamp().to_string());
    let lines = [
        ("monthly-limit", Some(quota.limit.to_string())),
        ("monthly-limit-remaining", Some(quota.remaining.to_string())),
        ("monthly-limit-reset", resets_at),
    ];
    for (name, value) in lines {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            answer
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    Ok(answer)
}
