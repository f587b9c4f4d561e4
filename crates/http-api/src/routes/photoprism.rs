//! `POST /api/v1/vision/labels`: labels for PhotoPrism, which asks a vision service for them.

use std::collections::{BTreeSet, HashMap};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use domain::{
    Confidence, Label, Vocabulary,
    ports::ClientKey,
    service::{Tagged, TaggerChoice, Upload},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    disconnect,
    forwarded::Forwarded,
    problem::Problem,
    request_id::RequestId,
    response,
    state::State,
    upload::{self, Received, SentPicture},
};

/// Where labels come from, in PhotoPrism's words.
const SOURCE: &str = "image";

/// Pictures that PhotoPrism asks about. Other members are ignored.
#[derive(ToSchema)]
#[schema(as = PhotoPrismRequest)]
#[expect(
    dead_code,
    reason = "for the documentation: pictures are read as they arrive"
)]
struct RequestBody {
    /// What the client calls the request; the answer repeats it.
    #[schema(nullable = false, example = "b5d1a9ec-9a54-4b8b-bf84-6b9a0c3f9d10")]
    id: Option<String>,
    /// Pictures of the same scene: data URLs in base64, or URLs of http and https. At most 16.
    #[schema(nullable = false, max_items = 16, example = json!(["data:image/gif;base64,R0lGODlhAQABAIAAAMBAIAAAACwAAAAAAQABAAACAkQBADs="]))]
    images: Option<Vec<String>>,
    /// A URL, where there are no `images`.
    #[schema(format = "uri", nullable = false)]
    url: Option<String>,
}

/// An answer to PhotoPrism.
#[derive(Serialize, ToSchema)]
#[schema(as = PhotoPrismLabels)]
struct LabelsBody<'a> {
    /// The id of the request.
    #[schema(example = "b5d1a9ec-9a54-4b8b-bf84-6b9a0c3f9d10")]
    id: &'a str,
    /// The HTTP status.
    #[schema(example = 200)]
    code: u16,
    model: ModelBody<'a>,
    result: ResultBody<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PhotoPrismModel)]
struct ModelBody<'a> {
    /// The tag provider.
    #[schema(example = "imagga")]
    name: &'a str,
    /// The version of its model or interface.
    #[schema(example = "v2")]
    version: &'a str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PhotoPrismResult)]
struct ResultBody<'a> {
    /// The labels, highest confidence first, ties by name.
    labels: Vec<LabelBody<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PhotoPrismLabel)]
struct LabelBody<'a> {
    /// The tag.
    #[schema(example = "cat")]
    name: &'a str,
    /// `image`.
    #[schema(example = "image")]
    source: &'static str,
    /// From 0 to 1; the highest of all pictures.
    #[schema(minimum = 0, maximum = 1, example = 0.93)]
    confidence: f64,
    /// The tags that this one implies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["animal"]))]
    categories: Vec<String>,
}

/// Label pictures for PhotoPrism.
///
/// Set `PHOTOPRISM_VISION_URI` to the server's address with `/api/v1/vision` behind it, and `PHOTOPRISM_VISION_KEY` to a
/// key where one is required. Each picture is tagged as by `POST /tag` with the server's default for the lowest
/// confidence, one after the other; all of them together may have as many bytes as one upload.
#[utoipa::path(
    post,
    path = "/api/v1/vision/labels",
    operation_id = "photoprism_labels",
    tag = "compatible",
    request_body(content = RequestBody, description = "The pictures."),
    responses((status = 200, body = LabelsBody, description = "The labels of all pictures together.")),
)]
pub(crate) async fn photoprism_labels(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let client = Forwarded::of(&request, &state.settings.trusted_proxies).client;
    let (headers, settings) = (request.headers(), &state.settings);
    let sent = upload::receive_pictures(body, headers, client, &state.uploads, settings).await?;
    let id = sent
        .id
        .map(|id| id.chars().take(MOST_ID).collect::<String>());
    let labelled = labelled(&request, sent.list, client, &state).await;
    let labelled = labelled.map_err(|problem| problem.subject(id.clone()))?;
    let id = id.or_else(|| {
        let extensions = request.extensions();
        let of_request = extensions.get::<RequestId>();
        of_request.map(|id| id.as_str().to_owned())
    });
    let id = id.unwrap_or_default();
    answer(&id, &labelled, &state).await
}

/// The longest id of a request that is repeated, in characters.
const MOST_ID: usize = 128;

/// The labels of all pictures with the highest confidence of each, and what gave them.
struct Labelled {
    confidences: HashMap<Label, Confidence>,
    last: Option<Tagged>,
}

async fn labelled(
    request: &HttpRequest,
    mut pictures: Vec<SentPicture>,
    client: ClientKey,
    state: &State,
) -> Result<Labelled, Problem> {
    let mut labelled = Labelled {
        confidences: HashMap::new(),
        last: None,
    };
    // Those that are fetched come last: no memory is waited for while some is held for others.
    pictures.sort_by_key(|picture| matches!(picture, SentPicture::Url(_)));
    for picture in pictures {
        let picture = match picture {
            SentPicture::Image(picture) => picture,
            SentPicture::Url(url) => {
                upload::fetch(&url, client, &state.uploads, &state.settings).await?
            }
        };
        let tagged = state
            .tag(upload_of(picture, request, client, state))
            .await?;
        for tag in &tagged.tags {
            let known = labelled.confidences.entry(tag.label.clone());
            let known = known.or_insert(tag.confidence);
            *known = (*known).max(tag.confidence);
        }
        labelled.last = Some(tagged);
    }
    Ok(labelled)
}

fn upload_of(picture: Received, request: &HttpRequest, client: ClientKey, state: &State) -> Upload {
    Upload {
        bytes: picture.bytes,
        digest: picture.digest,
        threshold: state.settings.default_threshold,
        taggers: TaggerChoice::default(),
        file_name: picture.file_name,
        imported: None,
        request: None,
        context: disconnect::context(request, client),
    }
}

async fn answer(id: &str, labelled: &Labelled, state: &State) -> Result<HttpResponse, Problem> {
    let known = state.catalog.vocabulary().current().await?;
    let vocabularies = [&*known.vocabulary, &*state.builtin];
    let mut labels: Vec<_> = labelled.confidences.iter().collect();
    labels.sort_unstable_by(|(one, high), (other, low)| low.cmp(high).then(one.cmp(other)));
    let labels = labels.into_iter().map(|(label, confidence)| LabelBody {
        name: label.as_str(),
        source: SOURCE,
        confidence: fraction(*confidence),
        categories: categories(label, vocabularies),
    });
    let last = labelled.last.as_ref();
    let (name, version) = last
        .map(|it| (it.providers(), it.versions()))
        .unwrap_or_default();
    response::json(&LabelsBody {
        id,
        code: 200,
        model: ModelBody {
            name: &name,
            version: &version,
        },
        result: ResultBody {
            labels: labels.collect(),
        },
    })
}

/// A confidence from 0 to 1, to six decimals.
fn fraction(confidence: Confidence) -> f64 {
    (confidence.get() * 1e4).round() / 1e6
}

/// All tags above one, in the first vocabulary that has an entry of it.
fn categories(label: &Label, vocabularies: [&Vocabulary; 2]) -> Vec<String> {
    let mut vocabularies = vocabularies.into_iter();
    let Some(vocabulary) = vocabularies.find(|it| it.entry(label).is_some()) else {
        return Vec::new();
    };
    let (mut above, mut open) = (BTreeSet::new(), vec![label.clone()]);
    while let Some(tag) = open.pop() {
        let parents = vocabulary.entry(&tag).map(|entry| &entry.parents);
        for parent in parents.into_iter().flatten() {
            let parent = vocabulary.tag_of(parent);
            if above.insert(parent.as_str().to_owned()) {
                open.push(parent);
            }
        }
    }
    above.into_iter().collect()
}
