//! The in-memory [`TagProvider`](domain::ports::TagProvider).

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::{Poll, Waker},
};

use async_trait::async_trait;

use super::{FakeBlobHost, Pull};
use domain::{
    EncodedPicture, ModelFeatures, ProviderIdentity, Tags,
    ports::{CallContext, PictureSource, Prediction, Quota, TagProvider, UpstreamError, cause},
};

/// A tag provider that finds the configured tags in every picture.
pub struct FakeTagProvider {
    pull: Pull,
    identity: ProviderIdentity,
    host: Option<Arc<FakeBlobHost>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tags: Tags,
    features: Option<ModelFeatures>,
    quota: Option<Quota>,
    not_ready: Option<UpstreamError>,
    failures: VecDeque<UpstreamError>,
    calls: usize,
    last_file: Option<EncodedPicture>,
    is_held: bool,
    waiting: Vec<Waker>,
}

impl FakeTagProvider {
    /// A provider `fake` of version `1` that pulls pictures in that form and finds no tags.
    pub fn new(pull: Pull) -> Self {
        Self {
            pull,
            identity: ProviderIdentity::parse("fake", "1", "en").expect("an identity"),
            host: None,
            state: Mutex::default(),
        }
    }

    /// Sets its identity.
    #[must_use]
    pub fn with_identity(mut self, name: &str, version: &str, language: &str) -> Self {
        self.identity = ProviderIdentity::parse(name, version, language).expect("an identity");
        self
    }

    /// Sets the tags it finds.
    #[must_use]
    pub fn with_tags(self, tags: Tags) -> Self {
        self.set_tags(tags);
        self
    }

    /// Makes it fetch URLs from that host: it cannot read blobs that do not (or no longer) exist.
    #[must_use]
    pub fn fetching_from(mut self, host: Arc<FakeBlobHost>) -> Self {
        self.host = Some(host);
        self
    }

    /// Sets the tags it finds from now on.
    pub fn set_tags(&self, tags: Tags) {
        self.state().tags = tags;
    }

    /// Sets the features that it computes of every picture from now on; it begins without.
    pub fn set_features(&self, features: Option<ModelFeatures>) {
        self.state().features = features;
    }

    /// Sets the quota that it reports.
    pub fn set_quota(&self, quota: Option<Quota>) {
        self.state().quota = quota;
    }

    /// Makes it unready for that reason, or ready again. It still tags.
    pub fn set_not_ready(&self, reason: Option<UpstreamError>) {
        self.state().not_ready = reason;
    }

    /// Makes the next call of [`TagProvider::tag`] fail; each use adds one failure.
    pub fn fail_next(&self, error: UpstreamError) {
        self.state().failures.push_back(error);
    }

    /// Holds calls of [`TagProvider::tag`] until [`let_go`](Self::let_go).
    pub fn hold(&self) {
        self.state().is_held = true;
    }

    /// Resumes the held calls.
    pub fn let_go(&self) {
        let mut state = self.state();
        state.is_held = false;
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// How many calls of [`TagProvider::tag`] were made, held and failed ones included.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// The last picture file it received, as bytes or by URL.
    pub fn last_file(&self) -> Option<EncodedPicture> {
        self.state().last_file.clone()
    }

    async fn wait(&self) {
        poll_fn(|context| {
            let mut state = self.state();
            if state.is_held {
                state.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// The picture file of a source; `None` if it is not one.
    async fn read(
        &self,
        picture: &dyn PictureSource,
    ) -> Result<Option<EncodedPicture>, UpstreamError> {
        match self.pull {
            Pull::Pixels(side) => picture.pixels(side).await.map(|_| None),
            Pull::Jpeg(side) => picture.jpeg(side).await.map(Some),
            Pull::PublicUrl(side) => {
                let url = picture.public_url(side).await?;
                let Some(host) = &self.host else {
                    return Ok(None);
                };
                let nothing = || UpstreamError::Unreadable(cause("nothing is at the URL"));
                host.fetch(&url).ok_or_else(nothing).map(Some)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panicked holding the provider")
    }
}

#[async_trait]
impl TagProvider for FakeTagProvider {
    fn identity(&self) -> &ProviderIdentity {
        &self.identity
    }

    fn max_side(&self) -> u32 {
        match self.pull {
            Pull::Pixels(_) => 0,
            Pull::Jpeg(side) | Pull::PublicUrl(side) => side,
        }
    }

    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError> {
        match self.pull {
            Pull::Pixels(side) => picture.pixels(side).await.map(drop),
            Pull::Jpeg(side) => picture.jpeg(side).await.map(drop),
            Pull::PublicUrl(side) => picture.public_url(side).await.map(drop),
        }
    }

    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Prediction, UpstreamError> {
        context.check()?;
        self.state().calls += 1;
        self.wait().await;
        if let Some(error) = self.state().failures.pop_front() {
            return Err(error);
        }
        let file = self.read(picture).await?;
        let mut state = self.state();
        if file.as_ref().is_some_and(|file| file.bytes.is_empty()) {
            return Err(UpstreamError::Unreadable(cause("an empty file")));
        }
        state.last_file = file;
        Ok(Prediction {
            tags: state.tags.clone(),
            features: state.features.clone(),
        })
    }

    async fn ready(&self) -> Result<(), UpstreamError> {
        self.state().not_ready.clone().map_or(Ok(()), Err)
    }

    fn quota(&self) -> Option<Quota> {
        self.state().quota
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt, pin_mut};

    use super::*;
    use crate::{
        FakePictureSource,
        contract::tag_provider::{Samples, all},
        tags,
    };
    use domain::{MediaType, ports::BlobHost};

    fn file(content: &'static [u8]) -> EncodedPicture {
        EncodedPicture {
            media_type: MediaType::Jpeg,
            bytes: Bytes::from_static(content),
        }
    }

    #[tokio::test]
    async fn keeps_the_contract_with_files() {
        let provider = FakeTagProvider::new(Pull::Jpeg(16)).with_tags(tags(&[("car", 61.4)]));
        let samples = Samples {
            readable: FakePictureSource::of_file(file(b"a car")),
            unreadable: Some(FakePictureSource::of_file(file(b""))),
        };
        all(&provider, &samples).await;
        assert_eq!(provider.last_file(), Some(file(b"a car")));
    }

    #[tokio::test]
    async fn keeps_the_contract_with_urls() {
        let host = Arc::new(FakeBlobHost::default());
        let blob = host
            .host(&file(b"a car"), "car", &CallContext::local())
            .await
            .unwrap();
        let provider = FakeTagProvider::new(Pull::PublicUrl(16))
            .with_tags(tags(&[("car", 61.4)]))
            .fetching_from(host);
        let samples = Samples {
            readable: FakePictureSource::of_url(blob.url),
            unreadable: Some(FakePictureSource::of_url("https://blobs.example/none")),
        };
        all(&provider, &samples).await;
    }

    #[tokio::test]
    async fn holds_calls_until_it_lets_them_go() {
        let provider = FakeTagProvider::new(Pull::Jpeg(16));
        provider.hold();
        let picture = FakePictureSource::of_file(file(b"a car"));
        let local = CallContext::local();
        let call = provider.tag(&picture, &local);
        pin_mut!(call);
        assert!(call.as_mut().now_or_never().is_none());
        assert_eq!(provider.calls(), 1);
        provider.let_go();
        assert!(call.now_or_never().unwrap().is_ok());
    }
}
