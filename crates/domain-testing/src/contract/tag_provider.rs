//! The contract of [`TagProvider`].

use futures_util::future::join_all;

use crate::FakePictureSource;
use domain::{
    ProviderIdentity,
    ports::{CallContext, CodecError, TagProvider, UpstreamError},
};

/// The inputs of the suite.
#[derive(Debug)]
pub struct Samples {
    /// A picture in the form that the provider pulls, for which it has tags.
    pub readable: FakePictureSource,
    /// Something in the form that the provider pulls that is not a picture; `None` if the form is pixels.
    pub unreadable: Option<FakePictureSource>,
}

/// Runs the whole suite on one provider.
pub async fn all(provider: &dyn TagProvider, samples: &Samples) {
    it_has_an_identity(provider);
    it_prepares_what_it_pulls(provider, samples).await;
    it_finds_tags(provider, samples).await;
    it_takes_several_calls_at_a_time(provider, samples).await;
    it_says_what_it_cannot_read(provider, samples).await;
    it_fails_as_its_source_does(provider).await;
    it_starts_no_call_for_a_caller_that_has_gone(provider, samples).await;
    it_is_ready_after_it_tagged(provider, samples).await;
}

/// Name, version, language and size never change.
pub fn it_has_an_identity(provider: &dyn TagProvider) {
    let (identity, side) = (provider.identity().clone(), provider.max_side());
    let parts = (identity.name(), identity.version(), identity.language());
    let parsed = ProviderIdentity::parse(parts.0, parts.1, parts.2).expect("an identity");
    assert_eq!(provider.identity(), &parsed);
    assert_eq!(provider.max_side(), side);
}

/// The preparation pulls everything that a call pulls.
pub async fn it_prepares_what_it_pulls(provider: &dyn TagProvider, samples: &Samples) {
    let picture = &samples.readable;
    provider.prepare(picture).await.expect("prepared");
    let prepared = picture.pulls();
    assert!(!prepared.is_empty(), "nothing was pulled");
    provider.tag(picture, &local()).await.expect("tags");
    for pull in picture.pulls() {
        assert!(prepared.contains(&pull), "{pull:?} was not prepared");
    }
}

/// A readable picture is tagged, deterministically; its features, if there are any, are the same each time.
pub async fn it_finds_tags(provider: &dyn TagProvider, samples: &Samples) {
    let found = provider.tag(&samples.readable, &local()).await;
    let found = found.expect("tags");
    assert!(!found.tags.is_empty());
    let again = provider.tag(&samples.readable, &local()).await;
    assert_eq!(again.expect("tags"), found);
}

/// Concurrent calls do not affect each other.
pub async fn it_takes_several_calls_at_a_time(provider: &dyn TagProvider, samples: &Samples) {
    let context = local();
    let alone = provider.tag(&samples.readable, &context).await;
    let alone = alone.expect("tags");
    let calls = (0..3).map(|_| provider.tag(&samples.readable, &context));
    for found in join_all(calls).await {
        assert_eq!(found.expect("tags"), alone);
    }
}

/// An invalid picture is [`UpstreamError::Unreadable`], and the next picture is tagged as usual.
pub async fn it_says_what_it_cannot_read(provider: &dyn TagProvider, samples: &Samples) {
    let Some(unreadable) = &samples.unreadable else {
        return;
    };
    let error = provider.tag(unreadable, &local()).await;
    let error = error.expect_err("no picture");
    assert!(matches!(error, UpstreamError::Unreadable(_)), "{error:?}");
    let tags = provider.tag(&samples.readable, &local()).await;
    tags.expect("tags");
}

/// An error of the source is passed on unchanged.
pub async fn it_fails_as_its_source_does(provider: &dyn TagProvider) {
    let failing = FakePictureSource::failing(UpstreamError::Picture(CodecError::Overloaded));
    let prepared = provider.prepare(&failing).await;
    let tagged = provider.tag(&failing, &local()).await.map(drop);
    for outcome in [prepared, tagged] {
        let error = outcome.expect_err("the source fails");
        let is_handed_on = matches!(error, UpstreamError::Picture(CodecError::Overloaded));
        assert!(is_handed_on, "{error:?}");
    }
}

/// A call of a caller that has gone is [`UpstreamError::Cancelled`].
pub async fn it_starts_no_call_for_a_caller_that_has_gone(
    provider: &dyn TagProvider,
    samples: &Samples,
) {
    let gone = CallContext::cancelled_when(|| true);
    let error = provider.tag(&samples.readable, &gone).await;
    let error = error.expect_err("the caller has gone");
    assert!(matches!(error, UpstreamError::Cancelled), "{error:?}");
}

/// A provider that has just tagged is ready.
pub async fn it_is_ready_after_it_tagged(provider: &dyn TagProvider, samples: &Samples) {
    let tags = provider.tag(&samples.readable, &local()).await;
    tags.expect("tags");
    provider.ready().await.expect("ready");
}

fn local() -> CallContext {
    CallContext::local()
}
