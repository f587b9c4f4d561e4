//! `GET /v2/tags` and `POST /v2/tags`.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use domain::{
    ShownNames, Tag,
    service::{Tagged, TaggerChoice, Upload},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    SUCCESS, StatusBody, answer,
    form::{Parameters, Source},
};
use crate::{
    disconnect, forwarded::Forwarded, problem::Problem, state::State, upload, upload::Received,
};

/// The tags of a picture, as Imagga writes them.
#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaTags)]
struct TagsBody<'a> {
    result: ResultBody<'a>,
    status: StatusBody,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaTagsResult)]
struct ResultBody<'a> {
    /// The tags, highest confidence first.
    tags: Vec<TagBody<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImaggaTag)]
struct TagBody<'a> {
    /// From 0 to 100.
    #[schema(minimum = 0, maximum = 100, example = 61.4)]
    confidence: f64,
    /// The names of the tag, by language. A tag without a name in a language keeps its own.
    #[schema(value_type = BTreeMap<String, String>, example = json!({"en": "mountain", "es": "montaña"}))]
    tag: BTreeMap<&'a str, &'a str>,
    /// With `verbose=1`: whether the tagger gave the tag (`recognition`), or the vocabulary added it (`additional`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "recognition")]
    origin: Option<&'static str>,
}

/// What the answer is to show.
struct Shown {
    languages: Vec<(String, ShownNames)>,
    limit: usize,
    is_verbose: bool,
}

/// A form as Imagga takes it.
#[derive(ToSchema)]
#[schema(as = ImaggaForm)]
#[expect(
    dead_code,
    reason = "for the documentation: forms are read as they arrive"
)]
pub(super) struct FormBody {
    /// A picture, as a file of `multipart/form-data`.
    #[schema(value_type = Option<String>, format = Binary, nullable = false, content_media_type = "application/octet-stream")]
    image: Option<Vec<u8>>,
    /// A picture in base64.
    #[schema(format = Byte, nullable = false, example = "R0lGODlhAQABAIAAAMBAIAAAACwAAAAAAQABAAACAkQBADs=")]
    image_base64: Option<String>,
    /// Where the server fetches a picture.
    #[schema(format = "uri", nullable = false)]
    image_url: Option<String>,
    /// The id of an upload.
    #[schema(nullable = false)]
    image_upload_id: Option<String>,
    /// Languages of the names, separated by commas.
    #[schema(nullable = false, example = "en,es")]
    language: Option<String>,
    /// The most tags; -1 for all.
    #[schema(nullable = false, default = -1, example = 10)]
    limit: Option<i64>,
    /// The lowest confidence of tags.
    #[schema(
        nullable = false,
        default = 0,
        minimum = 0,
        maximum = 100,
        example = 30
    )]
    threshold: Option<f64>,
    /// 1 for the origin of each tag.
    #[schema(nullable = false, default = 0)]
    verbose: Option<i64>,
    /// Taken and ignored: parents have the highest confidence of the tags below them.
    #[schema(nullable = false, default = 1)]
    decrease_parents: Option<i64>,
}

/// Tag the picture at a URL, or an upload, as Imagga does.
///
/// Like `POST /tag`, with Imagga's parameters, answers and errors. Unknown parameters are ignored.
#[utoipa::path(
    get,
    path = "/v2/tags",
    operation_id = "imagga_get_tags",
    tag = "compatible",
    params(
        ("image_url" = Option<String>, Query, description = "Where the server fetches the picture.", example = "https://example.org/photo.jpg"),
        ("image_upload_id" = Option<String>, Query, description = "The id of an upload, in place of `image_url`."),
        ("image_base64" = Option<String>, Query, description = "A small picture in base64, in place of `image_url`."),
        ("language" = Option<String>, Query, description = "Languages of the names, separated by commas. By default `en`.", example = "en,es"),
        ("limit" = Option<i64>, Query, description = "The most tags; -1, the default, for all.", example = 10),
        ("threshold" = Option<f64>, Query, minimum = 0, maximum = 100, description = "The lowest confidence of tags. By default 0.", example = 30),
        ("verbose" = Option<i64>, Query, description = "1 for the origin of each tag.", example = 0),
        ("decrease_parents" = Option<i64>, Query, description = "Taken and ignored.", example = 1),
    ),
    responses((status = 200, body = TagsBody, description = "The tags of the picture.")),
)]
pub(crate) async fn imagga_get_tags(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    tags(&request, None, &state).await
}

/// Tag a picture, as Imagga does.
///
/// Like `POST /tag`, with Imagga's parameters, answers and errors. The parameters may stand in the form or in the query;
/// unknown ones are ignored. Exactly one of four has the picture.
#[utoipa::path(
    post,
    path = "/v2/tags",
    operation_id = "imagga_post_tags",
    tag = "compatible",
    request_body(
        content(
            (FormBody = "multipart/form-data"),
            (FormBody = "application/x-www-form-urlencoded"),
        ),
        description = "The picture and the parameters.",
    ),
    responses((status = 200, body = TagsBody, description = "The tags of the picture.")),
)]
pub(crate) async fn imagga_post_tags(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    tags(&request, Some(body), &state).await
}

async fn tags(
    request: &HttpRequest,
    body: Option<Payload>,
    state: &State,
) -> Result<HttpResponse, Problem> {
    let client = Forwarded::of(request, &state.settings.trusted_proxies).client;
    let parameters = Parameters::read(request, body, client, state).await?;
    let threshold = parameters.threshold()?;
    let shown = Shown {
        languages: parameters.languages(&state.catalog.names().await)?,
        limit: parameters.limit()?,
        is_verbose: parameters.is_verbose(),
    };
    let Received {
        bytes,
        digest,
        file_name,
    } = match parameters.source()? {
        Source::Sent(picture) => picture,
        Source::Url(url) => upload::fetch(&url, client, &state.uploads, &state.settings).await?,
        Source::Upload(id) => state.uploaded(id, client).await?,
    };
    let upload = Upload {
        bytes,
        digest,
        threshold,
        taggers: TaggerChoice::default(),
        file_name,
        imported: None,
        request: None,
        context: disconnect::context(request, client),
    };
    let tagged = state.tag(upload).await?;
    answer(&TagsBody::new(&tagged, &shown), state)
}

impl<'a> TagsBody<'a> {
    fn new(tagged: &'a Tagged, shown: &'a Shown) -> Self {
        let tags = tagged.tags.iter().take(shown.limit);
        Self {
            result: ResultBody {
                tags: tags.map(|tag| TagBody::new(tag, tagged, shown)).collect(),
            },
            status: SUCCESS,
        }
    }
}

impl<'a> TagBody<'a> {
    fn new(tag: &'a Tag, tagged: &'a Tagged, shown: &'a Shown) -> Self {
        let languages = shown.languages.iter();
        let names = languages.map(|(code, names)| (code.as_str(), names.of(&tag.label).as_str()));
        let origin = || {
            let mut given = tagged.answers.iter().flat_map(|(_, answer)| answer);
            let is_given = given.any(|given| given.label == tag.label);
            if is_given {
                "recognition"
            } else {
                "additional"
            }
        };
        Self {
            confidence: tag.confidence.get(),
            tag: names.collect(),
            origin: shown.is_verbose.then(origin),
        }
    }
}
