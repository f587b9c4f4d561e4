//! The query strings of the routes, as far as they say anything; public for fuzzing.

use std::num::NonZeroU32;

use chrono_tz::Tz;
use domain::{
    Label, LabelFilter, PageKey, RenditionSize, TagQuery, Threshold, TimeWindow,
    service::{MAX_MATCHES, Retagging},
};

pub use super::link::next;
use super::{params::Query, problem::Problem};

/// The parameter that asks for names in a language.
pub(super) const LANGUAGE: &str = "language";

/// The parameter that chooses among the tag providers.
const PROVIDER: &str = "provider";

/// The parameters of `GET /tags`.
const TAGS: &[&str] = &[
    "min_date", "max_date", "prefix", "order", "limit", "language",
];

/// What `GET /images` knows.
pub(super) const IMAGES: &[&str] = &[
    "min_date",
    "max_date",
    "tags",
    "any_tags",
    "not_tags",
    "min_confidence",
    "q",
    "order",
    "limit",
    "cursor",
    "count",
    "info",
    "language",
];

/// What `GET /images` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// When the images were registered.
    pub window: TimeWindow,
    /// Their tags, what else is searched for, and the order.
    pub labels: LabelFilter,
    /// The place where the list goes on; none is its beginning.
    pub after: Option<PageKey>,
    /// The most images of the answer; none is all of them.
    pub limit: Option<NonZeroU32>,
    /// Whether all matching images are counted.
    pub count: bool,
    /// Whether each image comes with what is known of the picture.
    pub info: bool,
    /// The language of the names that are shown; none shows labels.
    pub language: Option<String>,
}

/// What `GET /image/{id}/similar` and `/duplicates` ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchQuery {
    /// The most images of the answer.
    pub limit: NonZeroU32,
    /// Whether each image comes with what is known of the picture.
    pub info: bool,
    /// The language of the names that are shown; none shows labels.
    pub language: Option<String>,
}

/// How many look-alikes are answered if the query does not say.
const MATCHES: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// The query of `GET /image/{id}/similar` and `/duplicates`.
pub fn matches(query: &str) -> Result<MatchQuery, Problem> {
    let query = Query::parse(query, &["limit", "info", LANGUAGE])?;
    Ok(MatchQuery {
        limit: query.limit_up_to(MAX_MATCHES.get())?.unwrap_or(MATCHES),
        info: query.flag("info")?,
        language: query.text(LANGUAGE),
    })
}

/// What an upload asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadQuery {
    /// The threshold of the tags to record, if one is named.
    pub threshold: Option<Threshold>,
    /// The names of the tag providers, separated by commas; none is all of them.
    pub provider: Option<String>,
    /// The language of the names in the answer; none shows labels.
    pub language: Option<String>,
}

/// The query of `GET /images`, its dates read in that time zone.
pub fn images(query: &str, zone: Tz) -> Result<List, Problem> {
    let query = Query::parse(query, IMAGES)?;
    let order = query.image_order()?;
    let labels = query.labels()?.in_order(order);
    Ok(List {
        window: query.window(zone)?,
        labels: match query.search(zone)? {
            Some(condition) => labels.matching(condition),
            None => labels,
        },
        after: query.cursor(order)?,
        limit: query.limit()?,
        count: query.flag("count")?,
        info: query.flag("info")?,
        language: query.text(LANGUAGE),
    })
}

/// What `GET /jobs` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobList {
    /// The number of the job before which the list goes on; none is its beginning.
    pub before: Option<u64>,
    /// The most jobs of the answer, if it says so.
    pub limit: Option<NonZeroU32>,
    /// The language of the names in results; none shows labels.
    pub language: Option<String>,
}

/// The query of `GET /jobs`.
pub fn jobs(query: &str) -> Result<JobList, Problem> {
    let query = Query::parse(query, &["limit", "cursor", LANGUAGE])?;
    Ok(JobList {
        before: query.job_cursor()?,
        limit: query.limit()?,
        language: query.text(LANGUAGE),
    })
}

/// What `GET /vocabulary` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VocabularyList {
    /// The tag after whose entry the list goes on; none is its beginning.
    pub after: Option<Label>,
    /// The most entries of the answer, if it says so.
    pub limit: Option<NonZeroU32>,
    /// Whether it asks for the words of the built-in tagger.
    pub is_builtin: bool,
}

/// The query of `GET /vocabulary`.
pub fn vocabulary(query: &str) -> Result<VocabularyList, Problem> {
    let query = Query::parse(query, &["builtin", "limit", "cursor"])?;
    Ok(VocabularyList {
        after: query.tag_cursor()?,
        limit: query.limit()?,
        is_builtin: query.flag("builtin")?,
    })
}

/// The query of `PUT /vocabulary/{tag}`: the tag to rename.
pub fn entry(query: &str) -> Result<Option<Label>, Problem> {
    Query::parse(query, &["rename"])?.label("rename")
}

/// The images that the filter of a job asks for, from members that are parameters of `GET /images`, each given once.
pub fn job_filter(
    members: Vec<(String, String)>,
    zone: Tz,
) -> Result<(TimeWindow, LabelFilter), Problem> {
    let query = Query::from_pairs(members);
    let labels = query.labels()?;
    let labels = match query.search(zone)? {
        Some(condition) => labels.matching(condition),
        None => labels,
    };
    Ok((query.window(zone)?, labels))
}

/// The query of `GET /tags`, its dates read in that time zone, and the language of the names that are shown.
pub fn tags(query: &str, zone: Tz) -> Result<(TagQuery, Option<String>), Problem> {
    let query = Query::parse(query, TAGS)?;
    let tags = TagQuery {
        window: query.window(zone)?,
        order: query.tag_order()?,
        limit: query.limit()?,
        ..TagQuery::default()
    };
    let tags = match query.prefix() {
        Some(prefix) => tags.starting_with(prefix),
        None => tags,
    };
    Ok((tags, query.text(LANGUAGE)))
}

/// The query of `GET /tags/{tag}/confidences`: when the images were registered.
pub fn confidences(query: &str, zone: Tz) -> Result<TimeWindow, Problem> {
    Query::parse(query, &["min_date", "max_date"])?.window(zone)
}

/// The query of `POST /image` and `POST /tag`.
pub fn upload(query: &str) -> Result<UploadQuery, Problem> {
    let query = Query::parse(query, &["min_confidence", PROVIDER, LANGUAGE])?;
    Ok(UploadQuery {
        threshold: query.confidence()?,
        provider: query.text(PROVIDER),
        language: query.text(LANGUAGE),
    })
}

/// The query of `POST /image/{id}/retag`, and the language of the names in the answer. An image of which no
/// threshold is known has the default one.
pub fn retag(query: &str, default: Threshold) -> Result<(Retagging, Option<String>), Problem> {
    let query = Query::parse(query, &[PROVIDER, "min_confidence", LANGUAGE])?;
    let asked = Retagging {
        provider: query.text(PROVIDER),
        threshold: query.confidence()?,
        default,
    };
    Ok((asked, query.text(LANGUAGE)))
}

/// The query of `GET /image/{id}/tags`: whether everything that was said is wanted, and the language of the names.
pub fn image_tags(query: &str) -> Result<(bool, Option<String>), Problem> {
    let query = Query::parse(query, &["said", LANGUAGE])?;
    Ok((query.flag("said")?, query.text(LANGUAGE)))
}

/// The query of a route that has no parameters.
pub fn nothing(query: &str) -> Result<(), Problem> {
    Query::parse(query, &[]).map(drop)
}

/// The query of `GET /image/{id}/info`: whether the location is wanted.
pub fn info(query: &str) -> Result<bool, Problem> {
    Query::parse(query, &["location"])?.flag("location")
}

/// The query of `GET /image/{id}/thumbnail`: its longest side.
pub fn thumbnail(query: &str) -> Result<RenditionSize, Problem> {
    Query::parse(query, &["size"])?.size()
}

/// The query of `GET /image/{id}` and of its tags, and of a job: the language of the names that are shown.
pub fn image(query: &str) -> Result<Option<String>, Problem> {
    Ok(Query::parse(query, &[LANGUAGE])?.text(LANGUAGE))
}
