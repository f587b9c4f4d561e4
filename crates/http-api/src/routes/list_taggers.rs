//! `GET /taggers`: what tags pictures.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use domain::ports::UpstreamError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Tagger, problem::Problem, queries, response, state::State};

/// Whether a tagger can tag now.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TaggerState {
    /// It can.
    Ready,
    /// The account's quota is known to be used up.
    QuotaExhausted,
    /// It cannot: its model is being loaded, or failed to load.
    NotReady,
}

/// A tagger.
#[derive(Serialize, ToSchema)]
#[schema(as = Tagger)]
pub(crate) struct TaggerBody {
    /// Its name.
    #[schema(example = "imagga")]
    name: String,
    /// The version of its model or interface.
    #[schema(example = "v2")]
    version: String,
    /// Whether it can tag now.
    state: TaggerState,
    /// The languages of the tags that it can give, as in the setting `tagging.language`.
    #[schema(example = json!(["en", "es"]))]
    languages: Vec<String>,
    /// Whether it turns pictures into vectors that can be compared.
    embeds_pictures: bool,
    /// Whether it turns words into such vectors.
    embeds_words: bool,
}

/// List the taggers of the server.
#[utoipa::path(
    get,
    path = "/taggers",
    operation_id = "list_taggers",
    tag = "tags",
    responses((status = 200, body = Vec<TaggerBody>, description = "The taggers.")),
)]
pub(crate) async fn list_taggers(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let mut taggers = Vec::with_capacity(state.taggers.len());
    for tagger in &state.taggers {
        taggers.push(described(&state, tagger).await);
    }
    response::json(&taggers)
}

async fn described(state: &State, tagger: &Tagger) -> TaggerBody {
    let identity = tagger.provider.identity();
    TaggerBody {
        name: identity.name().to_owned(),
        version: identity.version().to_owned(),
        state: state_of(state, tagger).await,
        languages: tagger.languages.clone(),
        embeds_pictures: tagger.embeds_pictures,
        embeds_words: tagger.embeds_words,
    }
}

/// Providers know it without a call; one that does not answer at once is not ready.
async fn state_of(state: &State, tagger: &Tagger) -> TaggerState {
    let ready = tokio::time::timeout(state.settings.check_timeout, tagger.provider.ready());
    match ready.await {
        Ok(Ok(())) => TaggerState::Ready,
        Ok(Err(UpstreamError::QuotaExhausted { .. })) => TaggerState::QuotaExhausted,
        Ok(Err(_)) | Err(_) => TaggerState::NotReady,
    }
}
