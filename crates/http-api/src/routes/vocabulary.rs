//! `/vocabulary`: which tags are one and the same, which imply others, and which are not wanted.

use std::{collections::BTreeMap, num::NonZeroU32};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web::{Data, Payload},
};
use domain::{
    Confidence, EntryError, Label, LanguageError, Threshold, VocabularyEntry,
    service::VocabularyError,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::path;
use crate::{
    json_body::{self, JsonBody, Member},
    link,
    problem::{Code, Problem},
    queries::{self, VocabularyList},
    response,
    state::State,
};

/// How many entries are listed if the request does not say.
const LISTED: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// What the vocabulary says of a tag.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VocabularyEntry)]
pub(crate) struct EntryBody {
    /// The tag.
    #[schema(example = "sofa")]
    tag: String,
    /// Labels that become the tag.
    #[schema(example = json!(["couch"]))]
    aliases: Vec<String>,
    /// Tags that an image gets with this one.
    #[schema(example = json!(["furniture"]))]
    parents: Vec<String>,
    /// The lowest confidence at which a provider gives it; null if any will do.
    #[schema(minimum = 0, maximum = 100, example = 60)]
    threshold: Option<f64>,
    /// Whether no provider gives it.
    #[schema(example = false)]
    blocked: bool,
    /// What it is called, by language.
    #[schema(example = json!({"es": "sofá"}))]
    names: BTreeMap<String, String>,
}

/// What the vocabulary is to say of a tag.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewVocabularyEntry)]
pub(crate) struct NewEntryBody {
    /// The tag: that of the path.
    #[schema(nullable = false, example = "sofa")]
    tag: Option<String>,
    /// Labels that become the tag. They may be labels that images carry.
    #[serde(default)]
    #[schema(max_items = 100, example = json!(["couch"]))]
    aliases: Vec<String>,
    /// Tags that an image gets with this one.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["furniture"]))]
    parents: Vec<String>,
    /// The lowest confidence at which a provider gives it; null if any will do.
    #[schema(minimum = 0, maximum = 100, example = 60)]
    threshold: Option<f64>,
    /// Whether no provider gives it.
    #[serde(default)]
    #[schema(example = false)]
    blocked: bool,
    /// What it is called, by language; at most 50.
    #[serde(default)]
    #[schema(example = json!({"es": "sofá"}))]
    names: BTreeMap<String, String>,
}

impl JsonBody for NewEntryBody {
    const EXPECTED: &str = "an object with, if need be, `tag`, `aliases`, `parents` (arrays of texts), `threshold`, \
                            `blocked` and `names` (an object of texts)";
    const MEMBERS: &'static [Member] = &[
        Member::OptionalText("tag"),
        Member::OptionalArray("aliases"),
        Member::OptionalArray("parents"),
        Member::OptionalNumber("threshold"),
        Member::OptionalFlag("blocked"),
        Member::OptionalObject("names"),
    ];
    const IS_SECRET: bool = false;
}

/// List the entries of the vocabulary, by tag.
#[utoipa::path(
    get,
    path = "/vocabulary",
    operation_id = "list_vocabulary",
    tag = "vocabulary",
    params(
        (
            "builtin" = Option<bool>, Query, example = false,
            description = "`true`: the words of the built-in tagger with the tags above them and their names, in place of \
                           the entries that were made."
        ),
        (
            "limit" = Option<u32>, Query, minimum = 1, maximum = 1000, example = 50,
            description = "The most entries of the answer; 100 without it. If there are more, `Link` says where."
        ),
        (
            "cursor" = Option<String>, Query, example = "BHNvZmE",
            description = "The place in the list where the answer begins, from the `Link` of the page before."
        ),
    ),
    responses((
        status = 200, body = Vec<EntryBody>, description = "The entries.",
        headers((
            "Link" = String,
            description = "`<…>; rel=\"next\"` (RFC 8288): the next page, relative to the URL of this one; only if \
                           there are more entries."
        ))
    )),
)]
pub(crate) async fn list_vocabulary(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let VocabularyList {
        after,
        limit,
        is_builtin,
    } = queries::vocabulary(request.query_string())?;
    let limit = limit.unwrap_or(LISTED).get() as usize;
    let vocabulary = if is_builtin {
        state.builtin.clone()
    } else {
        let shared = state.catalog.vocabulary().clone();
        let known = state.read(async move { shared.read().await }).await?;
        known.vocabulary.clone()
    };
    let mut entries = vocabulary.after(after.as_ref());
    let page: Vec<&VocabularyEntry> = entries.by_ref().take(limit).collect();
    let mut answer = HttpResponse::Ok();
    if let (Some(last), Some(_)) = (page.last(), entries.next()) {
        let link = link::next_tag(request.query_string(), &last.tag);
        answer.insert_header((header::LINK, link));
    }
    let bodies: Vec<EntryBody> = page.into_iter().map(EntryBody::from).collect();
    Ok(answer
        .content_type(ContentType::json())
        .body(response::to_json(&bodies)?))
}

/// Read what the vocabulary says of a tag.
#[utoipa::path(
    get,
    path = "/vocabulary/{tag}",
    operation_id = "get_vocabulary_entry",
    tag = "vocabulary",
    params((
        "tag" = String, Path, example = "sofa",
        description = "The tag, percent-encoded; a slash in it is `%2F`. Aliases have no entries of their own."
    )),
    responses((status = 200, body = EntryBody, description = "The entry.")),
)]
pub(crate) async fn get_entry(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let tag = path::label(&request)?;
    let shared = state.catalog.vocabulary().clone();
    let known = state.read(async move { shared.read().await }).await?;
    let Some(entry) = known.vocabulary.entry(&tag) else {
        let mut detail = format!("the vocabulary has no entry {:?}", tag.as_str());
        if let Some(of) = known.vocabulary.alias(&tag) {
            detail = format!("{detail}, which is an alias of {:?}", of.as_str());
        }
        return Err(Problem::new(Code::TagNotFound, detail));
    };
    response::json(&EntryBody::from(entry))
}

/// Say something of a tag.
///
/// The entry replaces the one that the tag has. It counts for new images at once; a job of kind `vocabulary` applies it to
/// those that are there. With `rename`, the entry of the old tag moves under the new one, and the old tag becomes an alias
/// of it; there is no body then.
#[utoipa::path(
    put,
    path = "/vocabulary/{tag}",
    operation_id = "put_vocabulary_entry",
    tag = "vocabulary",
    params(
        (
            "tag" = String, Path, example = "sofa",
            description = "The tag, percent-encoded; a slash in it is `%2F`."
        ),
        (
            "rename" = Option<String>, Query, example = "couch",
            description = "The tag whose entry moves."
        ),
    ),
    request_body(
        content = Option<NewEntryBody>, content_type = "application/json",
        description = "The entry.",
        example = json!({"aliases": ["couch"], "parents": ["furniture"], "threshold": 60, "names": {"es": "sofá"}}),
    ),
    responses(
        (status = 200, body = EntryBody, description = "The entry replaced another one, or moved."),
        (status = 201, body = EntryBody, description = "The tag had no entry."),
    ),
)]
pub(crate) async fn put_entry(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let rename = queries::entry(request.query_string())?;
    let tag = path::label(&request)?;
    let shared = state.catalog.vocabulary().clone();
    if let Some(old) = rename {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            return Err(wrong("a request with `rename` has no body".to_owned()));
        }
        let renaming = async move { shared.rename(&old, &tag).await };
        let entry = state.read::<_, VocabularyError>(renaming).await?;
        return response::json(&EntryBody::from(&entry));
    }
    let body: NewEntryBody = json_body::read(&request, body, &state.settings).await?;
    let entry = body.entry(tag)?;
    let put = entry.clone();
    let putting = async move { shared.put(put).await };
    let is_new = state.read::<_, VocabularyError>(putting).await?;
    let mut answer = if is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer
        .content_type(ContentType::json())
        .body(response::to_json(&EntryBody::from(&entry))?))
}

/// Remove what the vocabulary says of a tag.
///
/// Images keep their tags until a job of kind `vocabulary` is made.
#[utoipa::path(
    delete,
    path = "/vocabulary/{tag}",
    operation_id = "delete_vocabulary_entry",
    tag = "vocabulary",
    params((
        "tag" = String, Path, example = "sofa",
        description = "The tag, percent-encoded; a slash in it is `%2F`."
    )),
    responses((status = 204, description = "There is no entry any more.")),
)]
pub(crate) async fn delete_entry(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let tag = path::label(&request)?;
    let shared = state.catalog.vocabulary().clone();
    let removing = async move { shared.remove(&tag).await };
    state.read::<_, VocabularyError>(removing).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl NewEntryBody {
    fn entry(&self, tag: Label) -> Result<VocabularyEntry, Problem> {
        if let Some(text) = &self.tag
            && label("tag", text)?.folded() != tag.folded()
        {
            return Err(wrong("`tag` is not the tag of the path".to_owned()));
        }
        let list = |name: &'static str, texts: &[String]| {
            let labels = texts.iter().map(|text| label(name, text));
            labels.collect::<Result<_, Problem>>()
        };
        let threshold = self.threshold.map(Confidence::new).transpose();
        let threshold =
            threshold.map_err(|_| wrong("`threshold` is not a number from 0 to 100".to_owned()))?;
        let names = self.names.iter();
        let names = names.map(|(language, name)| Ok((language.clone(), label("names", name)?)));
        let entry = VocabularyEntry {
            tag,
            aliases: list("aliases", &self.aliases)?,
            parents: list("parents", &self.parents)?,
            threshold: threshold.map(Threshold::new),
            is_blocked: self.blocked,
            names: names.collect::<Result<_, Problem>>()?,
        };
        entry.checked().map_err(|error| match error {
            EntryError::TooMany { most, .. } => wrong(error.to_string()).limit(most as u64),
            EntryError::Language(LanguageError::Labels | LanguageError::Invalid(_)) => {
                wrong(format!("`names`: {error}"))
            }
        })
    }
}

impl From<&VocabularyEntry> for EntryBody {
    fn from(entry: &VocabularyEntry) -> Self {
        let text = |label: &Label| label.as_str().to_owned();
        let names = entry.names.iter();
        Self {
            tag: text(&entry.tag),
            aliases: entry.aliases.iter().map(text).collect(),
            parents: entry.parents.iter().map(text).collect(),
            threshold: entry.threshold.map(|threshold| threshold.lowest().get()),
            blocked: entry.is_blocked,
            names: names
                .map(|(language, name)| (language.clone(), text(name)))
                .collect(),
        }
    }
}

fn label(member: &str, text: &str) -> Result<Label, Problem> {
    Label::parse(text).map_err(|error| {
        let shown: String = text.chars().take(40).collect();
        wrong(format!("`{member}` has {shown:?}: {error}"))
    })
}

fn wrong(detail: String) -> Problem {
    Problem::new(Code::InvalidBody, detail)
}
