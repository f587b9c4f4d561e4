//! `/image/{id}/tags` and `/image/{id}/retag`: who said what of an image.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use domain::{
    Confidence, ImageId, Label, MAX_SHOWN, ShownNames, Tag, TagEdit,
    ports::{ImageStoreError, TagsChanged, TagsVersion, VersionedTags},
    service::Editing,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::path;
use crate::{
    conditions, disconnect,
    forwarded::Forwarded,
    json_body::{self, JsonBody, Member},
    problem::{Code, Problem},
    queries,
    response::{self, ImageTagsBody},
    state::State,
};

/// A tag to add: its name, or its name with a confidence.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = AddedTag)]
pub(crate) enum AddedTagBody {
    /// A name, with the confidence 100.
    Name(String),
    /// A name with a confidence.
    Tag(AddedPairBody),
}

/// A tag to add, with its confidence.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AddedTagWithConfidence)]
pub(crate) struct AddedPairBody {
    /// Its name.
    #[schema(example = "cat")]
    tag: String,
    /// Its confidence; 100 without it.
    #[schema(minimum = 0, maximum = 100, nullable = false, example = 90)]
    confidence: Option<f64>,
}

/// A change of the tags of an image.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TagEdit)]
pub(crate) struct TagEditBody {
    /// Tags to add.
    #[serde(default)]
    #[schema(max_items = 1000, example = json!(["carrot", {"tag": "cat", "confidence": 90}]))]
    add: Vec<AddedTagBody>,
    /// Names of tags to remove.
    #[serde(default)]
    #[schema(max_items = 1000, example = json!(["dog"]))]
    remove: Vec<String>,
}

impl JsonBody for TagEditBody {
    const EXPECTED: &str = "an object with lists `add` (of names, or of objects with `tag` and `confidence`) and \
                            `remove` (of names)";
    const MEMBERS: &'static [Member] = &[
        Member::OptionalArray("add"),
        Member::OptionalArray("remove"),
    ];
    const IS_SECRET: bool = false;
}

/// Read the tags of an image, with who gave each, and what was rejected.
#[utoipa::path(
    get,
    path = "/image/{id}/tags",
    operation_id = "get_image_tags",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the answer. A tag without a name in it keeps \
                            its own; `en` are the names that tags have in the store. One that the server does \
                            not have is refused."
        ),
        (
            "said" = Option<bool>, Query, example = true,
            description = "Whether `said` is added: all that tag providers, persons and the file said, shown or not."
        ),
        (
            "If-None-Match" = Option<String>, Header,
            description = "Entity tags that the client has: 304 if that of the tags is among them. Not with \
                           `language`, as names may change without the tags."
        ),
    ),
    responses(
        (
            status = 200, body = ImageTagsBody, description = "The tags.",
            headers(("ETag" = String, description = "Names this version of the tags; strong."))
        ),
        (status = 304, description = "The client has the tags."),
    )
)]
pub(crate) async fn get_tags(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let (has_said, language) = queries::image_tags(request.query_string())?;
    let names = state.names(language.as_deref()).await?;
    let id = path::id(&request)?;
    let known = tags(&state, id).await?;
    let etag = entity_tag(known.version);
    if conditions::is_unmodified(request.headers(), &etag)? && names.are_labels() {
        let mut answer = HttpResponse::NotModified();
        return Ok(answer.insert_header((header::ETAG, etag)).finish());
    }
    let body = ImageTagsBody::new(&known.tags, &names);
    let body = if has_said {
        body.with_said(&known.tags, &names)
    } else {
        body
    };
    written(&body, known.version)
}

/// Add and remove tags of an image.
///
/// Added tags are a person's, and no tagging takes them away. A removed tag that a provider or the file gave is
/// rejected: no tagging brings it back until it is added again. A tag that the image does not show is not removed.
#[utoipa::path(
    patch,
    path = "/image/{id}/tags",
    operation_id = "edit_image_tags",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the answer. A tag without a name in it keeps \
                            its own; `en` are the names that tags have in the store. One that the server does \
                            not have is refused. Names in the body are in it, too: a name that the image shows \
                            is that tag; else it is understood as in the filters of `/images`."
        ),
        (
            "If-Match" = Option<String>, Header,
            description = "Entity tags: 412, and nothing is changed, if that of the tags is not among them."
        ),
    ),
    request_body(
        content = TagEditBody, content_type = "application/json",
        description = "The tags to add and to remove."
    ),
    responses((
        status = 200, body = ImageTagsBody, description = "The tags as they are now.",
        headers(("ETag" = String, description = "Names this version of the tags; strong."))
    )),
)]
pub(crate) async fn edit_tags(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let language = queries::image(request.query_string())?;
    let names = state.names(language.as_deref()).await?;
    let id = path::id(&request)?;
    let body: TagEditBody = json_body::read(&request, body, &state.settings).await?;
    let edit = edit(&body.add, &body.remove)?;
    let expected = if request.headers().contains_key(header::IF_MATCH) {
        let known = tags(&state, id).await?;
        conditions::require_match(request.headers(), &entity_tag(known.version))?;
        Some(known.version)
    } else {
        None
    };
    let edit = resolved(&state, id, edit, &names).await?;
    let editing = state.editing.clone();
    let changed = state
        .read(async move { editing.edit(&id, edit, expected).await })
        .await?;
    answer(&changed_tags(changed, &id)?, &names)
}

/// Have an image tagged again.
///
/// The tags of providers are replaced; those of persons and of the file are kept, and so are rejections. A stored
/// answer of a provider for the same picture is used and costs no call.
#[utoipa::path(
    post,
    path = "/image/{id}/retag",
    operation_id = "retag_image",
    tag = "images",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the image: a UUID of 36 characters."
        ),
        (
            "provider" = Option<String>, Query, example = "imagga",
            description = "The names of the tag providers, separated by commas, among those of `GET /taggers`. Without \
                           it all of them tag."
        ),
        (
            "min_confidence" = Option<f64>, Query, minimum = 0, maximum = 100, example = 60,
            description = "The lowest confidence of the provider's tags, inclusive; it is kept with the image. Without \
                           it, the one that is kept is used."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the answer. A tag without a name in it keeps \
                            its own; `en` are the names that tags have in the store. One that the server does \
                            not have is refused."
        ),
    ),
    responses((
        status = 200, body = ImageTagsBody, description = "The tags as they are now.",
        headers(("ETag" = String, description = "Names this version of the tags; strong."))
    )),
)]
pub(crate) async fn retag(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let default = state.settings.default_threshold;
    let (asked, language) = queries::retag(request.query_string(), default)?;
    let names = state.names(language.as_deref()).await?;
    let id = path::id(&request)?;
    let origin = Forwarded::of(&request, &state.settings.trusted_proxies);
    let context = disconnect::context(&request, origin.client);
    let changed = state.retag(id, asked, context).await?;
    answer(&changed_tags(changed, &id)?, &names)
}

/// An edit with names in a language, and aliases, replaced by the tags that they stand for.
async fn resolved(
    state: &State,
    id: ImageId,
    edit: TagEdit,
    names: &ShownNames,
) -> Result<TagEdit, Problem> {
    let edit = if names.are_labels() {
        edit
    } else {
        let (editing, asked, names) = (state.editing.clone(), edit.clone(), names.clone());
        let looking = async move { editing.labels_named(&id, &asked, &names).await };
        with_labels(edit, &state.read(looking).await?)?
    };
    let (editing, asked) = (state.editing.clone(), edit.clone());
    let looking = async move { editing.tags_meant(&asked).await };
    with_labels(edit, &state.read::<_, ImageStoreError>(looking).await?)
}

fn with_labels(edit: TagEdit, labels: &HashMap<Label, Label>) -> Result<TagEdit, Problem> {
    let edit = edit.with_labels(labels);
    edit.map_err(|error| wrong(error.to_string()))
}

async fn tags(state: &State, id: ImageId) -> Result<VersionedTags, Problem> {
    let editing: Editing = state.editing.clone();
    let found = state.read(async move { editing.tags(&id).await }).await?;
    found.ok_or_else(|| path::no_image(&id))
}

fn entity_tag(TagsVersion(number): TagsVersion) -> String {
    format!("\"tags-{number}\"")
}

fn answer(known: &VersionedTags, names: &ShownNames) -> Result<HttpResponse, Problem> {
    written(&ImageTagsBody::new(&known.tags, names), known.version)
}

fn written(body: &ImageTagsBody, version: TagsVersion) -> Result<HttpResponse, Problem> {
    let mut answer = response::json(body)?;
    let etag = header::HeaderValue::try_from(entity_tag(version));
    let etag = etag.map_err(|error| Problem::internal(domain::ports::cause(error)))?;
    answer.headers_mut().insert(header::ETAG, etag);
    Ok(answer)
}

fn changed_tags(changed: TagsChanged, id: &ImageId) -> Result<VersionedTags, Problem> {
    match changed {
        TagsChanged::Done(known) => Ok(known),
        TagsChanged::NotFound => Err(path::no_image(id)),
        TagsChanged::Outdated(version) => Err(conditions::mismatch(&entity_tag(version))),
        TagsChanged::TooMany => {
            let detail = format!("an image has at most {MAX_SHOWN} tags; nothing was changed");
            Err(Problem::new(Code::TooMany, detail).limit(MAX_SHOWN as u64))
        }
    }
}

/// Validates an edit.
pub(super) fn edit(add: &[AddedTagBody], remove: &[String]) -> Result<TagEdit, Problem> {
    let add = add.iter().map(added).collect::<Result<Vec<Tag>, _>>()?;
    let remove = remove.iter().map(|name| label("remove", name));
    let remove = remove.collect::<Result<Vec<Label>, _>>()?;
    TagEdit::new(&add, &remove).map_err(|error| wrong(error.to_string()))
}

fn added(body: &AddedTagBody) -> Result<Tag, Problem> {
    let (name, confidence) = match body {
        AddedTagBody::Name(name) => (name, None),
        AddedTagBody::Tag(AddedPairBody { tag, confidence }) => (tag, *confidence),
    };
    let confidence = Confidence::new(confidence.unwrap_or(100.0));
    let refused = |_| {
        wrong(format!(
            "the confidence of {name:?} is not a number from 0 to 100"
        ))
    };
    Ok(Tag {
        label: label("add", name)?,
        confidence: confidence.map_err(refused)?,
    })
}

fn label(list: &str, name: &str) -> Result<Label, Problem> {
    let shown: String = name.chars().take(40).collect();
    Label::parse(name).map_err(|error| wrong(format!("`{list}` has the tag {shown:?}: {error}")))
}

fn wrong(detail: String) -> Problem {
    Problem::new(Code::InvalidBody, detail)
}
