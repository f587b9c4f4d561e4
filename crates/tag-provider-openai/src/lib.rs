#![doc = include_str!("../README.md")]

mod identity;
mod labels;
mod negotiation;
mod prompt;
mod reply;
mod request;
mod settings;
mod words;

use async_trait::async_trait;
use domain::{
    Confidence, ProviderIdentity, Tags,
    ports::{CallContext, PictureSource, Prediction, Quota, TagProvider, UpstreamError, cause},
};
use reqwest::{Client, StatusCode};
use upstream_http::{Answer, BaseUrl, Credentials, Service, ServiceFacts};

use self::{labels::Reading, negotiation::Negotiation, reply::Reply};
pub use self::{
    settings::{Output, VisionSettings, VisionSettingsError},
    words::{WordList, WordSource, Words},
};

/// The response limit. A list of tags has some kilobytes; a model that thinks aloud sends more.
const LONGEST_ANSWER: usize = 1 << 20;

/// Errors are `{"error": {"message": "…"}}`; Ollama and proxies also send `{"error": "…"}`, FastAPI `detail`.
const FACTS: ServiceFacts = ServiceFacts {
    name: "the vision server",
    error_texts: &["/error/message", "/error", "/detail", "/message"],
    request_id: Some("x-request-id"),
};

/// A tag provider at a vision server.
pub struct VisionServer {
    service: Service,
    base_url: BaseUrl,
    identity: ProviderIdentity,
    settings: VisionSettings,
    default_confidence: Confidence,
    words: WordList,
    negotiation: Negotiation,
}

impl VisionServer {
    /// Creates the provider without connecting. The time-outs of all calls are the client's.
    ///
    /// # Errors
    /// [`VisionSettingsError`] if a setting cannot be used.
    pub fn new(
        client: Client,
        settings: VisionSettings,
        words: WordList,
    ) -> Result<Self, VisionSettingsError> {
        let base_url = BaseUrl::parse(&settings.base_url)?;
        let default_confidence = Confidence::new(settings.default_confidence)
            .map_err(|_| VisionSettingsError::Confidence)?;
        let credentials = match &settings.api_key {
            Some(key) => Credentials::bearer(key.clone()),
            None => Credentials::none(),
        };
        Ok(Self {
            service: Service::new(FACTS, client, credentials),
            base_url,
            identity: identity::of(&settings)?,
            default_confidence,
            words,
            negotiation: Negotiation::new(settings.output),
            settings,
        })
    }

    /// Asks until the server refuses nothing any more that can be left out.
    async fn ask(
        &self,
        picture: &str,
        words: Option<&[String]>,
        context: &CallContext,
    ) -> Result<Answer, UpstreamError> {
        loop {
            context.check()?;
            let offer = self.negotiation.offer();
            let answer = self
                .service
                .send(self.request(picture, words, &offer), LONGEST_ANSWER)
                .await?;
            let is_refused = matches!(
                answer.status(),
                StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
            );
            let text = String::from_utf8_lossy(answer.body());
            if !is_refused || !self.negotiation.gives_way(&offer, &text) {
                return Ok(answer);
            }
        }
    }

    fn failure(&self, answer: &Answer) -> UpstreamError {
        let error: reply::Failure = serde_json::from_slice(answer.body()).unwrap_or_default();
        match answer.status() {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY if error.is_of_picture() => {
                UpstreamError::Unreadable(cause(self.service.error_report(answer)))
            }
            StatusCode::TOO_MANY_REQUESTS if error.is_of_quota() => UpstreamError::QuotaExhausted {
                retry_after: answer.retry_after(),
            },
            StatusCode::PAYMENT_REQUIRED => UpstreamError::QuotaExhausted {
                retry_after: answer.retry_after(),
            },
            _ => self.service.failure(answer),
        }
    }

    fn read(&self, answer: &Answer, words: Option<&[String]>) -> Result<Tags, UpstreamError> {
        let reply: Reply = self.service.json(answer)?;
        let content = reply
            .content()
            .map_err(|error| self.service.malformed(answer, &error.to_string()))?;
        let reading = Reading {
            words,
            default_confidence: self.default_confidence,
            max_tags: self.settings.max_tags,
            lists_words: self.settings.output == Output::Plain,
        };
        reading
            .tags(&content)
            .map_err(|error| self.service.malformed(answer, &error.to_string()))
    }
}

#[async_trait]
impl TagProvider for VisionServer {
    fn identity(&self) -> &ProviderIdentity {
        &self.identity
    }

    fn max_side(&self) -> u32 {
        self.settings.max_side
    }

    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError> {
        picture.jpeg(self.settings.max_side).await.map(drop)
    }

    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Prediction, UpstreamError> {
        context.check()?;
        let file = picture.jpeg(self.settings.max_side).await?;
        let words = self.words.current().await;
        let words = words.as_deref();
        let answer = self.ask(&request::data_url(&file), words, context).await?;
        if !answer.status().is_success() {
            return Err(self.failure(&answer));
        }
        self.read(&answer, words).map(Prediction::from)
    }

    /// A vision server is called without asking first.
    async fn ready(&self) -> Result<(), UpstreamError> {
        Ok(())
    }

    fn quota(&self) -> Option<Quota> {
        None
    }
}
