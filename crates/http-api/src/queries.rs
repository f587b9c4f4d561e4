//! The query strings of the routes, as far as they say anything; public for fuzzing.

use std::num::NonZeroU32;

use chrono_tz::Tz;
use domain::{LabelFilter, PageKey, Threshold, TimeWindow};

pub use super::link::next;
use super::{params::Query, problem::Problem};

/// What `GET /images` knows.
pub(super) const IMAGES: &[&str] = &[
    "min_date",
    "max_date",
    "tags",
    "any_tags",
    "not_tags",
    "min_confidence",
    "limit",
    "cursor",
    "info",
];

/// What `GET /images` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// When the images were registered.
    pub window: TimeWindow,
    /// Their tags.
    pub labels: LabelFilter,
    /// The place where the list goes on; none is its beginning.
    pub after: Option<PageKey>,
    /// The most images of the answer; none is all of them.
    pub limit: Option<NonZeroU32>,
    /// Whether each image comes with what is known of the picture.
    pub info: bool,
}

/// The query of `GET /images`, its dates read in that time zone.
pub fn images(query: &str, zone: Tz) -> Result<List, Problem> {
    let query = Query::parse(query, IMAGES)?;
    Ok(List {
        window: query.window(zone)?,
        labels: query.labels()?,
        after: query.cursor()?,
        limit: query.limit()?,
        info: query.flag("info")?,
    })
}

/// The query of `GET /tags`, its dates read in that time zone.
pub fn tags(query: &str, zone: Tz) -> Result<TimeWindow, Problem> {
    Query::parse(query, &["min_date", "max_date"])?.window(zone)
}

/// The query of `POST /image`: the threshold of the tags to record.
pub fn upload(query: &str, default: Threshold) -> Result<Threshold, Problem> {
    Query::parse(query, &["min_confidence"])?.threshold(default)
}

/// The query of `GET /image/{id}/info`: whether the location is wanted.
pub fn info(query: &str) -> Result<bool, Problem> {
    Query::parse(query, &["location"])?.flag("location")
}

/// The query of `GET /image/{id}` and `GET /image/{id}/file`, which must ask for nothing.
pub fn image(query: &str) -> Result<(), Problem> {
    Query::parse(query, &[]).map(drop)
}
