#![doc = include_str!("../README.md")]

mod language;
mod meter;
mod reply;
mod request;
mod settings;

use async_trait::async_trait;
use domain::{
    ProviderIdentity,
    ports::{CallContext, PictureSource, Prediction, Quota, TagProvider, UpstreamError, cause},
};
use reqwest::{Client, StatusCode};
use upstream_http::{Answer, BaseUrl, Credentials, Service, ServiceFacts};

pub use self::{
    language::{LANGUAGES, UnknownLanguage},
    settings::{Delivery, ImaggaSettings, ImaggaSettingsError},
};
use self::{meter::Meter, reply::Reply};

/// The response limit; responses are a few kilobytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Errors are `{"status": {"text": "…", "type": "error"}}`; those of v1 had a `message`.
const FACTS: ServiceFacts = ServiceFacts {
    name: "Imagga",
    error_texts: &["/status/text", "/message"],
    request_id: None,
};

/// A tag provider at Imagga.
#[derive(Debug)]
pub struct Imagga {
    service: Service,
    base_url: BaseUrl,
    identity: ProviderIdentity,
    delivery: Delivery,
    max_side: u32,
    meter: Meter,
}

impl Imagga {
    /// Creates the provider without connecting. The time-outs of all calls are the client's.
    pub fn new(client: Client, settings: ImaggaSettings) -> Result<Self, ImaggaSettingsError> {
        let base_url = BaseUrl::parse(&settings.base_url)?;
        let language = language::known(&settings.language)?;
        let credentials = Credentials::new(settings.api_key, settings.api_secret);
        Ok(Self {
            service: Service::new(FACTS, client, credentials),
            base_url,
            identity: ProviderIdentity::parse("imagga", "v2", language)?,
            delivery: settings.delivery,
            max_side: settings.max_side,
            meter: Meter::default(),
        })
    }

    fn failure(&self, answer: &Answer) -> UpstreamError {
        match answer.status() {
            // The picture is the only variable part of our requests, so it must be at fault.
            StatusCode::BAD_REQUEST => {
                UpstreamError::Unreadable(cause(self.service.error_report(answer)))
            }
            StatusCode::FORBIDDEN => UpstreamError::QuotaExhausted {
                retry_after: meter::until_reset(answer),
            },
            _ => self.service.failure(answer),
        }
    }
}

#[async_trait]
impl TagProvider for Imagga {
    fn identity(&self) -> &ProviderIdentity {
        &self.identity
    }

    fn max_side(&self) -> u32 {
        self.max_side
    }

    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError> {
        self.pull(picture).await.map(drop)
    }

    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Prediction, UpstreamError> {
        context.check()?;
        let request = self.request(self.pull(picture).await?)?;
        let answer = self.service.send(request, LONGEST_ANSWER).await?;
        self.meter.read(&answer);
        if !answer.status().is_success() {
            return Err(self.failure(&answer));
        }
        let reply: Reply = self.service.json(&answer)?;
        reply
            .into_tags(self.identity.language())
            .map(Prediction::from)
            .map_err(|error| self.service.malformed(&answer, &error.to_string()))
    }

    async fn ready(&self) -> Result<(), UpstreamError> {
        self.meter.ready()
    }

    fn quota(&self) -> Option<Quota> {
        self.meter.quota()
    }
}
